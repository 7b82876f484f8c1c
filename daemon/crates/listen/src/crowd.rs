//! How many there may be at once, and who makes room for the next: whoever has been idle longest.
//!
//! Knows nothing about sockets. Invariant: nobody who is busy is asked to leave, and whoever comes
//! is let in as soon as somebody is idle.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// See the module.
pub(crate) struct Crowd {
    places: Arc<Semaphore>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    /// Who is idle, in the order of when that began.
    idle: BTreeMap<u64, Arc<Notify>>,
    next: u64,
    /// Who waits for a place without anybody having been asked to leave.
    waiting: BTreeSet<u64>,
}

impl Crowd {
    pub(crate) fn new(places: usize) -> Arc<Crowd> {
        Arc::new(Crowd {
            places: Arc::new(Semaphore::new(places)),
            held: Mutex::default(),
        })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, once there is one; idle from the start. None: never, which does not happen.
    pub(crate) async fn enter(self: &Arc<Crowd>) -> Option<Arc<Member>> {
        let places = Arc::clone(&self.places);
        let place = match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                let _waiting = Waiting::begin(self);
                places.acquire_owned().await.ok()?
            }
        };
        let member = Member {
            crowd: Arc::clone(self),
            asked: Arc::default(),
            state: Mutex::default(),
            _place: place,
        };
        member.rest(&mut member.state());
        Some(Arc::new(member))
    }

    /// Asks whoever has been idle longest to leave, where somebody is.
    pub(crate) fn send_away(&self) -> bool {
        let oldest = self.held().idle.pop_first();
        oldest.is_some_and(|(_, oldest)| {
            oldest.notify_one();
            true
        })
    }

    /// Returns once all who are in have left.
    pub(crate) async fn empty(&self, places: usize) {
        let places = u32::try_from(places).unwrap_or(u32::MAX);
        // It is never closed.
        let _all = self.places.acquire_many(places).await;
    }
}

/// Somebody who waits for a place; for whom nobody has been asked to leave yet, if it counts.
struct Waiting<'c> {
    crowd: &'c Crowd,
    number: Option<u64>,
}

impl Waiting<'_> {
    fn begin(crowd: &Crowd) -> Waiting<'_> {
        let mut held = crowd.held();
        let number = match held.idle.pop_first() {
            Some((_, oldest)) => {
                oldest.notify_one();
                None
            }
            // The next who becomes idle sees it.
            None => {
                let number = held.next;
                held.next += 1;
                held.waiting.insert(number);
                Some(number)
            }
        };
        drop(held);
        Waiting { crowd, number }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.crowd.held().waiting.remove(&number);
        }
    }
}

/// Somebody with a place, until it is dropped.
pub(crate) struct Member {
    crowd: Arc<Crowd>,
    asked: Arc<Notify>,
    state: Mutex<State>,
    _place: OwnedSemaphorePermit,
}

#[derive(Default)]
struct State {
    /// How many things are under way.
    busy: usize,
    /// Where it stands among the idle.
    place: Option<u64>,
}

impl Member {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is under way until the result is dropped.
    pub(crate) fn begin(self: &Arc<Member>) -> Busy {
        let mut state = self.state();
        state.busy += 1;
        if let Some(place) = state.place.take() {
            self.crowd.held().idle.remove(&place);
        }
        Busy(Arc::clone(self))
    }

    /// Stands with the idle, behind all others; leaves at once where somebody waits.
    fn rest(&self, state: &mut State) {
        let mut held = self.crowd.held();
        if held.waiting.pop_first().is_some() {
            self.asked.notify_one();
            return;
        }
        let place = held.next;
        held.next += 1;
        held.idle.insert(place, Arc::clone(&self.asked));
        state.place = Some(place);
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.state().busy > 0
    }

    /// Returns once somebody else needs the place.
    pub(crate) async fn asked_to_leave(&self) {
        self.asked.notified().await;
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(place) = self.state().place.take() {
            self.crowd.held().idle.remove(&place);
        }
    }
}

/// Something that is under way.
pub(crate) struct Busy(Arc<Member>);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.busy = state.busy.saturating_sub(1);
        if state.busy == 0 {
            self.0.rest(&mut state);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn soon<T>(future: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(Duration::from_millis(200), future)
            .await
            .ok()
    }

    #[tokio::test]
    async fn whoever_has_been_idle_longest_makes_room() {
        let crowd = Crowd::new(2);
        let first = crowd.enter().await.unwrap();
        let second = crowd.enter().await.unwrap();
        drop(first.begin());
        let comes = tokio::spawn({
            let crowd = Arc::clone(&crowd);
            async move { crowd.enter().await }
        });
        assert!(soon(first.asked_to_leave()).await.is_none());
        assert!(soon(second.asked_to_leave()).await.is_some());
        drop(second);
        assert!(soon(comes).await.is_some());
    }

    #[tokio::test]
    async fn whoever_is_idle_can_be_sent_away_and_nobody_else() {
        let crowd = Crowd::new(2);
        let (busy, idle) = (crowd.enter().await.unwrap(), crowd.enter().await.unwrap());
        let _busy = busy.begin();
        assert!(crowd.send_away());
        assert!(soon(idle.asked_to_leave()).await.is_some());
        assert!(!crowd.send_away());
    }

    #[tokio::test]
    async fn nobody_who_is_busy_leaves_and_the_first_to_rest_does() {
        let crowd = Crowd::new(1);
        let only = crowd.enter().await.unwrap();
        let (one, two) = (only.begin(), only.begin());
        let comes = tokio::spawn({
            let crowd = Arc::clone(&crowd);
            async move { crowd.enter().await }
        });
        assert!(soon(only.asked_to_leave()).await.is_none());
        drop(one);
        assert!(soon(only.asked_to_leave()).await.is_none());
        drop(two);
        assert!(soon(only.asked_to_leave()).await.is_some());
        drop(only);
        assert!(soon(comes).await.is_some());
        assert!(soon(crowd.empty(1)).await.is_some());
    }

    #[tokio::test]
    async fn whoever_stops_waiting_sends_nobody_away() {
        let crowd = Crowd::new(1);
        let only = crowd.enter().await.unwrap();
        let busy = only.begin();
        assert!(soon(crowd.enter()).await.is_none());
        drop(busy);
        assert!(soon(only.asked_to_leave()).await.is_none());
    }
}
