//! The loop of the store thread.
//!
//! Invariants: a client is answered after the transaction that holds its change; every entry is
//! durable in the state within the policy's time, entries and bytes, or else is still in the log;
//! the pulse moves at least once a second while the disk answers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use skerry_store::{Applied, Entry, Payload, Reply, Store, StoreError};
use tokio::sync::{Notify, watch};

use super::history::History;
use super::queue::{Closing, Job, Next, Point, Queue};
use crate::FlushPolicy;
use crate::lessor::Lessor;
use crate::waiters::Waiters;

/// Longest wait without a beat of the pulse.
const BEAT: Duration = Duration::from_millis(900);

/// While there is load, a slice of compaction is done this often.
const COMPACT_UNDER_LOAD: Duration = Duration::from_millis(20);

/// Who is told what the store thread does.
pub(crate) struct Subscribers {
    /// Clients of this member.
    pub(crate) waiters: Arc<Waiters>,
    /// Index after the last entry applied.
    pub(crate) applied_end: watch::Sender<u64>,
    /// The leader's clock over the leases.
    pub(crate) lessor: Arc<Mutex<Lessor>>,
    /// A lease was granted, revoked or loaded.
    pub(crate) leases_changed: Arc<Notify>,
    /// A member has published its name.
    pub(crate) members_changed: Arc<Notify>,
    /// Entries before this index may be purged from the log.
    pub(crate) purge_before: Arc<AtomicU64>,
    /// `purge_before` has moved.
    pub(crate) purge_due: Arc<Notify>,
    /// Why the store cannot go on.
    pub(crate) failure: watch::Sender<Option<String>>,
    /// Moves while the thread lives.
    pub(crate) pulse: Arc<AtomicU64>,
}

/// The state and its thread.
pub(crate) struct StoreThread {
    store: Store,
    queue: Arc<Queue>,
    policy: FlushPolicy,
    subscribers: Subscribers,
    /// What new leaders add to the life of leases.
    lease_extension: Duration,
    membership: Option<Bytes>,
    history: History,
    /// Since when there is something that is not durable.
    dirty_since: Option<Instant>,
    compacting: bool,
    compacted_at: Instant,
}

/// What does not change while the thread runs.
impl StoreThread {
    /// `point` is where the state stands.
    pub(crate) fn new(
        store: Store,
        queue: Arc<Queue>,
        policy: FlushPolicy,
        lease_extension: Duration,
        subscribers: Subscribers,
        point: &Point,
    ) -> Self {
        Self {
            store,
            queue,
            policy,
            subscribers,
            lease_extension,
            membership: point.membership.clone(),
            history: History::starting_at(end(point)),
            dirty_since: None,
            compacting: true,
            compacted_at: Instant::now(),
        }
    }

    /// Works until the queue is closed.
    pub(crate) fn run(mut self) {
        let outcome = self.work();
        if let Err(error) = outcome {
            let reason = error.to_string();
            tracing::error!(error = %reason, "the state cannot be kept up");
            self.queue.fail(&reason);
            self.subscribers.failure.send_replace(Some(reason));
        }
    }

    fn work(&mut self) -> Result<(), StoreError> {
        loop {
            self.subscribers.pulse.fetch_add(1, Ordering::Relaxed);
            match self.queue.next(self.patience()) {
                Next::Apply(entries, bytes) => {
                    self.apply(&entries)?;
                    drop(entries);
                    self.queue.release(bytes);
                }
                Next::Other(job) => self.other(job)?,
                Next::Idle if self.compacting => self.compact()?,
                Next::Idle => {}
                Next::End(Closing::Abandon) => return Ok(()),
                Next::End(Closing::Flush) => return self.flush(),
            }
            if self.compacting && self.compacted_at.elapsed() > COMPACT_UNDER_LOAD {
                self.compact()?;
            }
            if self.flush_is_due() {
                self.flush()?;
            }
        }
    }

    /// How long to wait for work.
    fn patience(&self) -> Duration {
        if self.compacting {
            return Duration::ZERO;
        }
        match self.dirty_since {
            Some(since) => self
                .policy
                .interval
                .saturating_sub(since.elapsed())
                .min(BEAT),
            None => BEAT,
        }
    }

    fn flush_is_due(&self) -> bool {
        let undurable = self.store.undurable();
        undurable.entries >= self.policy.entries
            || undurable.bytes >= self.policy.bytes
            || self
                .dirty_since
                .is_some_and(|since| since.elapsed() >= self.policy.interval)
    }

