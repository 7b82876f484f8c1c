//! The handle: what the consensus thread calls.
//!
//! Nothing here waits for the disk but [`Log::read`], and that only for entries that have left
//! the cache. Every change takes effect for readers at once and is queued to the [`crate::Writer`],
//! in order. Invariant: the lock is never held over disk I/O or over a callback.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::LogError;
use crate::format::RECORD_HEADER_BYTES;
use crate::limits::{INDEX_MAX, METADATA_BYTES_MAX, ROOM_WAITERS_MAX};
use crate::picture::Found;
use crate::queue::{Change, Operation, Shared};
use crate::segment::Segment;

/// Called once, on the writer's thread, when the change is durable or never will be.
///
/// It must be quick and must not wait for the log.
pub type Done = Box<dyn FnOnce(Result<(), LogError>) + Send>;

/// What may still be queued before [`Log::has_room`] says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes.
    pub bytes: usize,
    /// Operations.
    pub operations: usize,
}

/// A handle to an open log. Clones share it; when the last one goes, the writer flushes and ends.
///
/// An `Err` from a call that changes the log means that nothing has changed, and that `done` has
/// been dropped without being called.
#[derive(Clone)]
pub struct Log {
    handle: Arc<Handle>,
}

/// Counts the handles, apart from the writer's own share.
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log")
            .field("first", &self.first_index())
            .field("next", &self.next_index())
            .finish()
    }
}

