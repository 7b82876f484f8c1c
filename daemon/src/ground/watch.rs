//! Looks at the ground while the server runs, and tells of what has changed since.
//!
//! What it has found is of the process as a whole, which has one data directory.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Grade, Row, look};

/// Between two looks: with those at the clock, so that no more timers fire.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// How long a server serves reads that can write nothing: then a restart, with its check of the
/// file system, is the only help left.
const READ_ONLY_TIME_MAX: Duration = Duration::from_secs(300);
/// The same in periods of the watchdog, where there is one.
const READ_ONLY_PERIODS: u32 = 10;
/// What clients are told whose writes are refused.
pub(crate) const READ_ONLY: &str =
    "skerry: the file system of the data directory is read-only: reads are served, writes are not";

/// Since when nothing can be written.
static SINCE: Mutex<Option<Instant>> = Mutex::new(None);

fn since() -> Option<Instant> {
    *SINCE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why no write is taken now, if none is.
pub(crate) fn refusal() -> Option<&'static str> {
    since().map(|_| READ_ONLY)
}

/// Whether a watchdog of that period is still fed: not for long where nothing can be written.
pub(crate) fn watchdog_may_be_fed(period: Duration) -> bool {
    since().is_none_or(|since| since.elapsed() < period * READ_ONLY_PERIODS)
}

/// Returns once a server whose datastore has failed shall end: at once, but where the ground is the
/// reason, and reads can still be served, for as long as they are.
pub(crate) async fn outlives(data_dir: &Path) {
    let folder = data_dir.to_owned();
    let look = tokio::task::spawn_blocking(move || look(&folder)).await;
    if look.is_ok_and(|rows| is_read_only(&rows)) {
        tracing::error!("{READ_ONLY}, for {} s", READ_ONLY_TIME_MAX.as_secs());
        tokio::time::sleep(READ_ONLY_TIME_MAX).await;
    }
}

/// Looks for as long as it is polled; never returns.
pub(crate) async fn watch(data_dir: &Path) {
    let mut before: Option<Vec<Row>> = None;
    let mut ticks = tokio::time::interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let folder = data_dir.to_owned();
        let Ok(rows) = tokio::task::spawn_blocking(move || look(&folder)).await else {
            continue;
        };
        // What it was at the start is told already.
        if let Some(before) = &before {
            for row in changed(before, &rows) {
                match row.grade {
                    Grade::Good => tracing::info!("{}: {}, well again", row.what, row.found),
                    Grade::Warning => tracing::warn!("{}: {}", row.what, row.found),
                    Grade::Failure => tracing::error!("{}: {}", row.what, row.found),
                }
            }
        }
        note(is_read_only(&rows));
        before = Some(rows);
    }
}

fn note(read_only: bool) {
    let mut since = SINCE.lock().unwrap_or_else(PoisonError::into_inner);
    match (read_only, *since) {
        (true, None) => {
            *since = Some(Instant::now());
            tracing::error!("{READ_ONLY}");
        }
        (false, Some(_)) => {
            *since = None;
            tracing::info!("the data directory can be written again");
        }
        _ => {}
    }
}

fn is_read_only(rows: &[Row]) -> bool {
    let failed = |row: &Row| row.what == "filesystem" && row.grade == Grade::Failure;
    rows.iter().any(failed)
}

/// Those that are better or worse than they were.
fn changed<'a>(before: &[Row], now: &'a [Row]) -> Vec<&'a Row> {
    now.iter()
        .filter(|row| {
            let was = before.iter().find(|was| was.what == row.what);
            was.is_some_and(|was| was.grade != row.grade)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::row;
    use super::*;

    #[test]
    fn a_change_is_told_once_and_numbers_that_move_are_none() {
        let good = [row("free space", Grade::Good, "900 MiB")];
        let less = [row("free space", Grade::Good, "800 MiB")];
        let few = [row("free space", Grade::Warning, "100 MiB")];
        assert!(changed(&good, &less).is_empty());
        assert_eq!(changed(&less, &few), [&few[0]]);
        assert!(changed(&few, &few).is_empty());
        assert_eq!(changed(&few, &good), [&good[0]]);
    }

    #[test]
    fn only_a_file_system_that_takes_no_writes_is_read_only() {
        assert!(!is_read_only(&[row("free space", Grade::Failure, "none")]));
        assert!(!is_read_only(&[row("filesystem", Grade::Warning, "tmpfs")]));
        assert!(is_read_only(&[row("filesystem", Grade::Failure, "ext4")]));
    }
}
