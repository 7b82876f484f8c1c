//! What the log promises, tried.

mod corruption;
mod fuzz;
mod handle;
mod model;
mod power_loss;
mod reaching_limits;
mod real_disks;
