//! Who waits for which command of this member to be applied.
//!
//! Knows nothing about commands. Invariants: every waiter is answered at most once; one that gave
//! up leaves nothing behind; numbers are not those of an earlier run, so entries that are applied
//! again after a restart answer nobody.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use skerry_store::{Applied, Reply};
use tokio::sync::oneshot;

use crate::ProposeError;

type Outcome = Result<Reply, ProposeError>;

/// The waiting clients of this member.
pub(crate) struct Waiters {
    member_id: u64,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Outcome>>>,
}

/// One waiting client; forgotten when it is dropped.
pub(crate) struct Waiter {
    pub(crate) request: u64,
    pub(crate) outcome: oneshot::Receiver<Outcome>,
    all: Arc<Waiters>,
}

impl Waiters {
    pub(crate) fn new(member_id: u64) -> Arc<Self> {
        // The standard library seeds its hash maps from the system's randomness.
        let seed = RandomState::new().build_hasher().finish();
        Arc::new(Self {
            member_id,
            next: AtomicU64::new(seed),
            waiting: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Outcome>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to wait, under a new number.
    pub(crate) fn register(self: &Arc<Self>) -> Waiter {
        let request = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, outcome) = oneshot::channel();
        self.lock().insert(request, sender);
        Waiter {
            request,
            outcome,
            all: Arc::clone(self),
        }
    }

    /// A positive number that nobody can guess.
    pub(crate) fn random_id(&self) -> i64 {
        (RandomState::new().build_hasher().finish() >> 1) as i64
    }

    /// Answers those whose commands have been applied.
    pub(crate) fn answer(&self, applied: Vec<Applied>) {
        let mut answers = Vec::new();
        {
            let mut waiting = self.lock();
            for one in applied
                .into_iter()
                .filter(|one| one.origin == self.member_id)
            {
                if let Some(waiter) = waiting.remove(&one.request) {
                    answers.push((waiter, one.outcome));
                }
            }
        }
        for (waiter, outcome) in answers {
            let _ = waiter.send(outcome.map_err(ProposeError::Refused));
        }
    }

    /// Tells one that its command will not be applied, or that nobody knows.
    pub(crate) fn fail(&self, request: u64, error: ProposeError) {
        let waiter = self.lock().remove(&request);
        if let Some(waiter) = waiter {
            let _ = waiter.send(Err(error));
        }
    }

    /// How many wait.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Keeps only what somebody still waits for.
    pub(crate) fn retain_waiting<T>(&self, sent: &mut HashMap<u64, T>) {
        let waiting = self.lock();
        sent.retain(|request, _| waiting.contains_key(request));
    }

    /// As [`Waiters::retain_waiting`], of a queue.
    pub(crate) fn retain_waiting_in<T>(
        &self,
        queue: &mut VecDeque<T>,
        request: impl Fn(&T) -> u64,
    ) {
        if !queue.is_empty() {
            let waiting = self.lock();
            queue.retain(|one| waiting.contains_key(&request(one)));
        }
    }

    /// Tells all why there will be no answer.
    pub(crate) fn fail_all(&self, error: &ProposeError) {
        let all = std::mem::take(&mut *self.lock());
        for waiter in all.into_values() {
            let _ = waiter.send(Err(error.clone()));
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.all.lock().remove(&self.request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skerry_store::LogId;

    fn applied(origin: u64, request: u64) -> Applied {
        let log_id = LogId {
            term: 1,
            node_id: 1,
            index: 0,
        };
        Applied {
            log_id,
            origin,
            request,
            outcome: Ok(Reply::MemberId(9)),
        }
    }

    #[test]
    fn only_the_commands_of_this_member_answer_its_clients() {
        let waiters = Waiters::new(3);
        let mut waiter = waiters.register();
        waiters.answer(vec![
            applied(4, waiter.request),
            applied(3, waiter.request ^ 1),
        ]);
        assert!(waiter.outcome.try_recv().is_err());
        waiters.answer(vec![applied(3, waiter.request)]);
        assert!(matches!(
            waiter.outcome.try_recv(),
            Ok(Ok(Reply::MemberId(9)))
        ));
    }

    #[test]
    fn who_gives_up_leaves_nothing_behind() {
        let waiters = Waiters::new(3);
        drop(waiters.register());
        assert!(waiters.lock().is_empty());
    }

    #[test]
    fn a_queue_keeps_only_what_somebody_waits_for() {
        let waiters = Waiters::new(3);
        let (stays, gives_up) = (waiters.register(), waiters.register());
        let mut queue = VecDeque::from([stays.request, gives_up.request]);
        drop(gives_up);
        waiters.retain_waiting_in(&mut queue, |request| *request);
        assert_eq!(queue, [stays.request]);
    }

    #[test]
    fn two_runs_do_not_count_alike() {
        assert_ne!(
            Waiters::new(1).register().request,
            Waiters::new(1).register().request
        );
    }
}
