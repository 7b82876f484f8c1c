//! Snapshots in a bucket of an S3-compatible store: put, get, list, delete.
//!
//! Knows nothing about what is in them. A client of its own rather than a crate's: the one for this
//! brings three dozen crates besides (tables of Unicode for host names that are plain here) and
//! would leave connecting, TLS, time-outs and the proxy to us all the same.
//!
//! Invariant: every call is bounded in time, and what is in memory of files and answers is too; keys
//! are in no error and no log.
//!
//! Files are read and written without waiting: call from a thread of its own, with a runtime of its own.

mod bucket;
mod connect;
mod error;
mod exchange;
pub(crate) mod limits;
mod proxy;
mod settings;
mod sign;
mod trust;
mod xml;

pub use bucket::{Bucket, Object};
pub use error::BucketError;
pub use settings::{Lookup, Settings};
