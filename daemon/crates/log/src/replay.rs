//! The log's state as its records, read in order, leave it.
//!
//! Pure. Used by recovery for what is on disk and by the writer for what it puts there, so both
//! mean the same by a record.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::format::{Kind, Record};
use crate::limits::{INDEX_MAX, METADATA_BYTES_MAX};
use crate::picture::{Metadata, Place};

/// State after some prefix of the records.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    pub(crate) metadata: Metadata,
    /// Index of the first of `places`.
    pub(crate) base: u64,
    pub(crate) places: VecDeque<Place>,
    /// A first segment was met, so that the state is known.
    begun: bool,
    /// Segment whose head is being read, and what the head has said so far.
    head: Option<(u64, Metadata)>,
}

impl Replay {
    pub(crate) fn next_index(&self) -> u64 {
        self.base + self.places.len() as u64
    }

    /// Takes in the batch that stands at the start of a segment. Ends with [`Replay::end_head`].
    pub(crate) fn head_record(&mut self, record: Record<'_>) -> Result<(), String> {
        let payload = metadata(record)?;
        match (record.kind, &mut self.head) {
            (Kind::Head, None) if record.index <= INDEX_MAX + 1 => {
                self.head = Some((record.index, Metadata::default()))
            }
            (Kind::Purge, Some((_, head))) if record.index <= INDEX_MAX => {
                head.purged = Some((record.index, payload));
            }
            (Kind::Vote, Some((_, head))) => head.vote = Some(payload),
            (Kind::Committed, Some((_, head))) => head.committed = Some(payload),
            (kind, _) => return Err(format!("{kind:?} record in the head of a segment")),
        }
        Ok(())
    }

    /// The head is complete: it says where the log stands, or agrees with what is known.
    pub(crate) fn end_head(&mut self) -> Result<(), String> {
        let Some((next, metadata)) = self.head.take() else {
            return Err("segment without a head".to_owned());
        };
        if !self.begun {
            self.begun = true;
            self.base = next;
            self.metadata = metadata;
        } else if next != self.next_index() || metadata != self.metadata {
            return Err(format!(
                "the segment's head says that entry {next} comes next, the segments before it say {}",
                self.next_index()
            ));
        }
        Ok(())
    }

    /// Takes in a record of any later batch. `place` is where it stands.
    pub(crate) fn record(&mut self, record: Record<'_>, place: Place) -> Result<(), String> {
        match record.kind {
            Kind::Entry => {
                if record.index != self.next_index() || record.index > INDEX_MAX {
                    let (found, next) = (record.index, self.next_index());
                    return Err(format!("entry {found} where entry {next} was expected"));
                }
                self.places.push_back(place);
            }
            Kind::Truncate => {
                // Below `base` stand entries of segments that are gone: they were purged later.
                let kept = record.index.saturating_sub(self.base);
                self.base = self.base.min(record.index);
                self.places
                    .truncate(usize::try_from(kept).unwrap_or(usize::MAX));
            }
            Kind::Purge if record.index > INDEX_MAX => {
                return Err(format!("purge up to entry {}", record.index));
            }
            Kind::Purge => {
                let base = record.index + 1;
                if base > self.base {
                    let gone = (base - self.base).min(self.places.len() as u64);
                    self.places.drain(..gone as usize);
                    self.base = base;
                }
                self.metadata.purged = Some((record.index, metadata(record)?));
            }
            Kind::Vote => self.metadata.vote = Some(metadata(record)?),
            Kind::Committed => {
                self.metadata.committed = Some(metadata(record)?);
            }
            Kind::Head => return Err("head record inside a segment".to_owned()),
        }
        Ok(())
    }

    /// After the last record: nothing between the purged part and the first entry may be missing.
    pub(crate) fn finish(&self) -> Result<(), String> {
        let first = self.metadata.first_index();
        if self.base != first {
            let last = self.base.max(first) - 1;
            return Err(format!(
                "entries {} to {last} are missing",
                first.min(self.base)
            ));
        }
        Ok(())
    }
}

/// The payload of a record that every later segment repeats in its head, which has only so much
/// room.
fn metadata(record: Record<'_>) -> Result<Bytes, String> {
    if record.payload.len() > METADATA_BYTES_MAX {
        return Err(format!(
            "{:?} record of {} bytes",
            record.kind,
            record.payload.len()
        ));
    }
    Ok(Bytes::copy_from_slice(record.payload))
}
