//! The log as openraft wants to see it, over [`skerry_log`].
//!
//! Knows nothing about the state but how much of it is durable. Invariants: what is purged is
//! durable in the state; a committed position never costs a write of its own; an entry is copied
//! once on its way in (into its record) and never on its way out.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};

use bytes::Bytes;
use futures_util::Stream;
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use skerry_log::{Log, LogError};
use tokio::sync::oneshot;

use super::record;
use super::types::{Entry, LogId, TypeConfig, Vote};
use crate::apply::StoreHandle;
use crate::limits::{APPEND_BYTES_MAX, LOG_READ_BYTES_MAX};

/// Entries this far behind the end have probably left the log's cache: they are read from the
/// disk on another thread.
const PROBABLY_CACHED_ENTRIES: u64 = 2_000;

/// The log, and what is needed to know how much of it may go.
#[derive(Clone)]
pub(crate) struct LogStore {
    log: Log,
    store: StoreHandle,
}

impl LogStore {
    pub(crate) fn new(log: Log, store: StoreHandle) -> Self {
        Self { log, store }
    }

    async fn read(&self, start: u64, end: u64, max_bytes: usize) -> io::Result<Vec<Entry>> {
        let behind = self.log.next_index().saturating_sub(start);
        let log = self.log.clone();
        let read = move || log.read(start..end, max_bytes);
        let found = if behind > PROBABLY_CACHED_ENTRIES {
            tokio::task::spawn_blocking(read)
                .await
                .map_err(io::Error::other)?
        } else {
            read()
        };
        let found = found.map_err(io::Error::other)?;
        found.iter().map(|(_, bytes)| decode(bytes)).collect()
    }

    fn last_log_id(&self) -> io::Result<Option<LogId>> {
        let Some(last) = self.log.last_index() else {
            return self.purged();
        };
        let found = self
            .log
            .read(last..last.saturating_add(1), 1)
            .map_err(io::Error::other)?;
        match found.first() {
            Some((_, bytes)) => Ok(Some(decode(bytes)?.log_id())),
            None => Err(io::Error::other(format!(
                "entry {last} of the log cannot be found"
            ))),
        }
    }

    fn purged(&self) -> io::Result<Option<LogId>> {
        let purged = self.log.purged();
        purged
            .map(|(_, id)| record::decode_log_id(&id).map_err(io::Error::other))
            .transpose()
    }
}

fn decode(bytes: &Bytes) -> io::Result<Entry> {
    record::decode_entry(bytes).map_err(io::Error::other)
}

fn hole(index: u64) -> io::Error {
    io::Error::other(format!("entry {index} of the log is missing"))
}

/// First index and the index after the last.
fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}

/// A callback of the log that wakes a task.
fn notify() -> (skerry_log::Done, oneshot::Receiver<Result<(), LogError>>) {
    let (done, outcome) = oneshot::channel();
    let done = Box::new(move |result| {
        let _ = done.send(result);
    });
    (done, outcome)
}

async fn durable(outcome: oneshot::Receiver<Result<(), LogError>>) -> io::Result<()> {
    match outcome.await {
        Ok(result) => result.map_err(io::Error::other),
        Err(_) => Err(io::Error::other("the log has stopped")),
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = io::Result<Entry>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = bounds(&range);
        let state = (self.clone(), start, end, VecDeque::<Entry>::new());
        let stream =
            futures_util::stream::unfold(state, |(log, next, end, mut ready)| async move {
                if ready.is_empty() && next < end {
                    match log.read(next, end, LOG_READ_BYTES_MAX).await {
                        Ok(read) => ready = read.into(),
                        Err(error) => return Some((Err(error), (log, end, end, ready))),
                    }
                }
                let Some(entry) = ready.pop_front() else {
                    // An open end is where the log ends; otherwise all of the range must be there.
                    let missing = next < end && end != u64::MAX;
                    return missing.then(|| (Err(hole(next)), (log, end, end, ready)));
                };
                let index = entry.log_id().index();
                if index != next {
                    return Some((Err(hole(next)), (log, end, end, VecDeque::new())));
                }
                Some((Ok(entry), (log, index + 1, end, ready)))
            });
        Box::pin(stream)
    }

    async fn try_get_log_entries<RB>(&mut self, range: RB) -> Result<Vec<Entry>, io::Error>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (mut start, end) = bounds(&range);
        let end = end.min(self.log.next_index());
        let mut entries = Vec::new();
        while start < end {
            let mut read = self.read(start, end, LOG_READ_BYTES_MAX).await?;
            let Some(last) = read.last() else { break };
            start = last.log_id().index() + 1;
            entries.append(&mut read);
        }
        Ok(entries)
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, io::Error> {
        let entries = self.read(start, end, APPEND_BYTES_MAX).await?;
        // What was purged meanwhile must not become a hole at the receiver: openraft takes nothing
        // at all for a sign of life.
        let first = entries.first().map(|entry| entry.log_id().index());
        Ok(if first == Some(start) {
            entries
        } else {
            Vec::new()
        })
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        let vote = self.log.vote();
        vote.map(|vote| record::decode_vote(&vote).map_err(io::Error::other))
            .transpose()
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        Ok(LogState {
            last_purged_log_id: self.purged()?,
            last_log_id: self.last_log_id()?,
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let (done, outcome) = notify();
        self.log
            .save_vote(record::encode_vote(vote), done)
            .map_err(io::Error::other)?;
        durable(outcome).await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        let Some(committed) = committed else {
            return Ok(());
        };
        self.log
            .save_committed(record::encode_log_id(&committed))
            .map_err(io::Error::other)
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        let committed = self.log.committed();
        committed
            .map(|id| record::decode_log_id(&id).map_err(io::Error::other))
            .transpose()
    }

    async fn append<I>(&mut self, entries: I, flushed: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<(u64, Bytes)> = entries
            .into_iter()
            .map(|entry| (entry.log_id().index(), record::encode_entry(&entry)))
            .collect();
        let done = move |result: Result<(), LogError>| {
            flushed.io_completed(result.map_err(io::Error::other));
        };
        self.log
            .append(entries, Box::new(done))
            .map_err(io::Error::other)
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        // The log keeps its own order, but the state does not wait for the log: entries that come
        // instead, or a snapshot over them, may be durable there first. A crash in between would
        // leave a log that contradicts the state, and openraft would not start over it.
        let (done, outcome) = notify();
        self.log
            .truncate_after(last.map(|id| id.index()), done)
            .map_err(io::Error::other)?;
        durable(outcome).await
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        if self.store.durable_end() <= upto.index() {
            self.store.flush().await?;
        }
        if self.store.durable_end() <= upto.index() {
            let end = self.store.durable_end();
            return Err(io::Error::other(format!(
                "refusing to purge the log up to {}: the state is durable only before {end}",
                upto.index()
            )));
        }
        let (done, _) = notify();
        let id = record::encode_log_id(&upto);
        self.log
            .purge_upto(upto.index(), id, done)
            .map_err(io::Error::other)
    }
}

#[cfg(test)]
#[path = "log_store_test.rs"]
mod tests;
