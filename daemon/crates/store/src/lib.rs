//! The MVCC key-value state machine over redb.
//!
//! Pure, synchronous, deterministic: no network, no clock, no randomness. It applies committed
//! entries of the Raft log in order, answers reads from consistent views, and streams its whole
//! state to a member that lags. The same entries give the same state, and the same hash, on every
//! member.

mod apply;
pub mod auth;
mod chunks;
mod compact;
mod entry;
mod error;
mod export;
mod fault;
mod file;
mod gauge;
mod hash;
mod history_key;
mod import;
mod key_range;
mod keyspace;
mod lease;
pub mod limits;
mod mirror;
pub mod quota;
#[cfg(test)]
#[path = "../tests/support/random.rs"]
mod random;
mod range;
mod reader;
mod record;
mod revision;
mod ring;
mod sealed;
mod snapshot;
mod state;
mod store;
mod stored;
mod tables;
mod varint;
mod view;
mod watch;

pub use chunks::RangeChunks;
pub use entry::{Applied, Entry, LogId, Payload, Reply};
pub use error::{ApplyError, QueryError, StoreError};
pub use export::Bucket;
pub use file::mark_for_check;
pub use import::{Convert, Import, ImportError, Imported};
pub use key_range::KeyRange;
pub use lease::{Lease, LeaseChange};
pub use mirror::{Base, Mirror};
pub use reader::Reader;
pub use revision::Revision;
pub use ring::{EventRing, Since};
pub use snapshot::{SnapshotMeta, SnapshotReader, SnapshotWriter};
pub use state::FIRST_MEMBER_ID;
pub use store::{AppliedBatch, Options, Store, Undurable};
pub use view::{History, View};
pub use watch::{WatchIndex, WatcherId};
