//! The whole state as a stream of frames, for a member that lags too far to be sent the log.
//!
//! The sender reads one consistent view row by row; the receiver writes a file of its own beside
//! its state, which takes the state's place only once the stream was received whole. Knows nothing
//! about who sends it where. Invariant: neither side ever holds more than a frame and one row, and
//! a stream that was cut, reordered or changed in any bit is refused.
//!
//! ```text
//! stream   head frame, row frames, end frame
//! frame    payload length u32 LE | crc32c u32 LE over the rest | number u32 LE | kind u8 | payload
//! head     format version, position applied, revision, membership (postcard)
//! rows     a piece of: table u8 | key length | value length | key | value, ...  (varints)
//! end      number of rows u64 LE | crc32c u32 LE over the payloads of all row frames
//! ```

mod frame;
mod read;
mod write;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use read::SnapshotReader;
pub use write::SnapshotWriter;

use crate::LogId;

/// The version of the format; another one is refused.
const FORMAT: u32 = 1;

/// What a snapshot holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotMeta {
    /// The last entry that was applied.
    pub applied: Option<LogId>,
    /// The membership in force.
    pub membership: Option<Bytes>,
    /// The revision of the keyspace.
    pub revision: i64,
}
