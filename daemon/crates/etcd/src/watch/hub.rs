//! The one place where events meet watchers.
//!
//! Knows nothing about gRPC. Invariant: a watcher that is in step has been told of every revision
//! below `next` that concerns it and is not before its `from`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use skerry_proto::mvccpb;
use skerry_store::{
    EventRing, KeyRange, Reader, Revision, Since, StoreError, WatchIndex, WatcherId,
};
use tokio::sync::Notify;

use super::mailbox::{Due, Mailbox};
use super::previous::Previous;
use crate::limits::{PUMP_REVISIONS_MAX, WATCHERS_MAX};

/// All watchers of this member.
pub(crate) struct Hub {
    reader: Reader,
    pushed: Arc<Notify>,
    held: Mutex<Held>,
    previous: Mutex<Previous>,
}

struct Held {
    index: WatchIndex,
    watchers: Vec<Option<Registered>>,
    free: Vec<usize>,
    /// The first revision that watchers were not told of.
    next: i64,
}

struct Registered {
    mailbox: Arc<Mailbox>,
    watch_id: i64,
    /// Earlier revisions are not for it.
    from: i64,
    /// The last revision it was told of.
    told: i64,
    /// Whether it gets mail; otherwise it is behind and reads history by itself.
    in_step: bool,
}

/// No room for another watcher.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooManyWatchers;

/// Where a new watcher stands.
#[derive(Debug)]
pub(super) struct Place {
    /// For [`Hub::remove`] and [`Hub::step_in`].
    pub(super) id: WatcherId,
    /// The first revision it is to be sent.
    pub(super) from: i64,
    /// Whether that lies in the past, so that it has to read history first.
    pub(super) behind: bool,
}

