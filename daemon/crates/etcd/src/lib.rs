//! The etcd v3 API: gRPC services, and the HTTP that goes with them.

mod access;
mod api;
mod auth;
mod check;
mod codec;
mod dispatch;
mod errors;
mod gateway;
mod grpc;
mod http;
mod leader;
pub mod limits;
mod method;
mod metrics;
mod quota;
pub mod rpc;
mod server;
mod service;
mod urls;
mod version;
mod watch;
mod who;

pub use api::Options;
pub use auth::{Algorithm, AuthOptions, JwtOptions, KeyError, TokenOptions, TokenOptionsError};
pub use server::Server;
pub use skerry_listen::Transport;