impl Log {
    pub(crate) fn new(shared: Arc<Shared>) -> Log {
        Log {
            handle: Arc::new(Handle { shared }),
        }
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    /// Adds entries at the end. The first must have [`Log::next_index`], the others follow.
    pub fn append(&self, entries: Vec<(u64, Bytes)>, done: Done) -> Result<(), LogError> {
        let bounds = self.shared().bounds;
        let mut bytes = 0;
        for (index, entry) in &entries {
            check_index(*index)?;
            if entry.len() > bounds.entry_bytes {
                let (index, bytes, limit) = (*index, entry.len(), bounds.entry_bytes);
                return Err(LogError::EntryTooLarge {
                    index,
                    bytes,
                    limit,
                });
            }
            bytes += entry.len() + RECORD_HEADER_BYTES;
        }
        let mut state = self.shared().lock();
        state.admit(&bounds, bytes)?;
        for (expected, (index, _)) in (state.picture.next_index()..).zip(&entries) {
            if *index != expected {
                return Err(LogError::Gap {
                    expected,
                    got: *index,
                });
            }
        }
        let mut number = 0;
        for (_, entry) in &entries {
            number = state.picture.append(entry.clone());
        }
        // A long append becomes several operations, so that no batch outgrows its bound; the
        // last one carries the callback.
        let mut piece = Vec::new();
        let mut piece_bytes = 0;
        for (index, entry) in entries {
            let bytes = entry.len() + RECORD_HEADER_BYTES;
            if !piece.is_empty() && piece_bytes + bytes > bounds.batch_bytes {
                let entries = std::mem::take(&mut piece);
                let change = Change::Append { entries, number };
                state.push(Operation {
                    change,
                    bytes: piece_bytes,
                    done: None,
                });
                piece_bytes = 0;
            }
            piece.push((index, entry));
            piece_bytes += bytes;
        }
        let change = Change::Append {
            entries: piece,
            number,
        };
        state.push(Operation {
            change,
            bytes: piece_bytes,
            done: Some(done),
        });
        drop(state);
        self.shared().wake();
        Ok(())
    }

    /// Removes all entries after `index`; all there are for `None`.
    pub fn truncate_after(&self, index: Option<u64>, done: Done) -> Result<(), LogError> {
        let mut state = self.shared().lock();
        state.admit(&self.shared().bounds, RECORD_HEADER_BYTES)?;
        let from = index.map_or(0, |index| index.saturating_add(1));
        let from = from.max(state.picture.metadata.first_index());
        state.picture.truncate(from);
        let change = Change::Truncate { from };
        state.push(Operation {
            change,
            bytes: RECORD_HEADER_BYTES,
            done: Some(done),
        });
        drop(state);
        self.shared().wake();
        Ok(())
    }

    /// Removes all entries up to and including `index`, whose log id is `log_id`. An index beyond
    /// the end empties the log, which then goes on at the index after it (a snapshot was
    /// installed). An index that was purged before changes nothing.
    ///
    /// What the entries held must be durable elsewhere before this is called.
    pub fn purge_upto(&self, index: u64, log_id: Bytes, done: Done) -> Result<(), LogError> {
        check_metadata("purged log id", &log_id)?;
        check_index(index)?;
        let bytes = RECORD_HEADER_BYTES + log_id.len();
        let mut state = self.shared().lock();
        state.admit(&self.shared().bounds, bytes)?;
        let change = if index < state.picture.metadata.first_index() {
            Change::Append {
                entries: Vec::new(),
                number: 0,
            }
        } else {
            state.picture.purge(index, log_id.clone());
            Change::Purge { index, log_id }
        };
        state.push(Operation {
            change,
            bytes,
            done: Some(done),
        });
        drop(state);
        self.shared().wake();
        Ok(())
    }

    /// Replaces the vote.
    pub fn save_vote(&self, vote: Bytes, done: Done) -> Result<(), LogError> {
        check_metadata("vote", &vote)?;
        let bytes = RECORD_HEADER_BYTES + vote.len();
        let mut state = self.shared().lock();
        state.admit(&self.shared().bounds, bytes)?;
        state.picture.metadata.vote = Some(vote.clone());
        state.push(Operation {
            change: Change::Vote(vote),
            bytes,
            done: Some(done),
        });
        drop(state);
        self.shared().wake();
        Ok(())
    }

    /// Replaces the committed log id. It costs no write of its own: it becomes durable with the
    /// next change of another kind, or when the log is closed, and a crash before that brings
    /// back an older one.
    pub fn save_committed(&self, committed: Bytes) -> Result<(), LogError> {
        check_metadata("committed log id", &committed)?;
        let mut state = self.shared().lock();
        state.admit_any()?;
        state.picture.metadata.committed = Some(committed.clone());
        state.push_committed(committed);
        Ok(())
    }

    /// The entries of `range` that exist, in order, of one moment: at least one if any exists,
    /// and otherwise no more than `max_bytes` of them. Those that left the cache are read from
    /// disk, on the caller's thread.
    pub fn read(&self, range: Range<u64>, max_bytes: usize) -> Result<Vec<(u64, Bytes)>, LogError> {
        let (found, segments) = {
            let state = self.shared().lock();
            let found = state.picture.find(range, max_bytes);
            let mut segments: BTreeMap<u64, Arc<Segment>> = BTreeMap::new();
            for (_, one) in &found {
                if let Found::Disk(place) = one
                    && !segments.contains_key(&place.segment)
                    && let Some(segment) = state.segments.get(&place.segment)
                {
                    segments.insert(place.segment, segment.clone());
                }
            }
            (found, segments)
        };
        crate::reader::read(&found, &segments, self.shared().salt)
    }

    /// The vote last saved.
    pub fn vote(&self) -> Option<Bytes> {
        self.shared().lock().picture.metadata.vote.clone()
    }

    /// The committed log id last saved.
    pub fn committed(&self) -> Option<Bytes> {
        self.shared().lock().picture.metadata.committed.clone()
    }

    /// Index and log id of the last entry that was purged.
    pub fn purged(&self) -> Option<(u64, Bytes)> {
        self.shared().lock().picture.metadata.purged.clone()
    }

    /// Index of the first entry present; `None` where the log holds none.
    pub fn first_index(&self) -> Option<u64> {
        self.shared().lock().picture.first_index()
    }

    /// Index of the last entry present; `None` where the log holds none.
    pub fn last_index(&self) -> Option<u64> {
        self.shared().lock().picture.last_index()
    }

    /// Index the next entry must have: 0 in a log that never had one.
    pub fn next_index(&self) -> u64 {
        self.shared().lock().picture.next_index()
    }

    #[cfg(test)]
    pub(crate) fn entries_not_in_memory(&self) -> usize {
        let found = self.shared().lock().picture.find(0..u64::MAX, usize::MAX);
        found
            .iter()
            .filter(|(_, found)| matches!(found, Found::Disk(_)))
            .count()
    }

    /// Largest entry [`Log::append`] takes.
    pub fn entry_bytes_max(&self) -> usize {
        self.shared().bounds.entry_bytes
    }

    /// Whether the queue to the disk has room. No call ever blocks: a caller that can refuse or
    /// delay work asks here first, and one that goes on regardless is refused with
    /// [`LogError::QueueFull`] when several times the bound are waiting.
    pub fn has_room(&self) -> bool {
        let room = self.room();
        room.bytes > 0 && room.operations > 0
    }

    /// What the queue to the disk still has room for.
    pub fn room(&self) -> Room {
        let bounds = self.shared().bounds;
        let state = self.shared().lock();
        Room {
            bytes: bounds.queue_bytes.saturating_sub(state.queued_bytes),
            operations: bounds
                .queue_operations
                .saturating_sub(state.queued_operations),
        }
    }

    /// Calls `ready` once the queue has room: now, on this thread, if it has already; otherwise
    /// later on the writer's thread. Also when the log stops, so that nobody waits for ever.
    pub fn when_room(&self, ready: Box<dyn FnOnce() + Send>) {
        {
            let bounds = self.shared().bounds;
            let mut state = self.shared().lock();
            let full = state.is_full(&bounds) && !state.has_ended();
            if full && state.room_waiters.len() < ROOM_WAITERS_MAX {
                state.room_waiters.push(ready);
                return;
            }
        }
        ready();
    }

    /// Asks the writer to flush and end, whatever handles remain. Reads go on working.
    pub fn close(&self) {
        self.shared().close();
    }
}

fn check_index(index: u64) -> Result<(), LogError> {
    if index > INDEX_MAX {
        return Err(LogError::IndexTooLarge {
            index,
            limit: INDEX_MAX,
        });
    }
    Ok(())
}

fn check_metadata(name: &'static str, bytes: &Bytes) -> Result<(), LogError> {
    if bytes.len() > METADATA_BYTES_MAX {
        return Err(LogError::MetadataTooLarge {
            name,
            bytes: bytes.len(),
            limit: METADATA_BYTES_MAX,
        });
    }
    Ok(())
}
