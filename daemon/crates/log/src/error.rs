//! Why the log cannot be opened, read or written.
//!
//! One write may carry the work of many callers, so errors are cheap to clone.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The log's trouble, with its place.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// The disk refused. After a failed write the log takes nothing more.
    #[error("{path}: cannot {action}: {source}", path = path.display())]
    Io {
        /// File or directory.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// The system's answer.
        source: Arc<io::Error>,
    },
    /// Bytes that were acknowledged as durable are not what was written.
    #[error(
        "{path}: the log is corrupt at byte {offset}: {what}; \
         move the data directory aside and rejoin as a new member",
        path = path.display()
    )]
    Corrupt {
        /// The segment.
        path: PathBuf,
        /// First byte that cannot be trusted.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// A segment is of a later version of the format.
    #[error("{path}: log format version {found}; this program reads version {supported}", path = path.display())]
    Version {
        /// The segment.
        path: PathBuf,
        /// Version in the file.
        found: u16,
        /// Version this program knows.
        supported: u16,
    },
    /// Another process has the log open.
    #[error("{path}: the log is in use by another process", path = path.display())]
    InUse {
        /// The log's directory.
        path: PathBuf,
    },
    /// A setting out of its range.
    #[error("log option {name} is {value}, allowed is {allowed}")]
    Option {
        /// Which setting.
        name: &'static str,
        /// What was asked for.
        value: u64,
        /// What may be asked for.
        allowed: String,
    },
    /// Appended entries must follow the last one without a hole.
    #[error("entry {got} does not follow the log, which goes on at {expected}")]
    Gap {
        /// Next index of the log.
        expected: u64,
        /// Index that was offered.
        got: u64,
    },
    /// An entry larger than a segment can take.
    #[error("entry {index} has {bytes} bytes, the log takes {limit}")]
    EntryTooLarge {
        /// Its index.
        index: u64,
        /// Its size.
        bytes: usize,
        /// The largest size.
        limit: usize,
    },
    /// An index beyond any that a log reaches.
    #[error("index {index} is beyond {limit}, the highest a log takes")]
    IndexTooLarge {
        /// The index.
        index: u64,
        /// The highest one.
        limit: u64,
    },
    /// A vote or log id longer than a segment's head has room for.
    #[error("{name} has {bytes} bytes, the log takes {limit}")]
    MetadataTooLarge {
        /// Which one.
        name: &'static str,
        /// Its size.
        bytes: usize,
        /// The largest size.
        limit: usize,
    },
    /// The caller went on long after [`crate::Log::has_room`] said no.
    #[error("{bytes} bytes and {operations} operations wait for the disk already")]
    QueueFull {
        /// Bytes that wait.
        bytes: usize,
        /// Operations that wait.
        operations: usize,
    },
    /// An earlier write failed; nothing is written after that.
    #[error("the log has stopped: {source}")]
    Stopped {
        /// The first failure.
        source: Arc<LogError>,
    },
    /// The log was closed, or its writer has ended.
    #[error("the log is closed")]
    Closed,
}

impl LogError {
    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> LogError {
        let path = path.to_path_buf();
        move |source| LogError::Io {
            path,
            action,
            source: Arc::new(source),
        }
    }

    pub(crate) fn corrupt(path: &Path, offset: u64, what: impl Into<String>) -> LogError {
        LogError::Corrupt {
            path: path.to_path_buf(),
            offset,
            what: what.into(),
        }
    }

    /// This error as the reason for every later refusal.
    pub(crate) fn stopped(&self) -> LogError {
        match self {
            LogError::Stopped { .. } | LogError::Closed => self.clone(),
            first => LogError::Stopped {
                source: Arc::new(first.clone()),
            },
        }
    }
}
