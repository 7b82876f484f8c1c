//! How long to wait before what failed for a member is tried again: twice as long each time.
//!
//! Knows no clock: it is told the time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::limits::{SNAPSHOT_PAUSE_MAX, SNAPSHOT_PAUSE_MIN};

/// When the next attempt may begin, by member.
#[derive(Debug, Default)]
pub(crate) struct Retries {
    /// Members that are no more stay: ids are few, and never reused.
    after: HashMap<u64, (Instant, Duration)>,
}

impl Retries {
    /// Time that must pass before the next attempt.
    pub(crate) fn pause(&self, member: u64, now: Instant) -> Duration {
        let after = self.after.get(&member);
        after.map_or(Duration::ZERO, |(at, _)| at.saturating_duration_since(now))
    }

    pub(crate) fn failed(&mut self, member: u64, now: Instant) {
        let last = self.after.get(&member).map(|(_, pause)| *pause * 2);
        let pause = last.unwrap_or(SNAPSHOT_PAUSE_MIN).min(SNAPSHOT_PAUSE_MAX);
        self.after.insert(member, (now + pause, pause));
    }

    pub(crate) fn succeeded(&mut self, member: u64) {
        self.after.remove(&member);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_doubles_the_pause_up_to_a_limit_and_success_ends_it() {
        let mut retries = Retries::default();
        let now = Instant::now();
        assert!(retries.pause(2, now).is_zero());
        let mut pauses = Vec::new();
        for _ in 0..10 {
            retries.failed(2, now);
            pauses.push(retries.pause(2, now));
        }
        assert_eq!(pauses[0], SNAPSHOT_PAUSE_MIN);
        assert_eq!(pauses[1], SNAPSHOT_PAUSE_MIN * 2);
        assert_eq!(pauses[9], SNAPSHOT_PAUSE_MAX);
        assert!(retries.pause(2, now + SNAPSHOT_PAUSE_MAX).is_zero());
        assert!(retries.pause(3, now).is_zero());
        retries.succeeded(2);
        assert!(retries.pause(2, now).is_zero());
    }
}
