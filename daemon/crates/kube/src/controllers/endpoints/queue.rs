//! Which Services are due to be looked at, and when.
//!
//! Pure: the clock is the caller's. Invariant: a Service is in the queue once, however often it is added.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::index::Place;
use crate::controllers::RETRY_INTERVAL;

/// A Service that has failed waits no longer than this before it is tried again.
const RETRY_MAX: Duration = Duration::from_secs(64);

/// Why a Service is due.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// The earliest change that led to this, as an instant in RFC 3339.
    pub(super) trigger: Option<String>,
    /// The Service was deleted.
    pub(super) gone: bool,
}

/// See the module.
#[derive(Default)]
pub(super) struct Queue {
    due: BTreeMap<Place, Due>,
    /// Before which instant a Service is not looked at again.
    rest: BTreeMap<Place, Instant>,
    failures: BTreeMap<Place, u32>,
}

impl Queue {
    pub(super) fn add(&mut self, place: Place, trigger: Option<&str>) {
        let due = self.due.entry(place).or_default();
        let trigger = trigger.filter(|trigger| !trigger.is_empty());
        if let Some(trigger) = trigger
            && due.trigger.as_deref().is_none_or(|other| trigger < other)
        {
            due.trigger = Some(trigger.to_owned());
        }
    }

    pub(super) fn service_gone(&mut self, place: Place) {
        self.due.entry(place).or_default().gone = true;
    }

    /// When the next Service may be looked at.
    pub(super) fn due_at(&self, now: Instant) -> Option<Instant> {
        // At the start all Services are due: nobody looks through them each time.
        if self.due.len() > self.rest.len() {
            return Some(now);
        }
        let all = self.due.keys();
        all.map(|place| self.rest.get(place).copied().unwrap_or(now))
            .min()
    }

    /// A Service that is due now.
    pub(super) fn take(&mut self, now: Instant) -> Option<(Place, Due)> {
        self.rest
            .retain(|place, until| *until > now || self.failures.contains_key(place));
        let is_due = |place: &&Place| self.rest.get(*place).is_none_or(|until| *until <= now);
        let place = self.due.keys().find(is_due)?.clone();
        self.due.remove_entry(&place)
    }

    pub(super) fn done(&mut self, place: &Place, now: Instant, rest: Duration) {
        self.failures.remove(place);
        if rest.is_zero() {
            self.rest.remove(place);
        } else {
            self.rest.insert(place.clone(), now + rest);
        }
    }

    pub(super) fn failed(&mut self, place: Place, now: Instant, due: Due) {
        let failures = self.failures.entry(place.clone()).or_default();
        let wait = RETRY_INTERVAL * 2_u32.saturating_pow(*failures);
        *failures = failures.saturating_add(1).min(16);
        self.rest.insert(place.clone(), now + wait.min(RETRY_MAX));
        if due.gone {
            self.service_gone(place.clone());
        }
        self.add(place, due.trigger.as_deref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> Place {
        ("n".into(), name.into())
    }

    #[test]
    fn a_service_is_due_once_and_with_its_earliest_change() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.add(place("a"), None);
        queue.add(place("a"), Some("2026-01-02T00:00:00Z"));
        queue.add(place("a"), Some("2026-01-01T00:00:00Z"));
        queue.add(place("a"), Some(""));
        let (_, due) = queue.take(now).unwrap();
        assert_eq!(due.trigger.as_deref(), Some("2026-01-01T00:00:00Z"));
        assert_eq!((queue.take(now), queue.due_at(now)), (None, None));
    }

    #[test]
    fn who_rests_lets_others_go_first_and_is_not_forgotten() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.done(&place("a"), now, Duration::from_secs(1));
        queue.add(place("a"), None);
        queue.add(place("b"), None);
        assert_eq!(queue.take(now).unwrap().0, place("b"));
        assert_eq!(queue.take(now), None);
        let later = queue.due_at(now).unwrap();
        assert_eq!(later - now, Duration::from_secs(1));
        assert_eq!(queue.take(later).unwrap().0, place("a"));
        assert!(queue.rest.is_empty());
    }

    #[test]
    fn who_failed_waits_longer_each_time() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        queue.service_gone(place("a"));
        let mut now = start;
        for _ in 0..5 {
            now = queue.due_at(now).unwrap();
            let (place, due) = queue.take(now).unwrap();
            assert!(due.gone);
            queue.failed(place, now, due);
        }
        assert_eq!((now - start).as_secs(), 1 + 2 + 4 + 8);
    }
}
