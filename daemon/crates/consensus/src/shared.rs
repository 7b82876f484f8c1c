//! What the handles share with the threads of the member.
//!
//! Knows nothing about openraft. Invariant: whatever clients may have under way at once is bounded
//! here, before it costs anything else.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::limits::{PROPOSAL_BYTES_MAX, PROPOSALS_MAX, READS_MAX};
use crate::node::dispatch::Proposal;
use crate::node::requests::Request;
use crate::waiters::Waiters;
use crate::{Abandoned, ReadError, Status};

/// Counters that move at least once a second while the thread they are named after lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Pulse {
    pub consensus: u64,
    pub log: u64,
    pub store: u64,
}

/// The counters themselves.
#[derive(Debug, Default)]
pub(crate) struct Pulses {
    pub(crate) consensus: Arc<AtomicU64>,
    pub(crate) log: Arc<AtomicU64>,
    pub(crate) store: Arc<AtomicU64>,
}

/// Commands on their way to the consensus thread.
#[derive(Default)]
pub(crate) struct Inbox {
    proposals: Mutex<Vec<Proposal>>,
    /// Shared with the log, which says when it has room again.
    pub(crate) filled: Arc<Notify>,
}

impl Inbox {
    pub(crate) fn put(&self, proposal: Proposal) {
        self.proposals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(proposal);
        self.filled.notify_one();
    }

    pub(crate) fn take(&self) -> Vec<Proposal> {
        std::mem::take(
            &mut *self
                .proposals
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

/// Answers up to which index a read must wait.
pub(crate) type ReadReply = oneshot::Sender<Result<u64, ReadError>>;

/// Linearizable reads that wait for the next round.
#[derive(Default)]
pub(crate) struct Reads {
    waiting: Mutex<Vec<ReadReply>>,
    pub(crate) filled: Notify,
}

impl Reads {
    /// Waits for the next round; false if too many do.
    pub(crate) fn put(&self, reply: ReadReply) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= READS_MAX {
            return false;
        }
        waiting.push(reply);
        drop(waiting);
        self.filled.notify_one();
        true
    }

    pub(crate) fn take(&self) -> Vec<ReadReply> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What clients have under way.
#[derive(Default)]
pub(crate) struct Budget {
    proposals: AtomicUsize,
    bytes: AtomicUsize,
}

/// A share of the budget, given back when it is dropped.
pub(crate) struct Share {
    bytes: usize,
    budget: Arc<Budget>,
}

impl Budget {
    /// Takes a share for one command; `None` if too many are under way.
    pub(crate) fn share(self: &Arc<Self>, bytes: usize) -> Option<Share> {
        let share = Share {
            bytes,
            budget: Arc::clone(self),
        };
        let proposals = self.proposals.fetch_add(1, Ordering::Relaxed);
        let total = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        // Dropping the share gives it back.
        (proposals < PROPOSALS_MAX && total <= PROPOSAL_BYTES_MAX).then_some(share)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.proposals.fetch_sub(1, Ordering::Relaxed);
        self.budget.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What handles and threads share.
pub(crate) struct Shared {
    pub(crate) member_id: u64,
    pub(crate) command_bytes_max: usize,
    pub(crate) request_timeout: Duration,
    pub(crate) lease_ttl_seconds_min: i64,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) inbox: Inbox,
    pub(crate) reads: Reads,
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) applied_end: watch::Receiver<u64>,
    pub(crate) committed_end: AtomicU64,
    /// When a leader was last elected, and the election timeout.
    pub(crate) elected_at: Mutex<Option<(Instant, Duration)>>,
    pub(crate) status: watch::Receiver<Arc<Status>>,
    /// The last new member that this one, as the leader, has given up.
    pub(crate) abandoned: watch::Sender<Option<Abandoned>>,
    pub(crate) reader: skerry_store::Reader,
    pub(crate) pulses: Pulses,
    pub(crate) stopping: AtomicBool,
    pub(crate) stop: Notify,
}

impl Shared {
    /// No request is taken any more.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_that_wait_are_bounded() {
        let reads = Reads::default();
        let mut answers = Vec::new();
        for _ in 0..READS_MAX {
            let (reply, answer) = oneshot::channel();
            assert!(reads.put(reply));
            answers.push(answer);
        }
        assert!(!reads.put(oneshot::channel().0));
        assert_eq!(reads.take().len(), READS_MAX);
        assert!(reads.put(oneshot::channel().0));
    }

    #[test]
    fn the_budget_counts_commands_and_bytes_and_is_given_back() {
        let budget = Arc::new(Budget::default());
        let shares: Vec<_> = (0..PROPOSALS_MAX)
            .map(|_| budget.share(1).unwrap())
            .collect();
        assert!(budget.share(1).is_none(), "too many");
        drop(shares);
        let half = budget.share(PROPOSAL_BYTES_MAX / 2).unwrap();
        let other = budget.share(PROPOSAL_BYTES_MAX / 2).unwrap();
        assert!(budget.share(1).is_none(), "too large");
        drop((half, other));
        assert!(budget.share(PROPOSAL_BYTES_MAX).is_some());
    }
}
