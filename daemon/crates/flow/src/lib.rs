//! Which request may run now, which waits and which is sent away: upstream's API priority and
//! fairness.
//!
//! ```text
//! request ── schema ── level ── queue ── seats ── runs
//!   the first that means it     │ fair by virtual time
//!                               └ by shuffle sharding of its flow
//! ```
//!
//! Pure: objects come as JSON, the time as an argument, and whoever asks wakes those who may run.
//! Knows nothing about HTTP, the store or threads. Invariant: what is held is bounded by the requests
//! under way and by `limits.rs`.

mod allocate;
mod bootstrap;
mod demand;
mod flow;
#[cfg(test)]
mod flow_test;
mod keep;
mod level;
mod levels;
pub mod limits;
mod queues;
mod retry;
mod schema;
mod shard;
mod stats;
mod width;

pub use bootstrap::{Wanted, wanted};
pub use flow::{Arrival, Flow, Room, Verdict, Woken};
pub use keep::{Step, dangling, is_left_over, keep};
pub use level::Level;
pub use schema::{Asked, Schema, Target};
pub use width::Listing;

/// The group of the resources.
pub const GROUP: &str = "flowcontrol.apiserver.k8s.io";
/// The plural of FlowSchemas.
pub const SCHEMAS: &str = "flowschemas";
/// The plural of PriorityLevelConfigurations.
pub const LEVELS: &str = "prioritylevelconfigurations";
