//! Hashes by which members are compared.
//!
//! Invariant: a hash covers what can still be read, and nothing of how far the physical compaction
//! has come: events that are obsolete at the compact revision are left out whether their space has
//! been given back or not. Every row's own checksum is verified on the way. So two members with the same revision and the same compact revision
//! give the same hash.

use std::ops::Bound;

use redb::ReadableTable;

use crate::fault::Fault;
use crate::keyspace::{self, Keyspace};
use crate::range::{self, Window};
use crate::record::EventRecord;
use crate::revision::Position;
use crate::state::State;
use crate::view::Snapshot;
use crate::{history_key, sealed, tables};

/// Hash of the events up to a revision (0: the newest).
pub(crate) fn keyspace(snapshot: &Snapshot, revision: i64) -> Result<u32, Fault> {
    let window = Window {
        compact_revision: snapshot.state.compact_revision,
        revision: snapshot.state.revision,
    };
    let revision = range::readable(window, revision)?;
    events(snapshot, revision)
}

/// Hash of all that is replicated.
pub(crate) fn everything(snapshot: &Snapshot) -> Result<u32, Fault> {
    let replicated = State {
        swept: Position::new(0, 0),
        stored_bytes: 0,
        ..snapshot.state
    };
    let mut hash = crc32c::crc32c(&replicated.encode());
    let events = events(snapshot, snapshot.state.revision)?;
    hash = crc32c::crc32c_append(hash, &events.to_le_bytes());
    for (id, definition) in tables::ALL {
        // The events have been counted, and the history follows from them.
        if id == tables::EVENTS_ID || id == tables::HISTORY_ID {
            continue;
        }
        hash = crc32c::crc32c_append(hash, &[id]);
        for row in snapshot.table(definition)?.iter()? {
            let (key, value) = row?;
            if tables::is_sealed(id) {
                sealed::open(key.value(), value.value())?;
            }
            let is_state = id == tables::META_ID && key.value() == tables::META_STATE;
            if !is_state {
                hash = row_hash(hash, key.value(), value.value());
            }
        }
    }
    Ok(hash)
}

fn events(snapshot: &Snapshot, revision: i64) -> Result<u32, Fault> {
    let compacted = snapshot.state.compact_revision;
    let mut hash = crc32c::crc32c(&compacted.to_le_bytes());
    let end = Position::new(revision, u32::MAX).encode();
    let rows = (Bound::Unbounded, Bound::Included(&end[..]));
    for row in snapshot.events().range::<&[u8]>(rows)? {
        let (at, row) = row?;
        let position = keyspace::decode_position(at.value())?;
        let event = keyspace::decode_event(position, row.value())?;
        if position.main > compacted || is_kept(snapshot, position, event)? {
            hash = row_hash(hash, at.value(), row.value());
        }
    }
    Ok(hash)
}

/// Whether an event at or before the compact revision holds a value of that revision.
pub(crate) fn is_kept(
    snapshot: &Snapshot,
    at: Position,
    event: EventRecord<'_>,
) -> Result<bool, Fault> {
    if event.tombstone {
        return Ok(false);
    }
    // Once the sweep is through, nothing obsolete is left, but for what was replaced by a later
    // write of the very revision that is compacted to: watchers may still ask for that.
    if !snapshot.state.sweep_pending() && at.main < snapshot.state.compact_revision {
        return Ok(true);
    }
    let row = history_key::row(event.key, at);
    match snapshot.history().get(&row[..])? {
        Some(until) => {
            Ok(keyspace::decode_until(&row, until.value())? > snapshot.state.compact_revision)
        }
        None => Ok(true),
    }
}

fn row_hash(hash: u32, key: &[u8], value: &[u8]) -> u32 {
    let lens = [key.len() as u64, value.len() as u64];
    let hash = crc32c::crc32c_append(hash, &lens[0].to_le_bytes());
    let hash = crc32c::crc32c_append(hash, &lens[1].to_le_bytes());
    let hash = crc32c::crc32c_append(hash, key);
    crc32c::crc32c_append(hash, value)
}
