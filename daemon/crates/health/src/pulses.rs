//! Whether counters move that must: the threads of a server, or its disk.
//!
//! Pure but for the lock. A look compares with the look before, however long ago that was; nobody
//! has to look regularly. Invariant: what has moved since the last look is alive.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// See the module.
pub struct Pulses<const COUNT: usize> {
    names: [&'static str; COUNT],
    still_max: Duration,
    /// The last value that was seen of each, and when it was new.
    seen: Mutex<[Option<(u64, Instant)>; COUNT]>,
}

impl<const COUNT: usize> Pulses<COUNT> {
    /// Counters of these names, each of which may stand still for so long.
    #[must_use]
    pub fn new(names: [&'static str; COUNT], still_max: Duration) -> Self {
        Pulses {
            names,
            still_max,
            seen: Mutex::new([None; COUNT]),
        }
    }

    /// Looks at the counters as they are now.
    ///
    /// # Errors
    /// The name of one that stands still for too long.
    pub fn look(&self, values: [u64; COUNT], now: Instant) -> Result<(), String> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for ((name, seen), value) in self.names.iter().zip(seen.iter_mut()).zip(values) {
            match seen {
                Some((before, since)) if *before == value => {
                    let still = now.saturating_duration_since(*since);
                    if still > self.still_max {
                        return Err(format!("{name} has made no step for {still:.0?}"));
                    }
                }
                _ => *seen = Some((value, now)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_still_for_too_long_is_told_until_it_moves() {
        let pulses = Pulses::new(["log", "store"], Duration::from_secs(10));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(pulses.look([1, 1], at(0)), Ok(()));
        assert_eq!(pulses.look([2, 1], at(9)), Ok(()));
        let stalled = pulses.look([3, 1], at(11)).unwrap_err();
        assert!(stalled.starts_with("store has made no step"), "{stalled}");
        assert_eq!(pulses.look([4, 2], at(12)), Ok(()));
    }

    #[test]
    fn nobody_has_to_look_often() {
        let pulses = Pulses::new(["log"], Duration::from_secs(10));
        let start = Instant::now();
        assert_eq!(pulses.look([1], start), Ok(()));
        assert_eq!(pulses.look([2], start + Duration::from_secs(3600)), Ok(()));
    }
}
