//! What readers see: the log as it will be once everything that is queued is on disk.
//!
//! Pure, no I/O. Entries stand in two overlapping runs, oldest to newest:
//!
//! ```text
//!   base                recent_start      placed_end          next
//!    |---- places (in segments) -----------|-- not yet durable --|
//!                          |---- recent (bytes in memory) -------|
//! ```
//!
//! Invariant: `base <= placed_end <= next`, and every entry that is not yet placed is in `recent`.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use crate::limits::ENTRY_OVERHEAD_BYTES;

/// Where an entry's record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Number of the segment.
    pub(crate) segment: u64,
    /// Offset of the record in it.
    pub(crate) offset: u32,
    /// Bytes of the entry.
    pub(crate) bytes: u32,
}

/// The metadata that every segment repeats at its head.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) vote: Option<Bytes>,
    pub(crate) committed: Option<Bytes>,
    pub(crate) purged: Option<(u64, Bytes)>,
}

impl Metadata {
    /// Lowest index that may be in the log.
    pub(crate) fn first_index(&self) -> u64 {
        self.purged.as_ref().map_or(0, |(index, _)| index + 1)
    }
}

/// One entry as a reader finds it.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    Memory(Bytes),
    Disk(Place),
}

/// The picture itself.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    pub(crate) metadata: Metadata,
    base: u64,
    next: u64,
    places: VecDeque<Place>,
    recent: VecDeque<Bytes>,
    recent_bytes: usize,
    cache_bytes: usize,
    /// Truncations the writer has not come to: what they removed must not be placed by appends
    /// that were queued before them.
    truncations: VecDeque<Truncation>,
    truncations_made: u64,
}

#[derive(Debug)]
struct Truncation {
    number: u64,
    from: u64,
}

impl Picture {
    pub(crate) fn new(
        metadata: Metadata,
        base: u64,
        places: VecDeque<Place>,
        cache_bytes: usize,
    ) -> Picture {
        let next = base + places.len() as u64;
        Picture {
            metadata,
            base,
            next,
            places,
            cache_bytes,
            ..Picture::default()
        }
    }

    /// Index of the first entry, where there is one.
    pub(crate) fn first_index(&self) -> Option<u64> {
        (self.base < self.next).then_some(self.base)
    }

    /// Index of the last entry, where there is one.
    pub(crate) fn last_index(&self) -> Option<u64> {
        (self.base < self.next).then(|| self.next - 1)
    }

    /// Index the next entry must have.
    pub(crate) fn next_index(&self) -> u64 {
        self.next
    }

    fn placed_end(&self) -> u64 {
        self.base + self.places.len() as u64
    }

    fn recent_start(&self) -> u64 {
        self.next - self.recent.len() as u64
    }

    /// Adds an entry at [`Picture::next_index`]. The number is to be handed to
    /// [`Picture::place`] once it is durable.
    pub(crate) fn append(&mut self, entry: Bytes) -> u64 {
        self.recent_bytes += cost(&entry);
        self.recent.push_back(entry);
        self.next += 1;
        self.truncations_made
    }

    /// Removes `from` and all after it.
    pub(crate) fn truncate(&mut self, from: u64) {
        self.truncations_made += 1;
        self.truncations.push_back(Truncation {
            number: self.truncations_made,
            from,
        });
        let from = from.max(self.base);
        while self.next > from {
            self.next -= 1;
            if let Some(entry) = self.recent.pop_back() {
                self.recent_bytes -= cost(&entry);
            }
        }
        self.places.truncate((from - self.base) as usize);
    }

    /// The writer has come to the oldest truncation.
    pub(crate) fn truncation_is_durable(&mut self) {
        self.truncations.pop_front();
    }

    /// Removes all up to and including `index`; the log goes on after it even where it ended
    /// before.
    pub(crate) fn purge(&mut self, index: u64, log_id: Bytes) {
        let base = index + 1;
        while self.recent_start() < base {
            let Some(entry) = self.recent.pop_front() else {
                break;
            };
            self.recent_bytes -= cost(&entry);
        }
        let placed = base.saturating_sub(self.base).min(self.places.len() as u64);
        self.places.drain(..placed as usize);
        self.base = base;
        self.next = self.next.max(base);
        self.metadata.purged = Some((index, log_id));
    }

    /// An entry is durable at `place`. `number` is what [`Picture::append`] answered.
    pub(crate) fn place(&mut self, index: u64, number: u64, place: Place) {
        let truncated = self
            .truncations
            .iter()
            .any(|t| t.number > number && t.from <= index);
        if truncated || index < self.base || index >= self.next {
            return;
        }
        debug_assert_eq!(index, self.placed_end());
        self.places.push_back(place);
    }

    /// Drops the oldest bytes beyond the cache's size, of entries that can be read from disk.
    pub(crate) fn evict(&mut self) {
        while self.recent_bytes > self.cache_bytes && self.recent_start() < self.placed_end() {
            let Some(entry) = self.recent.pop_front() else {
                break;
            };
            self.recent_bytes -= cost(&entry);
        }
        if self.recent.capacity() > 1024 && self.recent.len() < self.recent.capacity() / 4 {
            self.recent.shrink_to(self.recent.len() * 2);
        }
        if self.places.capacity() > 1024 && self.places.len() < self.places.capacity() / 4 {
            self.places.shrink_to(self.places.len() * 2);
        }
    }

    /// The entries of `range` that exist, in order: at least one if any exists, and no more than
    /// `max_bytes` of them otherwise.
    pub(crate) fn find(&self, range: Range<u64>, max_bytes: usize) -> Vec<(u64, Found)> {
        let mut found = Vec::new();
        let mut bytes = 0usize;
        for index in range.start.max(self.base)..range.end.min(self.next) {
            let (one, size) = if index >= self.recent_start() {
                let entry = &self.recent[(index - self.recent_start()) as usize];
                (Found::Memory(entry.clone()), entry.len())
            } else {
                let place = self.places[(index - self.base) as usize];
                (Found::Disk(place), place.bytes as usize)
            };
            bytes = bytes.saturating_add(size);
            if bytes > max_bytes && !found.is_empty() {
                break;
            }
            found.push((index, one));
        }
        found
    }
}

fn cost(entry: &Bytes) -> usize {
    entry.len() + ENTRY_OVERHEAD_BYTES
}
