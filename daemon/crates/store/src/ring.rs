//! The newest revisions, in memory, for watchers that keep up.
//!
//! Watchers are cursors into it and cost it nothing. Knows nothing about who watches. Invariant:
//! the ring holds consecutive revisions up to the newest, bounded in bytes and in number; who asks
//! for an older one is told so and reads history instead.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Revision;
use crate::limits::{RING_BYTES_MAX, RING_REVISIONS_MAX};

type Waker = Box<dyn Fn() + Send + Sync>;

/// What the ring has for a cursor.
#[derive(Debug, Clone, PartialEq)]
pub enum Since {
    /// The revisions from the cursor on, in order; none where it is up to date.
    Revisions(Vec<Arc<Revision>>),
    /// The ring no longer has the cursor's revision: read [`View::events`](crate::View::events).
    FellOff,
}

/// The ring of applied revisions.
pub struct EventRing {
    held: Mutex<Held>,
    wakers: Mutex<Vec<Waker>>,
}

#[derive(Debug)]
struct Held {
    revisions: VecDeque<Arc<Revision>>,
    bytes: usize,
    bytes_max: usize,
    /// The newest revision of the store, in the ring or not.
    newest: i64,
}

impl EventRing {
    #[cfg(test)]
    fn new(newest: i64) -> EventRing {
        EventRing::of(newest, RING_BYTES_MAX)
    }

    /// An empty ring behind a store at revision `newest`, which holds no more bytes than this.
    pub(crate) fn of(newest: i64, bytes_max: usize) -> EventRing {
        EventRing {
            held: Mutex::new(Held {
                revisions: VecDeque::new(),
                bytes: 0,
                bytes_max: bytes_max.min(RING_BYTES_MAX),
                newest,
            }),
            wakers: Mutex::default(),
        }
    }

    /// The newest revision that watchers can be told of.
    pub fn newest(&self) -> i64 {
        self.lock().newest
    }

    /// Bytes of the revisions that it holds.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// The revisions from `revision` on, at most `count_max` of them.
    pub fn since(&self, revision: i64, count_max: usize) -> Since {
        let held = self.lock();
        if revision > held.newest {
            return Since::Revisions(Vec::new());
        }
        let oldest = held.newest + 1 - held.revisions.len() as i64;
        if revision < oldest {
            return Since::FellOff;
        }
        let skipped = (revision - oldest) as usize;
        let wanted = held.revisions.iter().skip(skipped).take(count_max);
        Since::Revisions(wanted.cloned().collect())
    }

    /// Adds a function that is called, on the store's thread, after revisions were added. It must
    /// not block.
    pub fn set_waker(&self, waker: Box<dyn Fn() + Send + Sync>) {
        let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        wakers.push(waker);
    }

    /// Adds revisions, which follow the newest one, and wakes the watchers.
    pub(crate) fn push(&self, revisions: &[Arc<Revision>]) {
        let Some(last) = revisions.last() else {
            return;
        };
        let mut held = self.lock();
        for revision in revisions {
            debug_assert_eq!(revision.revision, held.newest + 1);
            held.newest = revision.revision;
            held.bytes += revision.bytes();
            held.revisions.push_back(Arc::clone(revision));
            held.trim();
        }
        debug_assert_eq!(held.newest, last.revision);
        drop(held);
        self.wake();
    }

    /// Forgets everything: the state was replaced by one at this revision.
    pub(crate) fn restart(&self, newest: i64) {
        let mut held = self.lock();
        held.revisions.clear();
        held.bytes = 0;
        held.newest = newest;
        drop(held);
        self.wake();
    }

    fn wake(&self) {
        let wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        wakers.iter().for_each(|wake| wake());
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn trim(&mut self) {
        while self.bytes > self.bytes_max || self.revisions.len() > RING_REVISIONS_MAX {
            let Some(oldest) = self.revisions.pop_front() else {
                return;
            };
            self.bytes -= oldest.bytes();
        }
    }
}

impl std::fmt::Debug for EventRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let held = self.lock();
        f.debug_struct("EventRing")
            .field("newest", &held.newest)
            .field("revisions", &held.revisions.len())
            .field("bytes", &held.bytes)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use skerry_proto::mvccpb;

    use super::*;

    fn revision(revision: i64, value_bytes: usize) -> Arc<Revision> {
        let kv = mvccpb::KeyValue {
            value: Bytes::from(vec![0; value_bytes]),
            ..mvccpb::KeyValue::default()
        };
        let event = mvccpb::Event {
            kv: Some(kv),
            ..mvccpb::Event::default()
        };
        Arc::new(Revision {
            revision,
            events: vec![event],
        })
    }

    fn revisions(since: Since) -> Option<Vec<i64>> {
        match since {
            Since::Revisions(found) => Some(found.iter().map(|held| held.revision).collect()),
            Since::FellOff => None,
        }
    }

    #[test]
    fn a_cursor_gets_what_follows_it_and_nothing_when_it_is_up_to_date() {
        let ring = EventRing::new(1);
        ring.push(&[revision(2, 0), revision(3, 0), revision(4, 0)]);
        assert_eq!(revisions(ring.since(2, 10)), Some(vec![2, 3, 4]));
        assert_eq!(revisions(ring.since(3, 1)), Some(vec![3]));
        assert_eq!(revisions(ring.since(5, 10)), Some(vec![]));
        assert_eq!(revisions(ring.since(1, 10)), None);
    }

    #[test]
    fn the_ring_is_bounded_in_revisions_and_who_falls_off_is_told() {
        let ring = EventRing::new(0);
        let more = RING_REVISIONS_MAX as i64 + 3;
        for at in 1..=more {
            ring.push(&[revision(at, 0)]);
        }
        assert_eq!(ring.since(3, 1), Since::FellOff);
        assert_eq!(revisions(ring.since(4, 1)), Some(vec![4]));
        assert_eq!(ring.newest(), more);
    }

    #[test]
    fn the_ring_is_bounded_in_bytes_even_for_one_huge_revision() {
        let ring = EventRing::new(0);
        ring.push(&[revision(1, RING_BYTES_MAX / 2)]);
        ring.push(&[revision(2, RING_BYTES_MAX / 2)]);
        assert_eq!(ring.since(1, 1), Since::FellOff);
        assert_eq!(revisions(ring.since(2, 1)), Some(vec![2]));
        ring.push(&[revision(3, RING_BYTES_MAX)]);
        assert_eq!(ring.since(3, 1), Since::FellOff);
        assert_eq!(revisions(ring.since(4, 1)), Some(vec![]));
    }

    #[test]
    fn every_waker_is_called_when_revisions_come() {
        let ring = EventRing::new(0);
        let woken = Arc::new(AtomicUsize::new(0));
        for _ in 0..2 {
            let woken = Arc::clone(&woken);
            ring.set_waker(Box::new(move || {
                woken.fetch_add(1, Ordering::Relaxed);
            }));
        }
        ring.push(&[]);
        assert_eq!(woken.load(Ordering::Relaxed), 0);
        ring.push(&[revision(1, 0)]);
        assert_eq!(woken.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn after_the_state_was_replaced_older_cursors_have_fallen_off() {
        let ring = EventRing::new(0);
        ring.push(&[revision(1, 0)]);
        ring.restart(9);
        assert_eq!(ring.since(1, 1), Since::FellOff);
        assert_eq!(ring.since(9, 1), Since::FellOff);
        assert_eq!(revisions(ring.since(10, 1)), Some(vec![]));
    }
}
