//! Keeps to a schedule by a clock that may be set, and set again.
//!
//! Pure: it is told the time of the clock and the time that has truly passed. Invariant: whatever
//! the clock does, two snapshots lie at least half as far apart as the nearest two of the schedule,
//! and the next one comes after one and a half times as long as it was off when the last one came.

use std::time::Duration;

use crate::Schedule;

/// What is waited longer for a clock that was set back or stands still.
const PATIENCE: u64 = 60;

/// How many of a schedule's moments are looked at for the nearest two.
const MOMENTS: usize = 64;

/// See the module.
#[derive(Debug)]
pub struct Timer {
    schedule: Schedule,
    /// When the last one was due, or this began: by the time that truly passes.
    last: Duration,
    /// How far off the next one was then, in seconds.
    wait: u64,
    /// When the next one is due by the clock.
    next: u64,
    /// How much time must truly have passed, in seconds.
    least: u64,
    /// Half of what lies between the nearest two.
    apart: u64,
}

impl Timer {
    /// Begins. `now`: Unix seconds of the clock; `passed`: since any one moment, never set.
    pub fn new(schedule: Schedule, now: u64, passed: Duration) -> Timer {
        let next = schedule.next(now);
        let wait = next.saturating_sub(now);
        let moments = std::iter::successors(Some(next), |last| Some(schedule.next(*last)));
        let moments: Vec<u64> = moments.take(MOMENTS).collect();
        let apart = moments.windows(2).map(|pair| pair[1] - pair[0]).min();
        let apart = apart.unwrap_or_default() / 2;
        Timer {
            schedule,
            last: passed,
            wait,
            next,
            least: apart.min(wait / 2),
            apart,
        }
    }

    /// When the next one is due by the clock, in Unix seconds.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Whether one is due now.
    pub fn is_due(&mut self, now: u64, passed: Duration) -> bool {
        let waited = passed.saturating_sub(self.last).as_secs();
        let is_overdue = waited
            >= (self.wait / 2)
                .saturating_add(self.wait)
                .saturating_add(PATIENCE);
        if !is_overdue && now < self.next {
            // A clock that was set back would have it wait for what lies far ahead.
            self.next = self.next.min(self.schedule.next(now));
            return false;
        }
        self.next = self.schedule.next(now);
        if !is_overdue && waited < self.least {
            // The clock was set forward.
            return false;
        }
        self.last = passed;
        self.wait = self.next.saturating_sub(now);
        self.least = self.apart;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;
    /// Noon.
    const START: u64 = 1_795_392_000 + 12 * HOUR;

    /// Looks every ten seconds; says after how many seconds one was due.
    fn due(clock: impl Fn(u64) -> u64, seconds: u64) -> Vec<u64> {
        let schedule = "0 */12 * * *".parse().unwrap();
        let mut timer = Timer::new(schedule, clock(0), Duration::ZERO);
        let looks = (0..=seconds).step_by(10);
        looks
            .filter(|passed| timer.is_due(clock(*passed), Duration::from_secs(*passed)))
            .collect()
    }

    #[test]
    fn by_a_clock_that_goes_as_it_should_each_one_comes_once() {
        let hours = [12, 24, 36, 48].map(|hours| hours * HOUR);
        assert_eq!(due(|passed| START + passed, 50 * HOUR), hours);
        // Begun a little before one.
        assert_eq!(due(|passed| START - 20 + passed, HOUR), [20]);
    }

    #[test]
    fn a_clock_that_is_set_forward_makes_no_more_of_them() {
        let years = 20 * 365 * 24 * HOUR;
        let set = |passed| START + passed + if passed > 600 { years } else { 0 };
        assert_eq!(due(set, 13 * HOUR), [12 * HOUR]);
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_stop_them() {
        let years = 20 * 365 * 24 * HOUR;
        let set = |passed| START + years + passed - if passed > 600 { years } else { 0 };
        assert_eq!(due(set, 25 * HOUR), [12 * HOUR, 24 * HOUR]);
        // Back by a second, at every one of them: not twice.
        let second = |passed: u64| START + passed - passed / (12 * HOUR + 5);
        assert_eq!(due(second, 25 * HOUR).len(), 2);
    }

    #[test]
    fn a_clock_that_stands_still_or_jumps_about_makes_neither_none_nor_many() {
        let still = due(|_| START + 1, 100 * HOUR);
        assert!((5..=8).contains(&still.len()), "{still:?}");
        let jumping = |passed: u64| match passed / 10 % 2 {
            0 => START + passed,
            _ => START + passed + 900 * 24 * HOUR + 7 * HOUR,
        };
        let many = due(jumping, 100 * HOUR);
        assert!((5..=18).contains(&many.len()), "{many:?}");
    }
}
