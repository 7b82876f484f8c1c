//! The Kubernetes API: a generic engine over the replicated store, and its HTTP front door.
//!
//! ```text
//! request ── authenticate ── route ── authorize ── decode ── admit ── verb ── storage
//!                                                                      │
//! answer  <── encode (object, Table, list in chunks, events, Status) <─┘
//! ```
//!
//! Built-in resources are data of the `schema` crate; what is special about a kind is in `kind`.
//! Knows nothing about TLS, Raft or the disk. Invariant: an object's `resourceVersion` is the
//! revision of the store that wrote it, and nothing is written over a revision nobody has seen.

mod admission;
mod admit;
mod aggregate;
mod answer;
mod audit;
mod authenticate;
mod authorize;
mod bootstrap_tokens;
mod call;
mod certificates;
mod controllers;
mod convert;
mod custom;
mod decode;
mod devices;
mod dial;
mod documents;
mod encryption;
mod engine;
mod error;
mod escalation;
mod events;
mod expressions;
mod filter;
mod flow;
mod frames;
mod health;
mod impersonate;
mod inflight;
mod kind;
pub mod limits;
mod local;
mod metrics;
mod negotiate;
mod nodes;
mod object;
mod openapi;
mod options;
mod policies;
mod proxy;
mod query;
mod registry;
mod review;
mod roles;
mod route;
mod server;
#[cfg(test)]
mod server_test;
mod services;
mod shape;
mod storage;
mod time;
mod tokens;
mod user;
mod user_tokens;
mod verbs;
mod webhooks;

pub use answer::Body;
pub use audit::Audit;
pub use certificates::{ClusterAuthority, RequestFacts, Signer, Terms};
pub use decode::{ManifestError, manifest};
pub use encryption::{Encryption, EncryptionChange};
pub use error::ApiError;
pub use local::{EventNote, Local};
pub use proxy::Outgoing;
pub use server::{Api, Options};
pub use services::{NodePorts, ServiceNetwork};
pub use storage::{Datastore, Leadership, Pending};
pub use tokens::ServiceKeyError;
