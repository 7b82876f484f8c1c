//! The time that certificates are made for and checked against, on boxes without a clock of
//! their own.
//!
//! A board without a battery wakes in 1970. Two rules make its certificates good everywhere:
//! every certificate is valid from 1970-01-01 on, so that no clock finds it "not yet valid" (its
//! start says nothing worth knowing: nobody can hold a certificate before it is made); and ends
//! are counted from this clock, which never reads earlier than [`CLOCK_FLOOR`], nor, while the
//! system's clock is plainly unset, earlier than the newest certificate this node has made or
//! the time a cluster it joined told it, nor the time its data directory has kept; from there it
//! goes on by the time that passes. A system clock past the floor is believed as it is, so
//! that a clock that once ran ahead leaves nothing behind.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rustls::time_provider::TimeProvider;
use rustls_pki_types::UnixTime;

/// 2026-01-01T00:00:00Z in Unix seconds: no running copy of this program is older.
pub const CLOCK_FLOOR: u64 = 1_767_225_600;

/// Wall-clock time with a floor.
pub struct Clock {
    system: Box<dyn Fn() -> u64 + Send + Sync>,
    /// What was witnessed, less the time from `started` to that.
    evidence: AtomicU64,
    evidence_max: AtomicU64,
    started: Instant,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Clock {
        Clock::reading(|| {
            // A clock set before 1970 reads as 1970: the floor takes over from there.
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs())
        })
    }

    /// A clock that reads its Unix seconds from `system`.
    pub fn reading(system: impl Fn() -> u64 + Send + Sync + 'static) -> Clock {
        Clock {
            system: Box::new(system),
            evidence: AtomicU64::new(CLOCK_FLOOR),
            evidence_max: AtomicU64::new(u64::MAX),
            started: Instant::now(),
        }
    }

    /// Seconds since 1970, never before [`CLOCK_FLOOR`].
    pub fn now(&self) -> u64 {
        let system = (self.system)();
        if system >= CLOCK_FLOOR {
            system
        } else {
            let evidence = self.evidence.load(Ordering::Relaxed);
            let max = self.evidence_max.load(Ordering::Relaxed);
            evidence.min(max).max(CLOCK_FLOOR) + self.started.elapsed().as_secs()
        }
    }

    /// What the system's clock reads, whether it is to be believed or not.
    pub fn system_now(&self) -> u64 {
        (self.system)()
    }

    /// Evidence of a later time than this, in Unix seconds, is of a clock that ran ahead.
    pub(crate) fn believe_up_to(&self, seconds: u64) {
        self.evidence_max.store(seconds, Ordering::Relaxed);
    }

    /// Whether the system's clock is one to believe.
    pub fn is_set(&self) -> bool {
        (self.system)() >= CLOCK_FLOOR
    }

    /// Something trustworthy happened at `seconds`: it is not earlier than that now.
    pub fn witness(&self, seconds: u64) {
        let at_start = seconds.saturating_sub(self.started.elapsed().as_secs());
        self.evidence.fetch_max(at_start, Ordering::Relaxed);
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("now", &self.now()).finish()
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
            self.now(),
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_in_1970_reads_what_the_node_has_witnessed_instead() {
        let clock = Clock::reading(|| 17);
        assert_eq!(clock.now(), CLOCK_FLOOR);
        assert!(!clock.is_set());
        clock.witness(CLOCK_FLOOR + 100);
        clock.witness(CLOCK_FLOOR + 50);
        assert_eq!(clock.now(), CLOCK_FLOOR + 100);
    }

    #[test]
    fn evidence_of_a_time_behind_the_end_of_the_authorities_is_not_believed() {
        let clock = Clock::reading(|| 17);
        clock.witness(CLOCK_FLOOR + 1_000_000);
        clock.believe_up_to(CLOCK_FLOOR + 1_000);
        assert!((CLOCK_FLOOR + 1_000..CLOCK_FLOOR + 1_060).contains(&clock.now()));
        clock.believe_up_to(0);
        assert!((CLOCK_FLOOR..CLOCK_FLOOR + 60).contains(&clock.now()));
    }

    #[test]
    fn a_clock_that_is_set_is_believed_whatever_was_witnessed() {
        let clock = Clock::reading(|| CLOCK_FLOOR + 10);
        clock.witness(CLOCK_FLOOR + 1_000_000);
        assert_eq!(clock.now(), CLOCK_FLOOR + 10);
        assert!(clock.is_set());
    }
}
