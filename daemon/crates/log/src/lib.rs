//! The Raft log on disk.

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
mod tail;
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