    fn apply(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let before = self.applied_end();
        let bytes_before = self.store.undurable().bytes;
        let batch = self.store.apply(entries)?;
        let new = entries.iter().filter(|entry| entry.log_id.index >= before);
        for entry in new {
            if let Payload::Membership(membership) = &entry.payload {
                self.membership = Some(membership.clone());
            }
        }
        let end = self.applied_end();
        if end > before {
            self.dirty_since.get_or_insert_with(Instant::now);
            let bytes = self.store.undurable().bytes - bytes_before;
            self.history.applied(end, bytes);
        }
        if !batch.lease_changes.is_empty() {
            self.lessor(|lessor| lessor.changed(&batch.lease_changes, Instant::now()));
        }
        self.compacting |= batch.applied.iter().any(is_compaction);
        let members_changed = batch.applied.iter().any(is_about_a_member);
        self.subscribers.applied_end.send_replace(end);
        self.subscribers.waiters.answer(batch.applied);
        if members_changed {
            self.subscribers.members_changed.notify_waiters();
        }
        Ok(())
    }

    fn other(&mut self, job: Job) -> Result<(), StoreError> {
        match job {
            Job::Flush(reply) => {
                self.flush()?;
                let _ = reply.send(Ok(self.point()));
            }
            Job::Snapshot(reply) => {
                self.flush()?;
                let opened = self.store.reader().snapshot();
                let point = self.point();
                let _ = reply.send(
                    opened
                        .map(|reader| (point, reader))
                        .map_err(|e| e.to_string()),
                );
            }
            Job::Install(path, reply) => {
                self.store.replace_with(&path)?;
                self.membership = self.store.reader().view()?.membership()?;
                self.dirty_since = None;
                self.compacting = true;
                let end = self.applied_end();
                self.history = History::starting_at(end);
                self.queue.set_durable_end(end);
                self.subscribers.applied_end.send_replace(end);
                self.subscribers.members_changed.notify_waiters();
                let _ = reply.send(Ok(self.point()));
            }
            Job::Defragment(reply) => {
                self.flush()?;
                let pulse = Arc::clone(&self.subscribers.pulse);
                // A copy that fails leaves the state as it was; anything worse is found at the next
                // use of it.
                let outcome = self.store.defragment(|| {
                    pulse.fetch_add(1, Ordering::Relaxed);
                });
                let _ = reply.send(outcome.map_err(|error| error.to_string()));
            }
            Job::Promote { term } => {
                let leases = self.store.reader().view()?.leases()?;
                let extension = self.lease_extension;
                self.lessor(|lessor| lessor.load(term, leases, extension, Instant::now()));
            }
            // `Queue::next` gives entries as `Next::Apply`.
            Job::Apply { entries, bytes } => {
                self.apply(&entries)?;
                self.queue.release(bytes);
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if self.dirty_since.take().is_some() {
            self.store.commit_durable()?;
        }
        let durable = self.store.durable_log_id().map_or(0, |id| id.index + 1);
        self.queue.set_durable_end(durable);
        if self.history.purge_is_due() {
            self.subscribers
                .purge_before
                .store(self.history.purge(), Ordering::Release);
            self.subscribers.purge_due.notify_one();
        }
        Ok(())
    }

    fn compact(&mut self) -> Result<(), StoreError> {
        self.compacting = self.store.compact_step()?;
        self.compacted_at = Instant::now();
        if self.compacting {
            // What it gave back is free for reuse only once that is durable.
            self.dirty_since.get_or_insert(self.compacted_at);
        }
        Ok(())
    }

    fn applied_end(&self) -> u64 {
        self.store.applied().map_or(0, |id| id.index + 1)
    }

    fn point(&self) -> Point {
        Point {
            applied: self.store.applied(),
            membership: self.membership.clone(),
        }
    }

    fn lessor(&self, act: impl FnOnce(&mut Lessor)) {
        act(&mut self
            .subscribers
            .lessor
            .lock()
            .unwrap_or_else(PoisonError::into_inner));
        self.subscribers.leases_changed.notify_waiters();
    }
}

fn end(point: &Point) -> u64 {
    point.applied.map_or(0, |id| id.index + 1)
}

fn is_compaction(applied: &Applied) -> bool {
    matches!(applied.outcome, Ok(Reply::Compaction(_)))
}

fn is_about_a_member(applied: &Applied) -> bool {
    matches!(applied.outcome, Ok(Reply::MemberAttributes))
}
