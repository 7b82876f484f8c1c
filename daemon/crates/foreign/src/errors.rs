//! What can go wrong with a foreign etcd, and what its refusals mean.

use skerry_consensus::{ProposeError, ReadError};
use skerry_store::{ApplyError, StoreError};
use tonic::{Code, Status};

/// Why the datastore cannot be followed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Broken {
    #[error("the datastore refused or could not be reached: {}", reason(.0))]
    Refused(Box<Status>),
    #[error(transparent)]
    Replica(#[from] StoreError),
    #[error("a change of the replica was given up")]
    GivenUp(#[from] tokio::task::JoinError),
    #[error("the watch of the datastore ended: {0}")]
    Watch(String),
    #[error(
        "the datastore is another one, or was set back, since this server started: start it again \
         to read it anew"
    )]
    WentBack,
}

impl Broken {
    /// Whether trying again would be wrong.
    pub(crate) fn is_fatal(&self) -> bool {
        matches!(self, Broken::Replica(_) | Broken::WentBack)
    }
}

impl From<Status> for Broken {
    fn from(status: Status) -> Broken {
        Broken::Refused(Box::new(status))
    }
}

/// What a refusal says, and what it comes from.
pub(crate) fn reason(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        let says = error.to_string();
        if !text.ends_with(&says) {
            text = format!("{text}: {says}");
        }
        source = error.source();
    }
    text
}

/// Of a write. One whose connection broke may have been done.
pub(crate) fn of_write(status: &Status) -> ProposeError {
    let says = |text: &str| status.message().contains(text);
    match status.code() {
        _ if says("database space exceeded") => ApplyError::NoSpace.into(),
        _ if says("has been compacted") => ApplyError::Compacted.into(),
        _ if says("is a future revision") => ApplyError::FutureRevision.into(),
        _ if says("requested lease not found") => ApplyError::LeaseNotFound.into(),
        _ if says("permission denied") => ApplyError::PermissionDenied.into(),
        _ if says("request is too large") => ProposeError::TooLarge,
        _ if says("too many requests") => ProposeError::TooManyRequests,
        _ if says("request timed out") => ProposeError::Timeout,
        _ if says("no leader") => ProposeError::NoLeader,
        Code::Unavailable => ProposeError::TimeoutConnectionLost,
        Code::DeadlineExceeded | Code::Cancelled => ProposeError::Timeout,
        _ => ApplyError::UnknownCommand(status.message().to_owned()).into(),
    }
}

/// Of a read.
pub(crate) fn of_read(status: &Status) -> ReadError {
    match status.code() {
        Code::DeadlineExceeded | Code::Cancelled => ReadError::Timeout,
        _ => ReadError::NoLeader,
    }
}
