//! Why the store did not do what the engine asked.

use super::SealError;
use skerry_consensus::{ProposeError, ReadError};
use skerry_store::{ApplyError, QueryError, StoreError};

/// Why the store did not do what the engine asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    /// There is no quorum: nothing can be written.
    #[error("no quorum")]
    NoQuorum,
    /// There is none just now: an election may be under way.
    #[error("no leader just now")]
    Election,
    /// Nothing is known about the outcome.
    #[error("request timed out")]
    Timeout,
    /// Over the limit of the log.
    #[error("request is too large")]
    TooLarge,
    /// Too much is under way.
    #[error("too many requests")]
    TooManyRequests,
    /// The space quota is used up.
    #[error("database space exceeded")]
    NoSpace,
    /// The revision that was to be read is compacted.
    #[error("revision {0} has been compacted")]
    Compacted(i64),
    /// The revision that was to be read does not exist yet.
    #[error("revision {0} is a future revision")]
    Future(i64),
    /// The member stops.
    #[error("server stopped")]
    Stopped,
    /// The state cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A value cannot be encrypted or decrypted.
    #[error(transparent)]
    Sealed(#[from] SealError),
    /// A refusal or an answer that the engine never provokes.
    #[error("unexpected: {0}")]
    Unexpected(String),
}

impl From<ProposeError> for StorageError {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::NoLeader => StorageError::NoQuorum,
            ProposeError::Timeout
            | ProposeError::TimeoutLeaderFailure
            | ProposeError::TimeoutConnectionLost => StorageError::Timeout,
            ProposeError::TooLarge => StorageError::TooLarge,
            ProposeError::TooManyRequests => StorageError::TooManyRequests,
            ProposeError::Stopped => StorageError::Stopped,
            ProposeError::Refused(ApplyError::NoSpace) => StorageError::NoSpace,
            other => StorageError::Unexpected(other.to_string()),
        }
    }
}

impl From<ReadError> for StorageError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NoLeader | ReadError::LeaderChanged => StorageError::NoQuorum,
            ReadError::Timeout => StorageError::Timeout,
            ReadError::Stopped => StorageError::Stopped,
        }
    }
}

impl StorageError {
    /// The error of a read at a revision.
    pub(super) fn at(revision: i64, error: QueryError) -> StorageError {
        match error {
            QueryError::Refused(ApplyError::Compacted) => StorageError::Compacted(revision),
            QueryError::Refused(ApplyError::FutureRevision) => StorageError::Future(revision),
            QueryError::Refused(other) => StorageError::Unexpected(other.to_string()),
            QueryError::Store(error) => StorageError::Store(error),
        }
    }
}
