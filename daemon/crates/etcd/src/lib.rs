//! The etcd v3 API: gRPC services, and the HTTP that goes with them.
//!
//! ```text
//! connection -> dispatch -> grpc (decode) -> service: check, access, read or propose -> grpc (encode)
//!                       \-> http: health, version, metrics
//!                       \-> gateway: JSON to gRPC and back
//! watch: hub (events meet watchers) -> mailbox -> stream (a call's body)
//! ```
//!
//! Everything runs on the tokio runtime that it was started in, one thread in the daemon; what may
//! take long goes to a thread of its own or is done in pieces. Knows nothing about Raft, which is
//! behind [`skerry_consensus::Handle`], nor about how the state is kept. Invariant: nothing that a
//! client sends or fails to do makes anything here grow past [`limits`].

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

pub use api::{Gate, Options};
pub use auth::{Algorithm, AuthOptions, JwtOptions, KeyError, TokenOptions, TokenOptionsError};
pub use server::Server;
pub use skerry_listen::Transport;
