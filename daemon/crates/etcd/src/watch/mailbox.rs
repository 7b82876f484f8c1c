//! What a stream has yet to send, as numbers: which watcher, which revision.
//!
//! Invariant: at most [`WATCH_MAIL_MAX`] numbers wait; a watcher whose mail does not fit is told
//! once that it has fallen behind, and gets no more mail until it has caught up.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::limits::WATCH_MAIL_MAX;

/// A revision with events for a watcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    /// The watcher's id on its stream.
    pub(super) watch_id: i64,
    pub(super) revision: i64,
}

/// What waits for one stream.
#[derive(Debug, Default)]
pub(super) struct Mailbox(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    due: VecDeque<Due>,
    fallen: VecDeque<Due>,
    waker: Option<Waker>,
}

impl Mailbox {
    /// Adds a revision; false where there is no room.
    pub(super) fn post(&self, due: Due) -> bool {
        let mut held = self.lock();
        if held.due.len() >= WATCH_MAIL_MAX {
            return false;
        }
        held.due.push_back(due);
        held.wake();
        true
    }

    /// Tells that a watcher gets no more mail from this revision on.
    pub(super) fn fall(&self, due: Due) {
        let mut held = self.lock();
        held.fallen.push_back(due);
        held.wake();
    }

    /// The next revision to send.
    pub(super) fn take(&self) -> Option<Due> {
        self.lock().due.pop_front()
    }

    /// The next watcher that has fallen behind; only once [`Mailbox::take`] has nothing left, as
    /// what is due comes first.
    pub(super) fn take_fallen(&self) -> Option<Due> {
        self.lock().fallen.pop_front()
    }

    /// Has the waker woken with the next mail; true where some has come already.
    pub(super) fn register(&self, waker: &Waker) -> bool {
        let mut held = self.lock();
        if !held.due.is_empty() || !held.fallen.is_empty() {
            return true;
        }
        match &mut held.waker {
            Some(registered) => registered.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
