//! A log in a few lines, and a driver that does the same to it and to a real one.
//!
//! The writer is stepped by hand, without a thread, so that a seed always gives the same run.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use crate::simulated_disk::{Random, SimulatedDisk};
use crate::{Done, Log, LogError, Options, Recovered, Writer};

/// Where every simulated log lives.
pub(super) const DIR: &str = "/log";

/// What a log holds.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) entries: BTreeMap<u64, Bytes>,
    pub(super) vote: Option<Bytes>,
    pub(super) committed: Option<Bytes>,
    pub(super) purged: Option<(u64, Bytes)>,
}

/// The smallest changes: a crash may fall between any two of them.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Entry(u64, Bytes),
    Truncate(u64),
    Purge(u64, Bytes),
    Vote(Bytes),
    Committed(Bytes),
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let short = |(index, entry): (&u64, &Bytes)| {
            format!(
                "{index}: {} bytes, {:08x}",
                entry.len(),
                crc32c::crc32c(entry)
            )
        };
        let entries: Vec<_> = self.entries.iter().map(short).collect();
        write!(
            f,
            "{entries:?} {:?} {:?} {:?}",
            self.vote, self.committed, self.purged
        )
    }
}

impl Model {
    pub(super) fn of(log: &Log) -> Result<Model, LogError> {
        let entries: BTreeMap<_, _> = log.read(0..u64::MAX, usize::MAX)?.into_iter().collect();
        assert_eq!(log.first_index(), entries.keys().next().copied());
        assert_eq!(log.last_index(), entries.keys().next_back().copied());
        let (vote, committed, purged) = (log.vote(), log.committed(), log.purged());
        let model = Model {
            entries,
            vote,
            committed,
            purged,
        };
        assert_eq!(log.next_index(), model.next_index());
        Ok(model)
    }

    pub(super) fn first_index(&self) -> u64 {
        self.purged.as_ref().map_or(0, |(index, _)| index + 1)
    }

    pub(super) fn next_index(&self) -> u64 {
        self.first_index() + self.entries.len() as u64
    }

    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Entry(index, entry) => {
                assert_eq!(*index, self.next_index());
                self.entries.insert(*index, entry.clone());
            }
            Change::Truncate(from) => self.entries.retain(|index, _| index < from),
            Change::Purge(upto, log_id) => {
                self.entries.retain(|index, _| index > upto);
                self.purged = Some((*upto, log_id.clone()));
            }
            Change::Vote(vote) => self.vote = Some(vote.clone()),
            Change::Committed(committed) => self.committed = Some(committed.clone()),
        }
    }
}

/// A log being driven, and all that was asked of it.
pub(super) struct Driver {
    pub(super) log: Log,
    pub(super) writer: Writer,
    pub(super) recovered: Recovered,
    start: Model,
    history: Vec<Change>,
    now: Model,
    /// How much of `history` was acknowledged.
    acknowledged: Arc<AtomicUsize>,
}

/// What must be found after a crash.
pub(super) struct Expected {
    start: Model,
    history: Vec<Change>,
    acknowledged: usize,
}

pub(super) fn small_options() -> Options {
    Options {
        segment_bytes: 16 * 1024,
        cache_bytes: 2000,
        ..Options::default()
    }
}

pub(super) fn open(disk: &SimulatedDisk) -> Result<(Log, Recovered, Writer), LogError> {
    Log::open(Arc::new(disk.clone()), Path::new(DIR), small_options())
}

impl Driver {
    pub(super) fn open(disk: &SimulatedDisk) -> Result<Driver, LogError> {
        let (log, recovered, writer) = open(disk)?;
        let start = Model::of(&log)?;
        Ok(Driver {
            log,
            writer,
            recovered,
            now: start.clone(),
            start,
            history: Vec::new(),
            acknowledged: Arc::default(),
        })
    }

    fn change(&mut self, change: Change) {
        self.now.apply(&change);
        self.history.push(change);
    }

    /// A callback for the last change made: what was acknowledged only ever grows.
    fn done(&self) -> Done {
        let (position, acknowledged) = (self.history.len(), self.acknowledged.clone());
        Box::new(move |result| {
            if result.is_ok() {
                let before = acknowledged.swap(position, Ordering::Relaxed);
                assert!(before <= position, "acknowledged out of order");
            }
        })
    }

