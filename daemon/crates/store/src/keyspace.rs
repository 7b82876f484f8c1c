//! Looking keys up, live and as they were at an earlier revision.
//!
//! Works on the tables of a read transaction and of the write transaction of a batch alike. Knows
//! nothing about requests. Invariant: a read of live keys touches no history; a read of history
//! takes time in the keys of its range, not in the versions of a key.

use std::ops::{Bound, ControlFlow};

use redb::ReadableTable;
use skerry_proto::mvccpb;

use crate::KeyRange;
use crate::fault::Fault;
use crate::history_key;
use crate::record::{EventRecord, Live};
use crate::revision::Position;
use crate::sealed;

/// Versions of one key that are stepped over before a search is cheaper.
const STEPS_BEFORE_SEARCH: u32 = 16;

/// The three tables of the keyspace.
pub(crate) trait Keyspace {
    type Table: ReadableTable<&'static [u8], &'static [u8]>;

    fn keys(&self) -> &Self::Table;
    fn events(&self) -> &Self::Table;
    fn history(&self) -> &Self::Table;

    /// What is known of a live key.
    fn live(&self, key: &[u8]) -> Result<Option<Live>, Fault> {
        match self.keys().get(key)? {
            Some(row) => decode_live(key, row.value()).map(Some),
            None => Ok(None),
        }
    }

