//! Starts Skerry and the real etcd side by side, for the tests that drive them from outside.
//!
//! A [`Cluster`] is one or three members of either [`Kind`], each a process of its own with a
//! data directory, an address and a log file. Whatever a test starts ends with the value that
//! holds it, also when the test panics. Knows nothing about what the tests assert.

// Test support: a broken assumption should stop the test where it breaks.
#![allow(clippy::unwrap_used)]

mod address;
mod cluster;
mod codec;
mod connect;
mod credentials;
mod etcd;
mod https;
mod member;
mod peers;
mod seed;
mod skerry;
mod spawn;
mod wait;

pub use address::Addresses;
pub use cluster::{Cluster, Kind, Options};
pub use connect::{Client, Token, connect, connect_lazy, tls_stream};
pub use credentials::{Authority, Credentials};
pub use https::{Answer, Https};
pub use member::{Member, Signal};
pub use peers::{
    etcd_binary, etcdctl_binary, etcdutl_binary, kubectl_binary, old_kubectl_binary, peers_folder,
    skerry_binary,
};
pub use seed::Random;
pub use skerry_proto as proto;
pub use wait::{eventually, eventually_async};

/// gRPC clients of etcd's services; their messages are those of [`proto`].
#[allow(missing_docs, clippy::all)]
pub mod api {
    include!(concat!(env!("OUT_DIR"), "/etcdserverpb.rs"));
    /// The lock service.
    pub mod lock {
        include!(concat!(env!("OUT_DIR"), "/v3lockpb.rs"));
    }
    /// The election service.
    pub mod election {
        include!(concat!(env!("OUT_DIR"), "/v3electionpb.rs"));
    }
}
