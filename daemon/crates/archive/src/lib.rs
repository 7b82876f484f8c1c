//! Snapshots of the datastore: one file in the format of etcd's own, which its tools read.
//!
//! ```text
//! file   etcd's database (bbolt): the keys with their history, leases, users, members, ...
//!        and the bucket `skerry`, see [`Origin`] | SHA-256 of all before
//! ```
//!
//! Knows nothing about where snapshots are kept and who asked for them.

mod error;
pub mod limits;
mod metadata;
pub mod name;
mod read;
mod restore;
mod schedule;
mod timer;
mod write;
pub mod zip;

pub use error::ArchiveError;
pub use metadata::{Describe, METADATA_VERSION, Member, Metadata, Origin};
pub use read::{Opened, open};
pub use restore::{REVISIONS_BUMPED, restore};
pub use schedule::{Schedule, ScheduleError};
pub use timer::Timer;
pub use write::Snapshot;
