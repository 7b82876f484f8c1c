//! Tells watchers that something in their range has changed.
//!
//! Holds one number a watcher, the first revision that it has not read: no queue, however slow the
//! client. Invariant: a watcher whose number is 0 has nothing to read at or below `told`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::task::AtomicWaker;
use skerry_store::{KeyRange, Reader, Revision, Since, WatchIndex, WatcherId};
use tokio::sync::Notify;

use crate::limits::{PUMP_REVISIONS_MAX, WATCHES_MAX};

/// All watchers of this member.
pub(crate) struct Hub {
    reader: Reader,
    pushed: Arc<Notify>,
    held: Mutex<Held>,
}

struct Held {
    index: WatchIndex,
    slots: HashMap<WatcherId, Arc<Slot>>,
    next_id: WatcherId,
    /// The first revision that watchers were not told of.
    next: i64,
}

/// What the hub and one watcher share.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// The first revision that concerns the watcher and that it was not told of; 0: none.
    due: AtomicI64,
    pub(super) waker: AtomicWaker,
}

impl Slot {
    /// Takes what is due; 0: nothing is.
    pub(super) fn take(&self) -> i64 {
        self.due.swap(0, Ordering::AcqRel)
    }

    fn tell(&self, revision: i64) {
        // Only the hub sets it, under its lock: nothing comes between.
        if self.due.load(Ordering::Acquire) == 0 {
            self.due.store(revision, Ordering::Release);
            self.waker.wake();
        }
    }
}

/// A watcher's place in the hub, given up when dropped.
pub(super) struct Place {
    hub: Arc<Hub>,
    id: WatcherId,
    pub(super) slot: Arc<Slot>,
}

impl Place {
    /// Up to which revision a watcher that has read up to `read` has missed nothing.
    pub(super) fn progress(&self, read: i64) -> i64 {
        let held = self.hub.lock();
        match self.slot.due.load(Ordering::Acquire) {
            0 => read.max(held.next - 1),
            _ => read,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.hub.lock();
        held.index.remove(self.id);
        held.slots.remove(&self.id);
    }
}

impl Hub {
    pub(super) fn new(reader: Reader) -> Arc<Hub> {
        let pushed = Arc::new(Notify::new());
        let waker = Arc::clone(&pushed);
        reader
            .ring()
            .set_waker(Box::new(move || waker.notify_one()));
        let next = reader.ring().newest() + 1;
        Arc::new(Hub {
            reader,
            pushed,
            held: Mutex::new(Held {
                index: WatchIndex::default(),
                slots: HashMap::new(),
                next_id: 1,
                next,
            }),
        })
    }

    /// Tells watchers of revisions as they come, for as long as the server runs.
    pub(super) async fn run(self: Arc<Hub>) {
        loop {
            self.pushed.notified().await;
            while self.pump() {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Adds a watcher that has read everything before `from`; none where there are too many.
    pub(super) fn add(self: &Arc<Hub>, range: KeyRange, from: i64) -> Option<Place> {
        let mut held = self.lock();
        if held.slots.len() >= WATCHES_MAX {
            return None;
        }
        let id = held.next_id;
        held.next_id += 1;
        let slot = Arc::new(Slot::default());
        if from < held.next {
            slot.tell(from);
        }
        held.index.insert(id, range);
        held.slots.insert(id, Arc::clone(&slot));
        Some(Place {
            hub: Arc::clone(self),
            id,
            slot,
        })
    }

    /// Tells of some revisions; true while there may be more.
    fn pump(&self) -> bool {
        let mut held = self.lock();
        let ring = self.reader.ring();
        match ring.since(held.next, PUMP_REVISIONS_MAX) {
            Since::Revisions(revisions) => {
                revisions.iter().for_each(|revision| held.tell(revision));
                revisions.len() == PUMP_REVISIONS_MAX
            }
            Since::FellOff => {
                let next = held.next;
                held.slots.values().for_each(|slot| slot.tell(next));
                held.next = ring.newest() + 1;
                true
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn tell(&mut self, revision: &Revision) {
        for event in &revision.events {
            let Some(kv) = &event.kv else {
                continue;
            };
            let slots = &self.slots;
            self.index.watchers_of(&kv.key, |id| {
                if let Some(slot) = slots.get(&id) {
                    slot.tell(revision.revision);
                }
            });
        }
        self.next = revision.revision + 1;
    }
}
