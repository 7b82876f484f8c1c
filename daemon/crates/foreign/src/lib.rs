//! A foreign etcd as the datastore: writes go to it, reads to a replica that follows it.
//!
//! ```text
//! propose -> channel -> etcd          (then wait until the replica has the answer's revision)
//! read    -> replica <- watch <- etcd (a base first, then everything that happens)
//! ```
//!
//! Knows nothing about Kubernetes. Invariant: once a write is answered, the reader shows it.

mod channel;
mod datastore;
mod election;
mod errors;
pub mod limits;
mod replica;

pub use channel::{EndpointError, Members, Tls};
pub use datastore::Foreign;
pub use election::{Candidate, Neighbour};
pub use errors::Broken;
