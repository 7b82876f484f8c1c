//! etcd's services, one a file: each checks its request, asks the state or consensus, answers.

mod cluster;
mod election;
mod events;
mod health;
mod kv;
mod lease;
mod lock;
mod maintenance;
mod queue;
mod read;
mod snapshot;

pub(crate) use kv::unexpected;
