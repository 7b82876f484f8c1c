//! What stands between the handles and the writer: the picture, and the changes still to be
//! written, in order.
//!
//! Knows nothing about files. Invariant: an operation counts against the queue's bounds from the
//! call until it is durable, not only until the writer takes it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::limits::QUEUE_REFUSE_FACTOR;
use crate::log::Done;
use crate::picture::Picture;
use crate::segment::Segment;
use crate::{LogError, format::RECORD_HEADER_BYTES};

/// One change, as it will be written.
pub(crate) enum Change {
    /// `number` is [`Picture::append`]'s.
    Append {
        entries: Vec<(u64, Bytes)>,
        number: u64,
    },
    /// Removes `from` and all after it.
    Truncate {
        from: u64,
    },
    Purge {
        index: u64,
        log_id: Bytes,
    },
    Vote(Bytes),
    Committed(Bytes),
}

/// A change that waits for the disk.
pub(crate) struct Operation {
    pub(crate) change: Change,
    /// Bytes of its records.
    pub(crate) bytes: usize,
    pub(crate) done: Option<Done>,
}

/// Bounds that follow from the options.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) entry_bytes: usize,
    pub(crate) batch_bytes: usize,
    pub(crate) queue_bytes: usize,
    pub(crate) queue_operations: usize,
}

/// What the lock protects.
pub(crate) struct State {
    pub(crate) picture: Picture,
    pub(crate) segments: BTreeMap<u64, Arc<Segment>>,
    queue: VecDeque<Operation>,
    pub(crate) queued_bytes: usize,
    pub(crate) queued_operations: usize,
    pub(crate) room_waiters: Vec<Box<dyn FnOnce() + Send>>,
    closed: bool,
    ended: Option<LogError>,
}

impl State {
    pub(crate) fn new(picture: Picture, segments: BTreeMap<u64, Arc<Segment>>) -> State {
        State {
            picture,
            segments,
            queue: VecDeque::new(),
            queued_bytes: 0,
            queued_operations: 0,
            room_waiters: Vec::new(),
            closed: false,
            ended: None,
        }
    }

    /// Whether changes are taken at all.
    pub(crate) fn admit_any(&self) -> Result<(), LogError> {
        match &self.ended {
            Some(error) => Err(error.stopped()),
            None if self.closed => Err(LogError::Closed),
            None => Ok(()),
        }
    }

    /// Whether a change of so many bytes is taken.
    pub(crate) fn admit(&self, bounds: &Bounds, bytes: usize) -> Result<(), LogError> {
        self.admit_any()?;
        // One change is always taken by an empty queue, however large.
        let over = self.queued_operations > 0
            && self.queued_bytes.saturating_add(bytes) > bounds.queue_bytes * QUEUE_REFUSE_FACTOR;
        if over || self.queued_operations >= bounds.queue_operations * QUEUE_REFUSE_FACTOR {
            return Err(LogError::QueueFull {
                bytes: self.queued_bytes,
                operations: self.queued_operations,
            });
        }
        Ok(())
    }

    pub(crate) fn push(&mut self, operation: Operation) {
        self.queued_bytes += operation.bytes;
        self.queued_operations += 1;
        self.queue.push_back(operation);
    }

    /// A committed log id right behind another takes its place.
    pub(crate) fn push_committed(&mut self, committed: Bytes) {
        let bytes = RECORD_HEADER_BYTES + committed.len();
        if let Some(last) = self.queue.back_mut()
            && matches!(last.change, Change::Committed(_))
        {
            self.queued_bytes = self.queued_bytes - last.bytes + bytes;
            last.bytes = bytes;
            last.change = Change::Committed(committed);
            return;
        }
        self.push(Operation {
            change: Change::Committed(committed),
            bytes,
            done: None,
        });
    }

    pub(crate) fn is_full(&self, bounds: &Bounds) -> bool {
        self.queued_bytes >= bounds.queue_bytes || self.queued_operations >= bounds.queue_operations
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.closed || self.ended.is_some()
    }

    /// Something waits that is worth a write: a committed log id alone is not.
    fn has_work(&self) -> bool {
        match (self.queue.front(), self.queue.len()) {
            (None, _) => false,
            (Some(only), 1) => !matches!(only.change, Change::Committed(_)),
            _ => true,
        }
    }

    /// Takes operations from the front, up to `batch_bytes`, at least one.
    pub(crate) fn take_batch(&mut self, batch_bytes: usize) -> Vec<Operation> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(first) = self.queue.front() {
            if !batch.is_empty() && bytes + first.bytes > batch_bytes {
                break;
            }
            bytes += first.bytes;
            batch.extend(self.queue.pop_front());
        }
        batch
    }

    /// A batch no longer counts against the bounds. Answers who waited for that.
    pub(crate) fn release(
        &mut self,
        bounds: &Bounds,
        bytes: usize,
        operations: usize,
    ) -> Vec<Box<dyn FnOnce() + Send>> {
        self.queued_bytes -= bytes;
        self.queued_operations -= operations;
        if self.queue.is_empty() && self.queue.capacity() > 1024 {
            self.queue.shrink_to(1024);
        }
        if self.is_full(bounds) {
            Vec::new()
        } else {
            std::mem::take(&mut self.room_waiters)
        }
    }
}

/// Why the writer was woken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    Work,
    Idle,
    Closed,
}

/// Held by every handle and by the writer.
pub(crate) struct Shared {
    state: Mutex<State>,
    work: Condvar,
    pub(crate) bounds: Bounds,
    pub(crate) salt: u64,
}

impl Shared {
    pub(crate) fn new(state: State, bounds: Bounds, salt: u64) -> Shared {
        Shared {
            state: Mutex::new(state),
            work: Condvar::new(),
            bounds,
            salt,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn wake(&self) {
        self.work.notify_one();
    }

    /// No further change is taken; the writer flushes what waits and ends.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake();
    }

    /// Waits until there is work, the log is closed with nothing left to do, or `idle` is over.
    pub(crate) fn wait(&self, idle: Duration) -> Woken {
        let deadline = Instant::now() + idle;
        let mut state = self.lock();
        loop {
            // The last committed log id is worth a write when nothing will come after it.
            if state.has_work() || (state.closed && !state.queue.is_empty()) {
                return Woken::Work;
            }
            if state.closed {
                return Woken::Closed;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Woken::Idle;
            }
            let waited = self.work.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Refuses everything from now on, and what waits with it.
    pub(crate) fn end(&self, error: &LogError, batch: Vec<Operation>) {
        let (waiting, waiters) = {
            let mut state = self.lock();
            state.ended.get_or_insert_with(|| error.clone());
            state.queued_bytes = 0;
            state.queued_operations = 0;
            (
                std::mem::take(&mut state.queue),
                std::mem::take(&mut state.room_waiters),
            )
        };
        for operation in batch.into_iter().chain(waiting) {
            if let Some(done) = operation.done {
                done(Err(error.clone()));
            }
        }
        for ready in waiters {
            ready();
        }
    }
}
