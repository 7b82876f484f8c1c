//! etcd's public protocol and the commands of the replicated log, as Rust types.
//!
//! The messages are generated from `proto/*.proto`: names and field numbers are etcd's
//! (v3.5), so that what a client sends is what the log stores and what the state machine
//! reads, with no conversion in between. `bytes` fields are reference-counted [`bytes::Bytes`].
//! Knows nothing about gRPC: services are generated where they are served.

#![allow(missing_docs, clippy::all)]

/// The stored form of keys and events.
pub mod mvccpb {
    include!(concat!(env!("OUT_DIR"), "/mvccpb.rs"));
}

/// The stored form of users, roles and permissions.
pub mod authpb {
    include!(concat!(env!("OUT_DIR"), "/authpb.rs"));
}

/// Requests and responses of etcd's services.
pub mod etcdserverpb {
    include!(concat!(env!("OUT_DIR"), "/etcdserverpb.rs"));
}

/// Requests and responses of the lock service.
pub mod v3lockpb {
    include!(concat!(env!("OUT_DIR"), "/v3lockpb.rs"));
}

/// Requests and responses of the election service.
pub mod v3electionpb {
    include!(concat!(env!("OUT_DIR"), "/v3electionpb.rs"));
}

/// Commands of the replicated log.
pub mod command {
    include!(concat!(env!("OUT_DIR"), "/command.rs"));
}
