//! The log thread's half: takes what is queued and makes it durable, one write a batch.
//!
//! Knows nothing about Raft. Invariant: a callback hears `Ok` only after the write that holds its
//! change has returned; after the first failure nothing more is written.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::LogError;
use crate::aligned::AlignedBuf;
use crate::format::{Kind, Record, Seal, begin_batch};
use crate::limits::{BATCH_BYTES, IDLE_MS_MAX, PAGE_BYTES};
use crate::picture::{Metadata, Place};
use crate::queue::{Change, Operation, Shared, Woken};
use crate::recovery::{Opened, Sealed};
use crate::tail::Tail;

/// Writes the log. Made by [`crate::Log::open`], run on a thread of its own.
pub struct Writer {
    shared: Arc<Shared>,
    tail: Tail,
    /// Metadata as it is on disk.
    metadata: Metadata,
    /// Next index as it is on disk.
    next_index: u64,
    sealed: VecDeque<Sealed>,
    tail_last_index: Option<u64>,
    buffer: AlignedBuf,
    /// Keeps other processes away from the directory.
    _lock: Box<dyn Any + Send + Sync>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("dir", &self.tail.dir)
            .finish_non_exhaustive()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.end(&LogError::Closed, Vec::new());
    }
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        opened: Opened,
        next_index: u64,
        lock: Box<dyn Any + Send + Sync>,
    ) -> Writer {
        Writer {
            shared,
            next_index,
            metadata: opened.replay.metadata,
            tail: opened.tail,
            sealed: opened.sealed,
            tail_last_index: opened.tail_last_index,
            buffer: AlignedBuf::with_capacity(PAGE_BYTES),
            _lock: lock,
        }
    }

    /// Works until every [`crate::Log`] is gone or [`crate::Log::close`] was called, then flushes
    /// and answers `Ok`; or until the disk fails, and answers why. Blocks the thread.
    ///
    /// `pulse` is called after every write, and at least every [`IDLE_MS_MAX`] while idle; not
    /// while the disk hangs.
    pub fn run(mut self, mut pulse: impl FnMut()) -> Result<(), LogError> {
        loop {
            pulse();
            match self.shared.wait(Duration::from_millis(IDLE_MS_MAX)) {
                Woken::Work => self.write_next()?,
                Woken::Idle => self.idle()?,
                Woken::Closed => return Ok(()),
            }
        }
    }

    /// Writes until nothing waits that is worth a write.
    #[cfg(test)]
    pub(crate) fn flush(&mut self) -> Result<(), LogError> {
        while self.flush_one()? {}
        Ok(())
    }

    /// Writes one batch if something waits that is worth a write.
    #[cfg(test)]
    pub(crate) fn flush_one(&mut self) -> Result<bool, LogError> {
        let work = self.shared.wait(Duration::ZERO) == Woken::Work;
        if work {
            self.write_next()?;
        }
        Ok(work)
    }

    /// Takes one batch and writes it.
    pub(crate) fn write_next(&mut self) -> Result<(), LogError> {
        let batch = self
            .shared
            .lock()
            .take_batch(self.shared.bounds.batch_bytes);
        match self.write(&batch) {
            Ok(places) => self.publish(batch, places),
            Err(error) => {
                self.shared.end(&error, batch);
                return Err(error);
            }
        }
        self.drop_purged()
            .inspect_err(|error| self.shared.end(error, Vec::new()))
    }

    pub(crate) fn idle(&mut self) -> Result<(), LogError> {
        self.tail
            .fill_ahead()
            .inspect_err(|error| self.shared.end(error, Vec::new()))
    }

    /// One durable write for all of `batch`. Answers where its entries stand, in order.
    fn write(&mut self, batch: &[Operation]) -> Result<VecDeque<Place>, LogError> {
        let body_bytes: usize = batch
            .iter()
            .map(|operation| body_bytes(&operation.change))
            .sum();
        let mut places = VecDeque::new();
        if body_bytes == 0 {
            return Ok(places);
        }
        if self
            .tail
            .make_room(body_bytes, &self.metadata, self.next_index)?
        {
            self.rotated();
        }
        begin_batch(&mut self.buffer);
        for operation in batch {
            self.encode(&operation.change, &mut places);
        }
        self.tail.write(&mut self.buffer)?;
        if self.buffer.capacity() > BATCH_BYTES {
            self.buffer = AlignedBuf::with_capacity(PAGE_BYTES);
        }
        Ok(places)
    }

    /// The tail stands in a new segment.
    fn rotated(&mut self) {
        let segment = self.tail.segment.clone();
        let number = segment.number - 1;
        self.sealed.push_back(Sealed {
            number,
            last_index: self.tail_last_index.take(),
        });
        self.shared.lock().segments.insert(segment.number, segment);
    }

    fn encode(&mut self, change: &Change, places: &mut VecDeque<Place>) {
        let seal = self.tail.seal();
        match change {
            Change::Append { entries, .. } => {
                for (index, entry) in entries {
                    let offset = self.push(seal, Kind::Entry, *index, entry);
                    places.push_back(Place {
                        segment: self.tail.segment.number,
                        offset: (self.tail.offset as usize + offset) as u32,
                        bytes: entry.len() as u32,
                    });
                    self.next_index = index + 1;
                    self.tail_last_index = self.tail_last_index.max(Some(*index));
                }
            }
            Change::Truncate { from } => {
                self.push(seal, Kind::Truncate, *from, &[]);
                self.next_index = self.next_index.min(*from);
            }
            Change::Purge { index, log_id } => {
                self.push(seal, Kind::Purge, *index, log_id);
                self.next_index = self.next_index.max(index + 1);
                self.metadata.purged = Some((*index, log_id.clone()));
            }
            Change::Vote(vote) => {
                self.push(seal, Kind::Vote, 0, vote);
                self.metadata.vote = Some(vote.clone());
            }
            Change::Committed(committed) => {
                self.push(seal, Kind::Committed, 0, committed);
                self.metadata.committed = Some(committed.clone());
            }
        }
    }

    fn push(&mut self, seal: Seal, kind: Kind, index: u64, payload: &[u8]) -> usize {
        seal.push(
            &mut self.buffer,
            Record {
                kind,
                index,
                payload,
            },
        )
    }

    /// The batch is durable: readers may find it on disk, callers hear of it.
    fn publish(&mut self, batch: Vec<Operation>, mut places: VecDeque<Place>) {
        let bytes = batch.iter().map(|operation| operation.bytes).sum();
        let operations = batch.len();
        let mut dones = Vec::with_capacity(operations);
        let waiters = {
            let mut state = self.shared.lock();
            for operation in batch {
                match &operation.change {
                    Change::Append { entries, number } => {
                        for ((index, _), place) in entries.iter().zip(places.drain(..entries.len()))
                        {
                            state.picture.place(*index, *number, place);
                        }
                    }
                    Change::Truncate { .. } => state.picture.truncation_is_durable(),
                    Change::Purge { .. } | Change::Vote(_) | Change::Committed(_) => {}
                }
                dones.extend(operation.done);
            }
            state.picture.evict();
            state.release(&self.shared.bounds, bytes, operations)
        };
        for done in dones {
            done(Ok(()));
        }
        for ready in waiters {
            ready();
        }
    }

    /// Gives up segments whose entries are all purged, oldest first.
    fn drop_purged(&mut self) -> Result<(), LogError> {
        let first = self.metadata.first_index();
        while let Some(oldest) = self.sealed.front()
            && oldest.last_index.is_none_or(|last| last < first)
        {
            let number = oldest.number;
            let segment = self.shared.lock().segments.remove(&number);
            let unused = segment.is_none_or(|segment| Arc::strong_count(&segment) == 1);
            self.tail.retire(number, unused)?;
            self.sealed.pop_front();
        }
        Ok(())
    }
}

fn body_bytes(change: &Change) -> usize {
    let record = |payload: &[u8]| {
        Record {
            kind: Kind::Entry,
            index: 0,
            payload,
        }
        .bytes()
    };
    match change {
        Change::Append { entries, .. } => entries.iter().map(|(_, entry)| record(entry)).sum(),
        Change::Truncate { .. } => record(&[]),
        Change::Purge { log_id, .. } => record(log_id),
        Change::Vote(payload) | Change::Committed(payload) => record(payload),
    }
}
