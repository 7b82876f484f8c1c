//! Why an operation inside the store stopped, before it is known which file it was about.
//!
//! Invariant: a refusal is part of the replicated outcome and says nothing of this machine; all
//! else is this member's trouble and becomes a [`StoreError`] at the seam.

use std::path::Path;

use crate::{ApplyError, QueryError, StoreError};

/// A refusal, or trouble with the file.
#[derive(Debug)]
pub(crate) enum Fault {
    Refused(ApplyError),
    Redb(redb::Error),
    Corrupt(String),
    /// Trouble that names its file already.
    Store(StoreError),
}

impl Fault {
    /// A record or a row that the store did not write.
    pub(crate) fn corrupt(what: impl Into<String>) -> Fault {
        Fault::Corrupt(what.into())
    }

    /// The error of a read that a client asked for.
    pub(crate) fn query(self, path: &Path) -> QueryError {
        match self {
            Fault::Refused(refused) => QueryError::Refused(refused),
            other => QueryError::Store(other.store(path)),
        }
    }

    /// The error of an operation that is never refused.
    pub(crate) fn store(self, path: &Path) -> StoreError {
        let path = path.to_path_buf();
        match self {
            Fault::Refused(refused) => StoreError::Corrupt {
                path,
                what: refused.to_string(),
            },
            Fault::Store(error) => error,
            Fault::Redb(redb::Error::Corrupted(what)) | Fault::Corrupt(what) => {
                StoreError::Corrupt { path, what }
            }
            Fault::Redb(source) => StoreError::Redb {
                path,
                source: Box::new(source),
            },
        }
    }
}

impl From<ApplyError> for Fault {
    fn from(refused: ApplyError) -> Fault {
        Fault::Refused(refused)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        Fault::Store(error)
    }
}

macro_rules! from_redb {
    ($($source:ty),*) => {
        $(impl From<$source> for Fault {
            fn from(source: $source) -> Fault {
                Fault::Redb(source.into())
            }
        })*
    };
}

from_redb!(
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::SetDurabilityError
);
