//! How many seats a level could have used lately.
//!
//! As upstream: the average over a period and its deviation, held up for a while after a peak.

use std::time::Duration;

use crate::limits::REBALANCE_INTERVAL;

/// What is left of a peak after [`REBALANCE_INTERVAL`]: half of it after five minutes.
const SMOOTHING: f64 = 0.977;

/// A number that changes, and its moments since the last look.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    last: Duration,
    now: f64,
    max: f64,
    seconds: f64,
    integral: f64,
    of_squares: f64,
    /// What the last looks have found.
    pub(crate) seen: Seen,
}

/// See [`Demand`].
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) high: f64,
    pub(crate) average: f64,
    pub(crate) deviation: f64,
    pub(crate) smoothed: f64,
}

impl Demand {
    /// It is so large from now on.
    pub(crate) fn set(&mut self, value: f64, now: Duration) {
        self.pass(now);
        self.now = value;
        self.max = self.max.max(value);
    }

    fn pass(&mut self, now: Duration) {
        let seconds = now.saturating_sub(self.last).as_secs_f64();
        self.last = self.last.max(now);
        self.seconds += seconds;
        self.integral += self.now * seconds;
        self.of_squares += self.now * self.now * seconds;
    }

    /// Ends a period.
    pub(crate) fn look(&mut self, now: Duration) {
        self.pass(now);
        self.seen.high = self.max.round();
        if self.seconds > 0.0 {
            let average = self.integral / self.seconds;
            let variance = self.of_squares / self.seconds - average * average;
            let deviation = variance.max(0.0).sqrt();
            let envelope = average + deviation;
            // Nobody looks while nothing happens.
            let periods = self.seconds / REBALANCE_INTERVAL.as_secs_f64();
            let left = SMOOTHING.powf(periods);
            let decayed = left * self.seen.smoothed + (1.0 - left) * envelope;
            self.seen = Seen {
                average,
                deviation,
                smoothed: envelope.max(decayed),
                ..self.seen
            };
        }
        (self.seconds, self.integral, self.of_squares) = (0.0, 0.0, 0.0);
        self.max = self.now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_forgotten_as_fast_however_seldom_somebody_looks() {
        let mut demand = Demand::default();
        demand.set(8.0, Duration::ZERO);
        demand.look(Duration::from_secs(10));
        demand.set(0.0, Duration::from_secs(10));
        demand.look(Duration::from_secs(310));
        assert!((3.5..4.5).contains(&demand.seen.smoothed));
    }

    #[test]
    fn a_peak_is_seen_at_once_and_forgotten_slowly() {
        let mut demand = Demand::default();
        let at = Duration::from_secs;
        demand.set(8.0, at(0));
        demand.set(0.0, at(5));
        demand.look(at(10));
        let seen = demand.seen;
        assert_eq!((seen.high, seen.average, seen.deviation), (8.0, 4.0, 4.0));
        assert_eq!(seen.smoothed, 8.0);
        demand.look(at(20));
        assert_eq!((demand.seen.high, demand.seen.average), (0.0, 0.0));
        assert!((7.0..8.0).contains(&demand.seen.smoothed));
        demand.look(at(20));
        assert!(demand.seen.smoothed > 7.0);
    }
}