    pub(super) fn append(&mut self, entries: Vec<Bytes>) -> Result<(), LogError> {
        let numbered: Vec<_> = (self.now.next_index()..).zip(entries).collect();
        for (index, entry) in &numbered {
            self.change(Change::Entry(*index, entry.clone()));
        }
        self.log.append(numbered, self.done())
    }

    pub(super) fn truncate_after(&mut self, index: Option<u64>) -> Result<(), LogError> {
        let from = index
            .map_or(0, |index| index + 1)
            .max(self.now.first_index());
        self.change(Change::Truncate(from));
        self.log.truncate_after(index, self.done())
    }

    pub(super) fn purge_upto(&mut self, index: u64) -> Result<(), LogError> {
        let log_id = Bytes::from(format!("log id {index}"));
        if index >= self.now.first_index() {
            self.change(Change::Purge(index, log_id.clone()));
        }
        self.log.purge_upto(index, log_id, self.done())
    }

    pub(super) fn save_vote(&mut self, vote: Bytes) -> Result<(), LogError> {
        self.change(Change::Vote(vote.clone()));
        self.log.save_vote(vote, self.done())
    }

    pub(super) fn save_committed(&mut self, committed: Bytes) -> Result<(), LogError> {
        self.change(Change::Committed(committed.clone()));
        self.log.save_committed(committed)
    }

    /// One change or flush, chosen by `random`.
    pub(super) fn step(&mut self, random: &mut Random) -> Result<(), LogError> {
        let (first, next) = (self.now.first_index(), self.now.next_index());
        match random.below(20) {
            0..=8 => {
                let count = if random.below(8) == 0 {
                    random.below(12)
                } else {
                    1
                };
                let entries = (0..count).map(|_| entry(random)).collect();
                self.append(entries)?;
            }
            9 => {
                let keep = first + random.below(next - first + 1);
                self.truncate_after(keep.checked_sub(1))?;
            }
            10 | 11 => {
                // Now and then beyond the end, as after a snapshot.
                let beyond = if random.below(8) == 0 { 5 } else { 0 };
                let upto = first + random.below(next - first + 1 + beyond);
                self.purge_upto(upto.saturating_sub(1))?;
            }
            12 => {
                let vote = Bytes::from(format!("vote {}", random.number()));
                self.save_vote(vote)?;
            }
            13 | 14 => {
                let committed = Bytes::from(format!("committed {}", random.number()));
                self.save_committed(committed)?;
            }
            15 => {
                self.writer.flush_one()?;
                assert_eq!(
                    Model::of(&self.log)?,
                    self.now,
                    "readers see every change at once"
                );
            }
            _ => self.flush()?,
        }
        Ok(())
    }

    /// Writes until nothing waits that is worth a write.
    pub(super) fn flush(&mut self) -> Result<(), LogError> {
        self.writer.flush()
    }

    /// Stops as a daemon does: all that was asked is on disk.
    pub(super) fn stop(self) -> Result<Model, LogError> {
        self.log.close();
        self.writer.run(|| {})?;
        Ok(self.now)
    }

    pub(super) fn now(&self) -> &Model {
        &self.now
    }

    /// The process is gone; what it asked for remains to be checked.
    pub(super) fn crash(self) -> Expected {
        let acknowledged = self.acknowledged.load(Ordering::Relaxed);
        Expected {
            start: self.start,
            history: self.history,
            acknowledged,
        }
    }
}

impl Expected {
    /// `found` must be what some part of the history leaves, with at least all that was
    /// acknowledged.
    pub(super) fn check(&self, found: &Model, what: &str) {
        let mut model = self.start.clone();
        let (sure, open) = self.history.split_at(self.acknowledged);
        for change in sure {
            model.apply(change);
        }
        let least = model.clone();
        for change in open {
            if model == *found {
                return;
            }
            model.apply(change);
        }
        assert_eq!(
            *found, model,
            "{what}: found neither this nor any state since the last acknowledged one: {least:?}"
        );
    }
}

fn entry(random: &mut Random) -> Bytes {
    let length = match random.below(10) {
        0 => 0,
        1..=5 => random.below(400),
        6..=8 => random.below(3000),
        _ => random.below(8000),
    };
    let first = random.number();
    Bytes::from_iter((0..length).map(|at| (first.wrapping_add(at * 7) >> (at % 8)) as u8))
}