impl Hub {
    /// A hub that tells of what is applied from now on; [`Hub::run`] drives it.
    pub(crate) fn new(reader: Reader) -> Arc<Hub> {
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
                watchers: Vec::new(),
                free: Vec::new(),
                next,
            }),
            previous: Mutex::default(),
        })
    }

    /// Tells watchers of revisions as they come.
    pub(crate) async fn run(self: Arc<Hub>) {
        loop {
            self.pushed.notified().await;
            while self.pump_some() {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Tells watchers of all revisions there are now.
    pub(super) fn pump(&self) {
        while self.pump_some() {}
    }

    /// Every revision up to this one was told.
    pub(super) fn told(&self) -> i64 {
        self.lock().next - 1
    }

    /// The newest revision there is.
    pub(super) fn newest(&self) -> i64 {
        self.ring().newest()
    }

    pub(super) fn ring(&self) -> &EventRing {
        self.reader.ring()
    }

    /// Adds a watcher from a revision on, 0 for what comes from now on.
    pub(super) fn add(
        &self,
        mailbox: &Arc<Mailbox>,
        watch_id: i64,
        range: KeyRange,
        start: i64,
    ) -> Result<Place, TooManyWatchers> {
        let mut held = self.lock();
        let newest = self.newest();
        if held.index.len() >= WATCHERS_MAX {
            return Err(TooManyWatchers);
        }
        let in_step = start == 0 || start > newest;
        let from = if in_step {
            start.max(newest + 1)
        } else {
            start
        };
        let registered = Registered {
            mailbox: Arc::clone(mailbox),
            watch_id,
            from,
            told: 0,
            in_step,
        };
        let slot = match held.free.pop() {
            Some(slot) => {
                held.watchers[slot] = Some(registered);
                slot
            }
            None => {
                held.watchers.push(Some(registered));
                held.watchers.len() - 1
            }
        };
        let id = slot as WatcherId;
        held.index.insert(id, range);
        Ok(Place {
            id,
            from,
            behind: !in_step,
        })
    }

    /// Takes a watcher out; what it was told of may still wait in its mailbox.
    pub(super) fn remove(&self, id: WatcherId) {
        let mut held = self.lock();
        if held.index.remove(id) {
            let slot = id as usize;
            held.watchers[slot] = None;
            held.free.push(slot);
        }
    }

    /// Gives a watcher that has read all before `next` mail again; false where there is more to
    /// read.
    pub(super) fn step_in(&self, id: WatcherId, next: i64) -> bool {
        let mut held = self.lock();
        if next < held.next {
            return false;
        }
        if let Some(Some(registered)) = held.watchers.get_mut(id as usize) {
            registered.from = next;
            registered.in_step = true;
        }
        true
    }

    /// Takes a watcher whose next revision the ring has lost out of step: it gets no more mail.
    pub(super) fn step_out(&self, id: WatcherId) {
        if let Some(Some(registered)) = self.lock().watchers.get_mut(id as usize) {
            registered.in_step = false;
        }
    }

    /// The events, each with what its key held before.
    pub(super) fn with_previous<'a>(
        &self,
        events: impl Iterator<Item = &'a mvccpb::Event>,
    ) -> Result<Vec<mvccpb::Event>, StoreError> {
        let view = self.reader.view()?;
        let mut previous = self.previous.lock().unwrap_or_else(PoisonError::into_inner);
        events.map(|event| previous.fill(&view, event)).collect()
    }

    /// Something to wait for changes of a range with, for callers in this process.
    pub(crate) fn signal(self: &Arc<Hub>, range: KeyRange) -> Option<Signal> {
        let mailbox = Arc::new(Mailbox::default());
        let place = self.add(&mailbox, 0, range, 0).ok()?;
        Some(Signal {
            hub: Arc::clone(self),
            mailbox,
            id: place.id,
        })
    }

    /// Tells of some revisions; true while there may be more.
    fn pump_some(&self) -> bool {
        let mut held = self.lock();
        match self.ring().since(held.next, PUMP_REVISIONS_MAX) {
            Since::Revisions(revisions) => {
                revisions.iter().for_each(|revision| held.tell(revision));
                revisions.len() == PUMP_REVISIONS_MAX
            }
            Since::FellOff => {
                held.fall_behind();
                // What is newer than the ring was when this is asked is told from there.
                held.next = self.newest() + 1;
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
        let Held {
            index,
            watchers,
            next,
            ..
        } = self;
        let number = revision.revision;
        for event in &revision.events {
            let Some(kv) = &event.kv else {
                continue;
            };
            index.watchers_of(&kv.key, |id| {
                if let Some(Some(registered)) = watchers.get_mut(id as usize) {
                    registered.tell(number);
                }
            });
        }
        *next = number + 1;
    }

    fn fall_behind(&mut self) {
        let next = self.next;
        for registered in self.watchers.iter_mut().flatten() {
            registered.fall(next);
        }
    }
}

impl Registered {
    fn tell(&mut self, revision: i64) {
        if !self.in_step || revision < self.from || revision == self.told {
            return;
        }
        self.told = revision;
        if !self.mailbox.post(Due {
            watch_id: self.watch_id,
            revision,
        }) {
            self.fall(revision);
        }
    }

    fn fall(&mut self, revision: i64) {
        if self.in_step {
            self.in_step = false;
            let revision = revision.max(self.from);
            self.mailbox.fall(Due {
                watch_id: self.watch_id,
                revision,
            });
        }
    }
}

/// Fires when something in a range has changed.
pub(crate) struct Signal {
    hub: Arc<Hub>,
    mailbox: Arc<Mailbox>,
    id: WatcherId,
}

impl Signal {
    /// Returns once something has changed since the signal was made, or since the last call.
    pub(crate) async fn fired(&mut self) {
        std::future::poll_fn(|cx| {
            if self.mailbox.register(cx.waker()) {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
        while self.mailbox.take().is_some() {}
        while let Some(fallen) = self.mailbox.take_fallen() {
            // Whoever waits looks at the state itself: nothing has to be read again.
            self.hub
                .step_in(self.id, fallen.revision.max(self.hub.told() + 1));
        }
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        self.hub.remove(self.id);
    }
}
