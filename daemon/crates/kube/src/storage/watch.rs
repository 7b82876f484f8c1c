//! One watcher's position in the history of a range.
//!
//! Reads the ring, and history once it has fallen off. Invariant: every change of the range is
//! returned once, in order, or the position is lost with [`StorageError::Compacted`].

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use skerry_proto::mvccpb;
use skerry_proto::mvccpb::event::EventType;
use skerry_store::{ApplyError, KeyRange, QueryError, Reader, Revision, Since};

use super::hub::{Hub, Place};
use super::{StorageError, Stored, Vault};
use crate::limits::{WATCH_BATCH_BYTES, WATCH_HISTORY_BYTES, WATCH_REVISIONS_MAX};

/// A change of one key.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) key: Bytes,
    pub(crate) revision: i64,
    /// What it holds now; nothing: it was deleted.
    pub(crate) now: Option<Stored>,
    event: mvccpb::Event,
}

impl Change {
    /// Whether the key was not there before.
    pub(crate) fn is_creation(&self) -> bool {
        self.now
            .as_ref()
            .is_some_and(|now| now.created == now.revision)
    }
}

/// A watcher's position. Costs no memory for what it has yet to read.
pub(crate) struct Cursor {
    place: Place,
    reader: Reader,
    vault: Arc<Vault>,
    range: KeyRange,
    /// The first revision it has not read.
    next: i64,
    /// Whether there may be more to read without being told.
    behind: bool,
}

impl Cursor {
    pub(super) fn new(
        hub: &Arc<Hub>,
        vault: Arc<Vault>,
        reader: Reader,
        range: KeyRange,
        from: i64,
    ) -> Result<Cursor, StorageError> {
        let compacted = reader.view()?.compact_revision();
        if from <= compacted {
            return Err(StorageError::Compacted(from));
        }
        let place = hub
            .add(range.clone(), from)
            .ok_or(StorageError::TooManyRequests)?;
        Ok(Cursor {
            place,
            reader,
            vault,
            range,
            next: from,
            behind: false,
        })
    }

    /// The changes that come next; empty where there only seemed to be some.
    pub(crate) async fn next(&mut self) -> Result<Vec<Change>, StorageError> {
        self.next_batch().await?.changes()
    }

    /// As [`Cursor::next`], before it is looked at.
    pub(crate) async fn next_batch(&mut self) -> Result<Batch, StorageError> {
        if !self.behind {
            let due = std::future::poll_fn(|cx| self.poll_due(cx)).await;
            self.next = self.next.max(due);
        }
        self.read()
    }

    /// Up to which revision everything in the range was returned.
    pub(crate) fn progress(&self) -> i64 {
        match self.behind {
            true => self.next - 1,
            false => self.place.progress(self.next - 1),
        }
    }

    /// What the key of a change held before it. The ring may still have a change when that is
    /// forgotten: then the position is lost, for nobody can say what the change means.
    pub(crate) fn before(&self, change: &Change) -> Result<Option<Stored>, StorageError> {
        let view = self.reader.view()?;
        let before = view.prev_kv(&change.event)?;
        let before = before.map(|before| self.vault.open(before)).transpose()?;
        if before.is_none() && change.revision <= view.compact_revision() {
            return Err(StorageError::Compacted(change.revision));
        }
        Ok(before)
    }

    fn poll_due(&self, cx: &mut Context<'_>) -> Poll<i64> {
        self.place.slot.waker.register(cx.waker());
        match self.place.slot.take() {
            0 => Poll::Pending,
            due => Poll::Ready(due),
        }
    }

    fn read(&mut self) -> Result<Batch, StorageError> {
        let from = self.next;
        let revisions = match self.reader.ring().since(from, WATCH_REVISIONS_MAX) {
            Since::Revisions(mut revisions) => {
                self.behind = revisions.len() == WATCH_REVISIONS_MAX;
                let mut bytes = 0;
                let fits = revisions.iter().take_while(|revision| {
                    let fits = bytes <= WATCH_BATCH_BYTES;
                    bytes += revision.bytes();
                    fits
                });
                let count = fits.count();
                self.behind |= count < revisions.len();
                revisions.truncate(count);
                if let Some(last) = revisions.last() {
                    self.next = last.revision + 1;
                }
                revisions
            }
            Since::FellOff => {
                let view = self.reader.view()?;
                let history = view.events(from, &self.range, WATCH_HISTORY_BYTES);
                let history = history.map_err(|error| match error {
                    QueryError::Refused(ApplyError::Compacted) => StorageError::Compacted(from),
                    error => StorageError::at(from, error),
                })?;
                self.next = from.max(history.next);
                self.behind = true;
                history.revisions.into_iter().map(Arc::new).collect()
            }
        };
        Ok(Batch {
            from,
            next: self.next,
            range: self.range.clone(),
            vault: Arc::clone(&self.vault),
            revisions,
        })
    }
}

/// What happened in a range from one revision up to, but without, another.
pub(crate) struct Batch {
    pub(crate) from: i64,
    pub(crate) next: i64,
    pub(crate) range: KeyRange,
    vault: Arc<Vault>,
    /// With events of other ranges among them.
    revisions: Vec<Arc<Revision>>,
}

impl Batch {
    pub(crate) fn changes(&self) -> Result<Vec<Change>, StorageError> {
        let mut changes = Vec::new();
        for event in self.revisions.iter().flat_map(|one| &one.events) {
            let Some(kv) = &event.kv else {
                continue;
            };
            if !self.range.contains(&kv.key) {
                continue;
            }
            let deleted = event.r#type == EventType::Delete as i32;
            changes.push(Change {
                key: kv.key.clone(),
                revision: kv.mod_revision,
                now: match deleted {
                    true => None,
                    false => Some(self.vault.open(kv.clone())?),
                },
                event: event.clone(),
            });
        }
        Ok(changes)
    }
}
