//! Fault injection from outside: a client load is recorded while members are killed, paused
//! and cut from each other; then the record is judged.
//!
//! Knows nothing about how a member works inside: the same run passes against real etcd.
//! The judges (`linearizable`, `revisions`, `watchers`) are pure functions of the record.

// What a run did is told on standard output.
#![allow(clippy::print_stdout)]

pub mod bulk;
pub mod damage;
pub mod fleet;
pub mod history;
pub mod lease;
pub mod limits;
pub mod linearizable;
pub mod load;
pub mod nemesis;
pub mod network;
pub mod observed;
pub mod peers;
pub mod power;
pub mod quorum;
pub mod register;
pub mod revisions;
pub mod session;
pub mod slow;
pub mod space;
pub mod storm;
pub mod watchers;
