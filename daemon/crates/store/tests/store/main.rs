//! What the state machine promises, driven through its public interface.

#[path = "../support/random.rs"]
mod random;

mod damage;
mod fuzz;
mod model;
mod model_test;
mod power_loss;
mod promises;
mod same_everywhere;
mod script;
mod snapshots;
mod support;
