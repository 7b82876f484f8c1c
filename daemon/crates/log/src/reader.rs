//! Reads entries that have left memory, from the segments that hold them.
//!
//! Invariant: the caller holds the segments it reads, so none of them is used again meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::LogError;
use crate::format::{BATCH_HEADER_BYTES, Kind, RECORD_HEADER_BYTES, Seal};
use crate::limits::{PAGE_BYTES, READ_BYTES};
use crate::picture::{Found, Place};
use crate::segment::Segment;

/// Fetches what is on disk and puts all in order.
pub(crate) fn read(
    found: &[(u64, Found)],
    segments: &BTreeMap<u64, Arc<Segment>>,
    salt: u64,
) -> Result<Vec<(u64, Bytes)>, LogError> {
    let mut entries = Vec::with_capacity(found.len());
    let mut rest = found;
    while let Some((index, first)) = rest.first() {
        match first {
            Found::Memory(entry) => {
                entries.push((*index, entry.clone()));
                rest = &rest[1..];
            }
            Found::Disk(first) => {
                let run = run_length(rest, *first);
                let places = rest[..run].iter().filter_map(|(index, found)| match found {
                    Found::Disk(place) => Some((*index, *place)),
                    Found::Memory(_) => None,
                });
                // The picture never points into a segment it does not hold.
                let segment = segments.get(&first.segment).ok_or(LogError::Closed)?;
                read_run(
                    segment,
                    Seal::new(salt, segment.number),
                    places.collect(),
                    &mut entries,
                )?;
                rest = &rest[run..];
            }
        }
    }
    Ok(entries)
}

fn end_of(place: Place) -> u64 {
    u64::from(place.offset) + (RECORD_HEADER_BYTES as u64) + u64::from(place.bytes)
}

/// How many of `found` stand close enough together for one read.
fn run_length(found: &[(u64, Found)], first: Place) -> usize {
    let mut end = end_of(first);
    let mut run = 1;
    for (_, one) in &found[1..] {
        let Found::Disk(place) = one else { break };
        let offset = u64::from(place.offset);
        if place.segment != first.segment || offset < end {
            break;
        }
        // Between two entries of neighbouring batches stand a head and some padding.
        let near = offset - end <= (PAGE_BYTES + BATCH_HEADER_BYTES) as u64;
        if !near || end_of(*place) - u64::from(first.offset) > READ_BYTES as u64 {
            break;
        }
        end = end_of(*place);
        run += 1;
    }
    run
}

fn read_run(
    segment: &Segment,
    seal: Seal,
    places: Vec<(u64, Place)>,
    entries: &mut Vec<(u64, Bytes)>,
) -> Result<(), LogError> {
    let (Some((_, first)), Some((_, last))) = (places.first(), places.last()) else {
        return Ok(());
    };
    let start = u64::from(first.offset);
    let mut bytes = vec![0u8; (end_of(*last) - start) as usize];
    let read = segment.file.read_at(start, &mut bytes);
    let read = read.map_err(LogError::io(&segment.path, "read"))?;
    bytes.truncate(read);
    let bytes = Bytes::from(bytes);
    for (index, place) in places {
        let at = (u64::from(place.offset) - start) as usize;
        let record = seal
            .read(bytes.get(at..).unwrap_or_default())
            .map_err(|what| LogError::corrupt(&segment.path, place.offset.into(), what))?;
        if record.kind != Kind::Entry || record.index != index {
            let what = format!("entry {index} was expected here");
            return Err(LogError::corrupt(&segment.path, place.offset.into(), what));
        }
        entries.push((index, bytes.slice_ref(record.payload)));
    }
    Ok(())
}
