//! The watchers of one stream that are behind, and the history they read together.
//!
//! However many there are, history is read once, from the one that is farthest behind, and each
//! takes what concerns it. Invariant: a watcher here has been sent everything before its `next`.

use std::collections::BTreeMap;

use skerry_proto::mvccpb;
use skerry_store::{EventRing, KeyRange, QueryError, Revision, Since, View, WatchIndex};

use crate::limits::{CATCH_UP_BYTES, CATCH_UP_REVISIONS};

/// Watchers that are behind, by their id on the stream.
#[derive(Debug, Default)]
pub(super) struct Lagging {
    next: BTreeMap<i64, i64>,
    index: WatchIndex,
}

/// A piece of history.
#[derive(Debug, Default)]
pub(super) struct Piece {
    /// The first revision that it does not reach.
    pub(super) next: i64,
    /// The events of each watcher, in order.
    pub(super) events: BTreeMap<i64, Vec<mvccpb::Event>>,
}

impl Lagging {
    pub(super) fn is_empty(&self) -> bool {
        self.next.is_empty()
    }

    pub(super) fn insert(&mut self, watch_id: i64, range: KeyRange, next: i64) {
        self.next.insert(watch_id, next);
        // Ids are signed on the wire; as numbers they are as good.
        self.index.insert(watch_id as u64, range);
    }

    pub(super) fn remove(&mut self, watch_id: i64) {
        self.next.remove(&watch_id);
        self.index.remove(watch_id as u64);
    }

    /// The watchers whose history is gone.
    pub(super) fn compacted(&self, compact_revision: i64) -> Vec<i64> {
        let gone = self
            .next
            .iter()
            .filter(|(_, next)| **next < compact_revision);
        gone.map(|(watch_id, _)| *watch_id).collect()
    }

    /// The watchers with how far they have come.
    pub(super) fn positions(&self) -> Vec<(i64, i64)> {
        self.next
            .iter()
            .map(|(watch_id, next)| (*watch_id, *next))
            .collect()
    }

    /// Reads on. None of the watchers may be [`Lagging::compacted`].
    pub(super) fn read(&mut self, ring: &EventRing, view: &View) -> Result<Piece, QueryError> {
        let mut piece = Piece::default();
        let Some(from) = self.next.values().copied().min() else {
            return Ok(piece);
        };
        let next = match ring.since(from, CATCH_UP_REVISIONS) {
            Since::Revisions(revisions) => {
                let next = revisions.last().map_or(from, |last| last.revision + 1);
                for revision in &revisions {
                    self.sort_out(revision, &mut piece);
                }
                next
            }
            Since::FellOff => {
                let history = view.events(from, &self.hull(), CATCH_UP_BYTES)?;
                for revision in &history.revisions {
                    self.sort_out(revision, &mut piece);
                }
                history.next
            }
        };
        piece.next = next;
        for own in self.next.values_mut() {
            *own = next.max(*own);
        }
        Ok(piece)
    }

    fn sort_out(&mut self, revision: &Revision, piece: &mut Piece) {
        let Lagging { next, index } = self;
        for event in &revision.events {
            let Some(kv) = &event.kv else {
                continue;
            };
            index.watchers_of(&kv.key, |id| {
                let watch_id = id as i64;
                let due = next
                    .get(&watch_id)
                    .is_some_and(|next| *next <= revision.revision);
                if due {
                    piece
                        .events
                        .entry(watch_id)
                        .or_default()
                        .push(event.clone());
                }
            });
        }
    }

    /// One range that holds all that the watchers want to see.
    fn hull(&self) -> KeyRange {
        let mut ranges = self
            .next
            .keys()
            .filter_map(|watch_id| self.index.range(*watch_id as u64));
        let Some(first) = ranges.next() else {
            return KeyRange::all();
        };
        ranges.fold(first.clone(), |hull, range| {
            if hull == *range {
                hull
            } else {
                KeyRange::all()
            }
        })
    }
}