    /// Reads one event, which must exist.
    fn with_event<R>(
        &self,
        at: Position,
        read: impl FnOnce(EventRecord<'_>) -> R,
    ) -> Result<R, Fault> {
        let row = self
            .events()
            .get(&at.encode()[..])?
            .ok_or_else(|| Fault::corrupt(format!("event {}.{} is missing", at.main, at.sub)))?;
        Ok(read(decode_event(at, row.value())?))
    }

    /// Reads a key and its value.
    fn load(&self, at: Position) -> Result<mvccpb::KeyValue, Fault> {
        self.with_event(at, |record| record.to_kv(at))
    }

    /// The event that held a key's value at a revision.
    fn version_at(&self, key: &[u8], revision: i64) -> Result<Option<Position>, Fault> {
        if let Some(live) = self.live(key)?
            && live.modified.main <= revision
        {
            return Ok(Some(live.modified));
        }
        replaced_at(self.history(), &history_key::prefix(key), revision)
    }

    /// Calls `visit` for the live keys of a range, in order.
    fn visit_live(
        &self,
        range: &KeyRange,
        mut visit: impl FnMut(&[u8], Live) -> Result<ControlFlow<()>, Fault>,
    ) -> Result<(), Fault> {
        if range.is_empty() {
            return Ok(());
        }
        if let KeyRange::Key(key) = range {
            if let Some(live) = self.live(key)? {
                let _only_one = visit(key, live)?;
            }
            return Ok(());
        }
        for row in self.keys().range::<&[u8]>(range.bounds())? {
            let (key, live) = row?;
            let key = key.value();
            if visit(key, decode_live(key, live.value())?)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Counts the live keys of a range.
    fn count_live(&self, range: &KeyRange) -> Result<i64, Fault> {
        if range.is_empty() {
            return Ok(0);
        }
        if let KeyRange::Key(key) = range {
            return Ok(i64::from(self.keys().get(&key[..])?.is_some()));
        }
        let mut count = 0;
        for row in self.keys().range::<&[u8]>(range.bounds())? {
            row?;
            count += 1;
        }
        Ok(count)
    }

    /// Calls `visit` for the keys of a range that existed at an earlier revision, in order, with
    /// the event that held each value then.
    fn visit_at(
        &self,
        range: &KeyRange,
        revision: i64,
        mut visit: impl FnMut(&[u8], Position) -> Result<ControlFlow<()>, Fault>,
    ) -> Result<(), Fault> {
        if range.is_empty() {
            return Ok(());
        }
        if let KeyRange::Key(key) = range {
            if let Some(at) = self.version_at(key, revision)? {
                let _only_one = visit(key, at)?;
            }
            return Ok(());
        }
        // A key is in one of the two: an event that was replaced after the revision, and a live
        // one that is not newer, exclude each other.
        let mut live = self.keys().range::<&[u8]>(range.bounds())?;
        let mut live_next = || -> Result<Option<(Vec<u8>, Position)>, Fault> {
            for row in live.by_ref() {
                let (key, row) = row?;
                let at = decode_live(key.value(), row.value())?.modified;
                if at.main <= revision {
                    return Ok(Some((key.value().to_vec(), at)));
                }
            }
            Ok(None)
        };
        let mut replaced = Replaced::new(self.history(), range, revision)?;
        let mut from_live = live_next()?;
        let mut from_history = replaced.next()?;
        loop {
            let live_is_first = match (&from_live, &from_history) {
                (None, None) => return Ok(()),
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (Some((live, _)), Some((replaced, _))) => live < replaced,
            };
            let (source, advance_live) = if live_is_first {
                (&mut from_live, true)
            } else {
                (&mut from_history, false)
            };
            let Some((key, at)) = source.take() else {
                return Ok(());
            };
            if visit(&key, at)?.is_break() {
                return Ok(());
            }
            if advance_live {
                from_live = live_next()?;
            } else {
                from_history = replaced.next()?;
            }
        }
    }
}

/// Walks the keys of a range whose value of a revision has been replaced since.
struct Replaced<'t, T: ReadableTable<&'static [u8], &'static [u8]>> {
    history: &'t T,
    rows: redb::Range<'t, &'static [u8], &'static [u8]>,
    end: Bound<Vec<u8>>,
    revision: i64,
    /// The key whose rows are being walked, whether its event was found, and how many of its rows
    /// were stepped over.
    prefix: Vec<u8>,
    found: bool,
    steps: u32,
}

impl<'t, T: ReadableTable<&'static [u8], &'static [u8]>> Replaced<'t, T> {
    fn new(history: &'t T, range: &KeyRange, revision: i64) -> Result<Self, Fault> {
        let start = history_key::open_prefix(range.start());
        let end = match range {
            KeyRange::Span { end, .. } => Bound::Excluded(history_key::open_prefix(end)),
            KeyRange::Key(_) | KeyRange::From(_) => Bound::Unbounded,
        };
        Ok(Replaced {
            history,
            rows: history.range::<&[u8]>((Bound::Included(&start[..]), as_slice(&end)))?,
            end,
            revision,
            prefix: Vec::new(),
            found: false,
            steps: 0,
        })
    }

    fn next(&mut self) -> Result<Option<(Vec<u8>, Position)>, Fault> {
        while let Some(row) = self.rows.next() {
            let (row, until) = row?;
            let (prefix, at) = split_row(row.value())?;
            if prefix != self.prefix {
                self.prefix.clear();
                self.prefix.extend_from_slice(prefix);
                self.found = false;
                self.steps = 0;
            }
            if at.main <= self.revision && decode_until(row.value(), until.value())? > self.revision
            {
                self.found = true;
                return Ok(Some((key_of_prefix(prefix)?, at)));
            }
            self.steps += 1;
            if self.steps == STEPS_BEFORE_SEARCH {
                let searched = self.search()?;
                if searched.is_some() {
                    return Ok(searched);
                }
            }
        }
        Ok(None)
    }

    /// Looks for the event of the key, unless it was found, and goes on behind the key.
    fn search(&mut self) -> Result<Option<(Vec<u8>, Position)>, Fault> {
        let mut last = self.prefix.clone();
        last.extend_from_slice(&Position::new(i64::MAX, u32::MAX).encode());
        let rest = (Bound::Excluded(&last[..]), as_slice(&self.end));
        self.rows = self.history.range::<&[u8]>(rest)?;
        if self.found {
            return Ok(None);
        }
        match replaced_at(self.history, &self.prefix, self.revision)? {
            Some(at) => Ok(Some((key_of_prefix(&self.prefix)?, at))),
            None => Ok(None),
        }
    }
}

/// The event of a key that held its value at a revision and has been replaced since.
fn replaced_at(
    history: &impl ReadableTable<&'static [u8], &'static [u8]>,
    prefix: &[u8],
    revision: i64,
) -> Result<Option<Position>, Fault> {
    let mut last = prefix.to_vec();
    last.extend_from_slice(&Position::new(revision, u32::MAX).encode());
    let rows = (Bound::Included(prefix), Bound::Included(&last[..]));
    let Some(row) = history.range::<&[u8]>(rows)?.next_back() else {
        return Ok(None);
    };
    let (row, until) = row?;
    let (_, at) = split_row(row.value())?;
    Ok((decode_until(row.value(), until.value())? > revision).then_some(at))
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(bytes) => Bound::Included(bytes),
        Bound::Excluded(bytes) => Bound::Excluded(bytes),
        Bound::Unbounded => Bound::Unbounded,
    }
}

pub(crate) fn decode_live(key: &[u8], row: &[u8]) -> Result<Live, Fault> {
    let live = Live::decode(sealed::open(key, row)?);
    live.ok_or_else(|| Fault::corrupt(format!("key {}", key.escape_ascii())))
}

pub(crate) fn decode_event(at: Position, row: &[u8]) -> Result<EventRecord<'_>, Fault> {
    let what = || Fault::corrupt(format!("event {}.{} fails its checksum", at.main, at.sub));
    EventRecord::decode(at, row).ok_or_else(what)
}

pub(crate) fn decode_position(row: &[u8]) -> Result<Position, Fault> {
    Position::decode(row).ok_or_else(|| Fault::corrupt("a row of the events has no position"))
}

pub(crate) fn decode_until(key: &[u8], row: &[u8]) -> Result<i64, Fault> {
    let bytes = sealed::open(key, row)?.try_into();
    let bytes = bytes.map_err(|_| Fault::corrupt("a row of the history has no revision"))?;
    Ok(i64::from_be_bytes(bytes))
}

fn split_row(row: &[u8]) -> Result<(&[u8], Position), Fault> {
    history_key::split(row).ok_or_else(|| Fault::corrupt("a row of the history has no position"))
}

fn key_of_prefix(prefix: &[u8]) -> Result<Vec<u8>, Fault> {
    history_key::key(prefix).ok_or_else(|| Fault::corrupt("a row of the history has no key"))
}
