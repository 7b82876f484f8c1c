//! The etcd v3 API: gRPC services, and the HTTP that goes with them.
#![allow(dead_code)]

mod auth;
mod check;
mod codec;
mod errors;
mod gateway;
mod grpc;
pub mod limits;
mod method;
pub mod rpc;
mod serve;
mod urls;
mod version;
mod who;

pub use serve::Transport;
