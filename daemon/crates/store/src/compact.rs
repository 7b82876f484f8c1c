//! Giving back the space of what can no longer be read.
//!
//! Each member does it for itself, in small steps between batches, so neither answers nor hashes
//! may depend on how far it has come. It walks only the events between two compactions: each one
//! names the event that it replaced, and that one goes. A deletion itself goes with the next
//! compaction after it: watchers from the compacted revision on still see it.
//!
//! Invariant: after the sweep to a compact revision, what is left of the events before it is what
//! was live then.

use std::ops::Bound;

use redb::{ReadableTable, WriteTransaction};

use crate::fault::Fault;
use crate::keyspace;
use crate::limits::COMPACT_STEP_EVENTS_MAX;
use crate::revision::{POSITION_BYTES, Position};
use crate::state::State;
use crate::{history_key, stored, tables};

/// What one event of the walk makes obsolete.
struct Obsolete {
    at: Position,
    key: Vec<u8>,
    previous: Option<Position>,
    itself: bool,
}

/// Looks at the next events of the walk and removes what they make obsolete.
pub(crate) fn step(txn: &WriteTransaction, state: &mut State) -> Result<(), Fault> {
    let mut events = txn.open_table(tables::EVENTS)?;
    let mut history = txn.open_table(tables::HISTORY)?;
    let (found, next) = look(&events, state)?;
    for obsolete in &found {
        if let Some(previous) = obsolete.previous {
            remove_event(&mut events, state, previous)?;
            let row = history_key::row(&obsolete.key, previous);
            if history.remove(&row[..])?.is_some() {
                state.stored_bytes -= stored::history_bytes(&obsolete.key);
            }
        }
        if obsolete.itself {
            remove_event(&mut events, state, obsolete.at)?;
        }
    }
    state.swept = next;
    Ok(())
}

/// The next events of the walk that make something obsolete, and where to go on.
fn look(
    events: &impl ReadableTable<&'static [u8], &'static [u8]>,
    state: &State,
) -> Result<(Vec<Obsolete>, Position), Fault> {
    let target = state.compact_revision;
    let first = state.swept.encode();
    let end = Position::new(target + 1, 0).encode();
    let rows = (Bound::Included(&first[..]), Bound::Excluded(&end[..]));
    let mut found = Vec::new();
    for (looked_at, row) in events.range::<&[u8]>(rows)?.enumerate() {
        let (at, row) = row?;
        let at = keyspace::decode_position(at.value())?;
        if looked_at == COMPACT_STEP_EVENTS_MAX {
            return Ok((found, at));
        }
        let event = keyspace::decode_event(at, row.value())?;
        let previous = event.previous.filter(|previous| previous.main < target);
        let itself = event.tombstone && at.main < target;
        if previous.is_some() || itself {
            found.push(Obsolete {
                at,
                key: event.key.to_vec(),
                previous,
                itself,
            });
        }
    }
    // Deletions at the compact revision itself are looked at again next time.
    Ok((found, Position::new(target, 0)))
}

fn remove_event(
    events: &mut redb::Table<'_, &'static [u8], &'static [u8]>,
    state: &mut State,
    at: Position,
) -> Result<(), Fault> {
    let row: [u8; POSITION_BYTES] = at.encode();
    if let Some(record) = events.remove(&row[..])? {
        state.stored_bytes -= stored::event_bytes(record.value().len());
    }
    Ok(())
}
