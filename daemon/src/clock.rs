//! The time for certificates, and what is kept of it for a start without a clock: the file
//! `<data-dir>/clock`, Unix seconds in text.
//!
//! Knows nothing about certificates. Invariant: only a clock that is set is kept; what is kept is
//! used only while the system's clock is not set.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use skerry_pki::Clock;
use skerry_token::time::rfc3339;

/// Written no more often than this: a small file, and no wait for the disk.
const KEEP_INTERVAL: Duration = Duration::from_secs(3600);
/// A clock that is off by this much from the time that has passed was set.
const STEP_MIN: Duration = Duration::from_secs(60);
/// For tests: a file with the seconds by which the system's clock is off; read at each look.
const OFFSET_FILE: &str = "SKERRY_TEST_CLOCK_OFFSET_FILE";

/// The clock of a data directory.
pub(crate) fn of(data_dir: &Path) -> Clock {
    let clock = match std::env::var_os(OFFSET_FILE) {
        None => Clock::system(),
        Some(file) => {
            let (file, system) = (PathBuf::from(file), Clock::system());
            Clock::reading(move || {
                let text = std::fs::read_to_string(&file).unwrap_or_default();
                let offset = text.trim().parse().unwrap_or(0);
                system.system_now().saturating_add_signed(offset)
            })
        }
    };
    let kept = std::fs::read_to_string(data_dir.join("clock")).unwrap_or_default();
    if let Ok(seconds) = kept.trim().parse() {
        clock.witness(seconds);
    }
    clock
}

/// What a look at the clock has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// It goes on as it should.
    Steady,
    /// It was set, or set again.
    Set,
    /// It is not set: what is kept stands in for it.
    Unset,
}

/// Keeps the time, and says when the clock was set.
pub(crate) struct Keeper<'a> {
    clock: &'a Clock,
    file: PathBuf,
    last: Option<(Instant, u64)>,
    kept: Option<Instant>,
}

impl<'a> Keeper<'a> {
    pub(crate) fn new(clock: &'a Clock, data_dir: &Path) -> Keeper<'a> {
        Keeper {
            clock,
            file: data_dir.join("clock"),
            last: None,
            kept: None,
        }
    }

    /// To be called every few seconds.
    pub(crate) fn look(&mut self) -> Look {
        let (at, reads) = (Instant::now(), self.clock.system_now());
        let last = self.last.replace((at, reads));
        let is_step = last.is_some_and(|(then, read)| {
            let expected = read.saturating_add(at.duration_since(then).as_secs());
            expected.abs_diff(reads) > STEP_MIN.as_secs()
        });
        if !self.clock.is_set() {
            if last.is_none() || is_step {
                tracing::warn!(
                    system = rfc3339(signed(reads)),
                    used = rfc3339(signed(self.clock.now())),
                    "the system's clock is not set: for certificates the time kept in the data \
                     directory is used until it is"
                );
            }
            return Look::Unset;
        }
        if is_step {
            let now = rfc3339(signed(reads));
            tracing::warn!(now, "the system's clock was set; certificates follow it");
        }
        if is_step || self.kept.is_none_or(|kept| kept.elapsed() >= KEEP_INTERVAL) {
            self.keep(reads);
        }
        match is_step {
            true => Look::Set,
            false => Look::Steady,
        }
    }

    /// A power cut leaves the old file, the new one, or one that is not read.
    fn keep(&mut self, seconds: u64) {
        let beside = self.file.with_extension("new");
        let written = std::fs::write(&beside, format!("{seconds}\n"))
            .and_then(|()| std::fs::rename(&beside, &self.file));
        if let Err(error) = written {
            tracing::warn!(path = %self.file.display(), %error, "the time could not be kept");
        }
        self.kept = Some(Instant::now());
    }
}

fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use skerry_pki::CLOCK_FLOOR;

    use super::*;

    #[test]
    fn a_clock_that_is_set_is_seen_and_kept_for_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let reads = Arc::new(AtomicU64::new(5));
        let system = Arc::clone(&reads);
        let clock = Clock::reading(move || system.load(Ordering::Relaxed));
        let mut keeper = Keeper::new(&clock, folder.path());
        assert_eq!(keeper.look(), Look::Unset);
        assert!(!folder.path().join("clock").exists());
        let later = CLOCK_FLOOR + 1_000_000;
        reads.store(later, Ordering::Relaxed);
        assert_eq!(keeper.look(), Look::Set);
        assert_eq!(keeper.look(), Look::Steady);
        let kept = std::fs::read_to_string(folder.path().join("clock")).unwrap();
        assert_eq!(kept, format!("{later}\n"));
        reads.store(later - 10_000, Ordering::Relaxed);
        assert_eq!(keeper.look(), Look::Set);
    }
}
