//! Why consensus could not do what it was asked, in the terms of etcd's clients.

use skerry_store::ApplyError;

/// A proposal that did not come back as applied.
#[derive(Debug, Clone, thiserror::Error)]
#[allow(missing_docs)]
pub enum ProposeError {
    /// The state machine refused the command.
    #[error(transparent)]
    Refused(#[from] ApplyError),
    /// No leader is known within the time that a request may wait.
    #[error("no leader")]
    NoLeader,
    /// It may or may not be applied yet.
    #[error("request timed out")]
    Timeout,
    /// As `Timeout`, and the leader was lost meanwhile.
    #[error("request timed out, possibly due to previous leader failure")]
    TimeoutLeaderFailure,
    /// As `Timeout`, and the leader could not be reached.
    #[error("request timed out, possibly due to connection lost")]
    TimeoutConnectionLost,
    /// The encoded command is over the limit.
    #[error("request is too large")]
    TooLarge,
    /// Too many proposals are under way.
    #[error("too many requests")]
    TooManyRequests,
    /// The server stops.
    #[error("server stopped")]
    Stopped,
    #[error("member ID already exist")]
    MemberExists,
    #[error("Peer URLs already exists")]
    PeerUrlExists,
    #[error("member not found")]
    MemberNotFound,
    #[error("can only promote a learner member")]
    MemberNotLearner,
    #[error("can only promote a learner member which is in sync with leader")]
    LearnerNotReady,
    #[error("too many learner members in cluster")]
    TooManyLearners,
    #[error("re-configuration failed due to not enough started members")]
    NotEnoughStartedMembers,
    #[error("unhealthy cluster")]
    Unhealthy,
    /// It was to be removed only if nobody hears of it.
    #[error("the member was heard of lately")]
    MemberHeard,
    /// This member has the name, or was given it and has not started yet.
    #[error("the name is that of member {0:x}")]
    MemberName(u64),
    /// Only the leader may be asked to hand leadership over.
    #[error("not leader")]
    NotLeader,
    #[error("bad leader transferee")]
    BadTransferee,
}

/// A linearizable read that could not be placed.
#[derive(Debug, Clone, thiserror::Error)]
#[allow(missing_docs)]
pub enum ReadError {
    #[error("no leader")]
    NoLeader,
    #[error("leader changed")]
    LeaderChanged,
    #[error("request timed out")]
    Timeout,
    #[error("server stopped")]
    Stopped,
}
