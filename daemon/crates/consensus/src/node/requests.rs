//! What handles ask of the consensus thread besides commands and reads.

use tokio::sync::oneshot;

use crate::ProposeError;
use crate::peer::message::{MemberChange, Members};

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, ProposeError>>;

/// One request.
pub(crate) enum Request {
    /// Change the membership, here or on the leader.
    Member(MemberChange, Reply<Members>),
    /// Hand leadership over, to a certain member or to the best; answers with the new leader.
    Transfer(Option<u64>, Reply<u64>),
    /// Give a lease its whole life again; answers with its seconds.
    KeepAlive(i64, Reply<i64>),
    /// Seconds that a lease still has, and those it was granted.
    Remaining(i64, Reply<(i64, i64)>),
    /// Prepare to stop: hand leadership over if there is somebody to take it.
    HandOver(Reply<()>),
}
