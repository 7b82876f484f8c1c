//! Why a snapshot cannot be written or read.

use skerry_bbolt::BboltError;
use skerry_store::{ImportError, StoreError};

/// What went wrong with a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file cannot be written or read, or is no database of etcd's.
    #[error(transparent)]
    File(#[from] BboltError),
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StoreError),
    /// A row cannot be taken.
    #[error("bucket {bucket}: {source}")]
    Row {
        /// The bucket that it is in.
        bucket: &'static str,
        /// Which, and why.
        source: ImportError,
    },
    /// The state that is made of the snapshot cannot be written.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// A database of another program.
    #[error("it is no snapshot of etcd: it has no bucket 'key'")]
    NotEtcd,
    /// What the snapshot says of itself cannot be understood.
    #[error("what the snapshot says of itself: {reason}")]
    Metadata {
        /// Why.
        reason: String,
    },
    /// The file was changed or cut short since it was written.
    #[error("the snapshot's checksum is not that of its content")]
    Checksum,
    /// Nobody wants the snapshot any more.
    #[error("the snapshot was given up")]
    GivenUp,
    /// A compressed snapshot cannot be taken apart.
    #[error("zip file: {what}")]
    Zip {
        /// What is wrong with it.
        what: String,
    },
}

impl ArchiveError {
    /// What the system said, where it was the system.
    pub fn io_kind(&self) -> Option<std::io::ErrorKind> {
        match self {
            ArchiveError::File(BboltError::Io(error)) => Some(error.kind()),
            _ => None,
        }
    }

    pub(crate) fn metadata(reason: impl ToString) -> ArchiveError {
        ArchiveError::Metadata {
            reason: reason.to_string(),
        }
    }
}

impl From<std::io::Error> for ArchiveError {
    fn from(error: std::io::Error) -> ArchiveError {
        ArchiveError::File(error.into())
    }
}
