//! The Raft log on disk.
//!
//! Entries, the vote, the committed log id, truncations and purges are records of one stream,
//! written to segments of fixed size. All that is queued goes to disk in one durable write, a
//! *batch*. Knows nothing about Raft: votes and log ids are bytes, entries are bytes with an index.
//!
//! Flash wears by the block, so a lone entry should cost one. Segments are zero-filled ahead of
//! the records and used again when their entries are purged, so a write changes no metadata of the
//! file system; direct writes are padded to the device's logical block and no further. Where
//! direct I/O is refused, pages are written through the cache with a sync behind each batch.
//!
//! # Directory
//!
//! ```text
//! 0000000000000007.log      segments, numbered without a gap; the last one is written
//! 0000000000000008.log
//! 0000000000000005.spare    emptied, waits to become the next segment
//! ```
//!
//! A name is made durable (fsync of the directory) before anything behind it is acknowledged.
//!
//! # Segment
//!
//! Batches, each at the start of a block, without a gap. The first one, the *head*, repeats the
//! metadata in force, so that older segments can go when their entries are purged. All numbers
//! are little-endian, every CRC is CRC-32C.
//!
//! ```text
//! block      block                block
//! | head     | batch              | batch   | zeros, or what an earlier use left ...
//!
//! batch:   0  u32  CRC of bytes 4..48
//!          4  u32  "SkLg"
//!          8  u16  format version, 1
//!         10  u8   block size of this segment, as a power of two
//!         11  u8   0
//!         12  u32  bytes of the records
//!         16  u64  number of the segment
//!         24  u64  salt of the log
//!         32  u64  sequence number of the batch, without a gap across segments
//!         40  u32  offset of the batch in the segment
//!         44  u32  CRC of the records
//!         48       records, then zeros to the end of the block
//!
//! record:  0  u32  CRC of salt, segment number, bytes 4..20 and payload
//!          4  u32  bytes of the payload
//!          8  u64  index
//!         16  u8   kind
//!         17       3 bytes 0
//!         20       payload
//!
//! kind           index                     payload
//! 1 entry        its own                   the entry
//! 2 truncate     first index removed       -
//! 3 purge        last index removed        its log id
//! 4 vote         0                         the vote
//! 5 committed    0                         the log id
//! 6 head         index of the next entry   -           first record of a segment, nowhere else
//! ```
//!
//! # A torn tail, and corruption
//!
//! A batch is begun only when the one before it is durable, so **at most one batch was in flight
//! when the power went**, the last one, and it had not been acknowledged. Its blocks may be there
//! in part and in any order, and so may its head. Opening reads batch after batch:
//!
//! - A batch counts when its head is of this segment, offset and salt, its sequence number is the
//!   next one and the CRC over all its records holds: it is there as a whole or not at all, and
//!   what another batch at the same place left behind cannot be mixed into it.
//! - At the first that does not count, the rest of the segment is searched for the head of a later
//!   batch. Where there is one, or where the next segment's head has a later sequence number than
//!   expected, the bad batch had been acknowledged: **corruption**, an error with file and offset.
//!   Otherwise it is a **torn tail**: the log ends before it and the next batch is written over it.
//! - A segment's head is written by itself, after everything in the segment before it is durable.
//!   A last segment without a good head is a rotation that was cut short, unless a later batch
//!   stands in it.
//!
//! What this cannot see: damage to the very last batch, which looks like a torn one, and a disk
//! that has lost every batch of the last segment from some point on. Who keeps state applied from
//! this log can: the state is then ahead of [`Recovered::last_index`].
//!
//! The salt is chosen at random in a log's life and no client can know it: what a client writes
//! never passes for a head, not in a torn batch and not in a segment that is used again. The
//! segment number in the CRCs tells a segment's records from those of its earlier use.
//!
//! # Memory
//!
//! 16 bytes for every entry in the log; the bytes of entries that are not yet durable; of durable
//! ones the most recent up to [`Options::cache_bytes`]; one batch being encoded. An entry is held
//! as the [`Bytes`] it came in: one that is a small slice of a large buffer keeps all of it.

mod aligned;
mod disk;
mod error;
mod format;
pub mod limits;
mod log;
mod options;
mod picture;
mod queue;
mod reader;
mod real_disk;
mod recovery;
mod replay;
mod scan;
mod segment;
#[cfg(any(test, feature = "simulated-disk"))]
pub mod simulated_disk;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

pub use disk::{Disk, SegmentFile};
pub use error::LogError;
pub use log::{Done, Log, Room};
pub use options::Options;
pub use real_disk::RealDisk;
pub use recovery::Cut;
pub use writer::Writer;

use picture::Picture;
use queue::{Shared, State};

/// What was found when a log was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The vote last saved.
    pub vote: Option<Bytes>,
    /// The committed log id last saved that is on disk.
    pub committed: Option<Bytes>,
    /// Index and log id of the last entry purged.
    pub purged: Option<(u64, Bytes)>,
    /// Index of the first entry present.
    pub first_index: Option<u64>,
    /// Index of the last entry present.
    pub last_index: Option<u64>,
    /// A write that had not been acknowledged was found incomplete and left out.
    pub cut: Option<Cut>,
}

impl Log {
    /// Opens the log in `dir`, or makes a new one where there is none. Reads all of it once.
    ///
    /// Changes are written by [`Writer::run`], which wants a thread of its own.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: Options,
    ) -> Result<(Log, Recovered, Writer), LogError> {
        let bounds = options.bounds()?;
        disk.create_dir(dir).map_err(LogError::io(dir, "make"))?;
        let lock = disk.lock(dir).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => LogError::InUse {
                path: dir.to_path_buf(),
            },
            _ => LogError::io(dir, "lock")(error),
        })?;
        let mut opened = recovery::open(disk, dir, options.segment_bytes)?;
        let picture = Picture::new(
            opened.replay.metadata.clone(),
            opened.replay.base,
            std::mem::take(&mut opened.replay.places),
            options.cache_bytes,
        );
        if let Some(cut) = &opened.cut {
            let path = cut.path.display();
            tracing::warn!(%path, offset = cut.offset, "an unfinished write was cut off the log");
        }
        let recovered = Recovered {
            vote: picture.metadata.vote.clone(),
            committed: picture.metadata.committed.clone(),
            purged: picture.metadata.purged.clone(),
            first_index: picture.first_index(),
            last_index: picture.last_index(),
            cut: opened.cut.clone(),
        };
        let next_index = picture.next_index();
        let state = State::new(picture, std::mem::take(&mut opened.segments));
        let shared = Arc::new(Shared::new(state, bounds, opened.tail.salt));
        let writer = Writer::new(shared.clone(), opened, next_index, lock);
        Ok((Log::new(shared), recovered, writer))
    }
}
