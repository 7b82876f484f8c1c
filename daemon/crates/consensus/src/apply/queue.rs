//! What stands between the consensus thread and the store thread.
//!
//! Knows nothing about what the jobs do. Invariants: jobs are done in the order they were put in;
//! the bytes of entries that wait or are being applied stay within the bound, but for a single
//! larger hand-over; once the store thread has failed every job is answered with the reason.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use skerry_store::{Entry, LogId, SnapshotReader};
use tokio::sync::{Notify, oneshot};

use crate::limits::{APPLY_BATCH_BYTES_MAX, APPLY_BATCH_ENTRIES_MAX, APPLY_QUEUE_BYTES_MAX};

/// A position of the state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Point {
    /// The last entry applied.
    pub(crate) applied: Option<LogId>,
    /// The membership in force there, as `raft::record` encodes it.
    pub(crate) membership: Option<Bytes>,
}

type Reply<T> = oneshot::Sender<Result<T, String>>;

/// Work for the store thread.
pub(crate) enum Job {
    /// Apply entries that are committed.
    Apply { entries: Vec<Entry>, bytes: usize },
    /// Make all that was applied durable.
    Flush(Reply<Point>),
    /// Open a view of the state that is durable.
    Snapshot(Reply<(Point, SnapshotReader)>),
    /// Take the file as the state.
    Install(PathBuf, Reply<Point>),
    /// Copy the state into a file without free space.
    Defragment(Reply<()>),
    /// Give all leases to the lessor: this member leads.
    Promote { term: u64 },
}

struct State {
    jobs: VecDeque<Job>,
    /// Bytes of entries that wait or are being applied.
    bytes: usize,
    closing: Option<Closing>,
    failure: Option<String>,
}

/// How the store thread is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    /// Work off what waits and make it durable.
    Flush,
    /// As if the power went.
    Abandon,
}

/// What the store thread is to do next.
pub(crate) enum Next {
    /// Entries to apply in one transaction, and their bytes.
    Apply(Vec<Entry>, usize),
    /// One of the other jobs.
    Other(Job),
    /// Nothing came in time.
    Idle,
    /// No more will come.
    End(Closing),
}

/// The queue, and how far the store thread is.
pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    room: Notify,
    durable_end: AtomicU64,
}

impl Queue {
    pub(crate) fn new(durable_end: u64) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                jobs: VecDeque::new(),
                bytes: 0,
                closing: None,
                failure: None,
            }),
            filled: Condvar::new(),
            room: Notify::new(),
            durable_end: AtomicU64::new(durable_end),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for work, at most so long.
    pub(crate) fn next(&self, patience: Duration) -> Next {
        let mut state = self.lock();
        if state.closing == Some(Closing::Abandon) {
            return Next::End(Closing::Abandon);
        }
        if state.jobs.is_empty() && state.closing.is_none() && !patience.is_zero() {
            let waited = self.filled.wait_timeout_while(state, patience, |state| {
                state.jobs.is_empty() && state.closing.is_none()
            });
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        match state.jobs.pop_front() {
            Some(Job::Apply { entries, bytes }) => {
                let (entries, bytes) = gather(&mut state.jobs, entries, bytes);
                Next::Apply(entries, bytes)
            }
            Some(job) => Next::Other(job),
            None => state.closing.map_or(Next::Idle, Next::End),
        }
    }

    /// Entries of so many bytes have been applied.
    pub(crate) fn release(&self, bytes: usize) {
        let mut state = self.lock();
        state.bytes = state.bytes.saturating_sub(bytes);
        drop(state);
        self.room.notify_one();
    }

    /// All before this index is durable.
    pub(crate) fn set_durable_end(&self, end: u64) {
        self.durable_end.store(end, Ordering::Release);
    }

    /// The store cannot go on; what waits and what comes is answered with the reason.
    pub(crate) fn fail(&self, reason: &str) {
        let jobs = {
            let mut state = self.lock();
            state.failure.get_or_insert_with(|| reason.to_owned());
            state.bytes = 0;
            std::mem::take(&mut state.jobs)
        };
        // Dropping a job's sender tells its owner to ask for the reason.
        drop(jobs);
        self.room.notify_one();
    }
}

/// Takes the entries of the jobs that follow, as far as one transaction may grow.
fn gather(
    jobs: &mut VecDeque<Job>,
    mut entries: Vec<Entry>,
    mut bytes: usize,
) -> (Vec<Entry>, usize) {
    while let Some(Job::Apply {
        entries: more,
        bytes: more_bytes,
    }) = jobs.front()
    {
        if entries.len() + more.len() > APPLY_BATCH_ENTRIES_MAX
            || bytes + more_bytes > APPLY_BATCH_BYTES_MAX
        {
            break;
        }
        let Some(Job::Apply {
            entries: mut more,
            bytes: more_bytes,
        }) = jobs.pop_front()
        else {
            break;
        };
        entries.append(&mut more);
        bytes += more_bytes;
    }
    (entries, bytes)
}

/// The consensus thread's end of the queue.
#[derive(Clone)]
pub(crate) struct StoreHandle {
    queue: Arc<Queue>,
}

impl StoreHandle {
    pub(crate) fn new(queue: Arc<Queue>) -> Self {
        Self { queue }
    }

    /// Index after the last entry that is durable in the state.
    pub(crate) fn durable_end(&self) -> u64 {
        self.queue.durable_end.load(Ordering::Acquire)
    }

    /// Hands committed entries over; waits while too many bytes are waiting.
    pub(crate) async fn apply(&self, entries: Vec<Entry>, bytes: usize) -> io::Result<()> {
        loop {
            {
                let mut state = self.queue.lock();
                check(&state)?;
                if state.bytes == 0 || state.bytes + bytes <= APPLY_QUEUE_BYTES_MAX {
                    state.bytes += bytes;
                    state.jobs.push_back(Job::Apply { entries, bytes });
                    break;
                }
            }
            // Only one task hands entries over, so a permit that was left is not lost.
            self.queue.room.notified().await;
        }
        self.queue.filled.notify_one();
        Ok(())
    }

    /// Makes all that was handed over durable.
    pub(crate) async fn flush(&self) -> io::Result<Point> {
        self.ask(Job::Flush).await
    }

    /// A view of all that was handed over, once it is durable.
    pub(crate) async fn snapshot(&self) -> io::Result<(Point, SnapshotReader)> {
        self.ask(Job::Snapshot).await
    }

    /// Takes a received snapshot as the state.
    pub(crate) async fn install(&self, path: PathBuf) -> io::Result<Point> {
        self.ask(|reply| Job::Install(path, reply)).await
    }

    /// Gives free space of the state's file back; nothing is applied meanwhile.
    pub(crate) async fn defragment(&self) -> io::Result<()> {
        self.ask(Job::Defragment).await
    }

    /// Gives all leases to the lessor.
    pub(crate) fn promote(&self, term: u64) {
        let mut state = self.queue.lock();
        if check(&state).is_ok() {
            state.jobs.push_back(Job::Promote { term });
            drop(state);
            self.queue.filled.notify_one();
        }
    }

    /// Ends the store thread.
    pub(crate) fn close(&self, how: Closing) {
        let mut state = self.queue.lock();
        if state.closing != Some(Closing::Abandon) {
            state.closing = Some(how);
        }
        drop(state);
        self.queue.filled.notify_one();
        self.queue.room.notify_one();
    }

    async fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> io::Result<T> {
        let (reply, answer) = oneshot::channel();
        {
            let mut state = self.queue.lock();
            check(&state)?;
            state.jobs.push_back(job(reply));
        }
        self.queue.filled.notify_one();
        match answer.await {
            Ok(answer) => answer.map_err(io::Error::other),
            Err(_) => {
                check(&self.queue.lock())?;
                Err(io::Error::other("the store has stopped"))
            }
        }
    }
}

fn check(state: &State) -> io::Result<()> {
    match (&state.failure, state.closing) {
        (Some(reason), _) => Err(io::Error::other(reason.clone())),
        (None, Some(_)) => Err(io::Error::other("the store has stopped")),
        (None, None) => Ok(()),
    }
}

#[cfg(test)]
#[path = "queue_test.rs"]
mod tests;
