//! How worn the flash is by this server: what it has written in its life, and for how many days more
//! the medium is good at the rate of the last hours.
//!
//! Knows nothing about who writes: that is counted by `skerry_metrics::wear`. What was written is
//! kept in `<data-dir>/flash.json`, which is written once an hour and at the end. Invariant: a crash
//! forgets at most an hour; what cannot be read counts as nothing.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use skerry_metrics::wear::Written;

use crate::gauges::{self, Gauge};

/// Between two looks at what was written: with those at the peers, so that no more timers fire.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// Hours whose rate is looked at.
const HOURS_MAX: usize = 24;
/// Before the first is over, a rate is made of no less time than this.
const RATE_TIME_MIN: Duration = Duration::from_secs(600);
/// Longest file that is read.
const FILE_BYTES_MAX: u64 = 64 << 10;

const WRITTEN: Gauge = Gauge {
    name: "skerry_flash_written_bytes",
    help: "Bytes that this server has written to its disk in its life.",
};
const LEFT: Gauge = Gauge {
    name: "skerry_flash_left_days",
    help: "Days for which --flash-endurance-tbw is good at the rate of the last hours.",
};

/// What the file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// Bytes written until the end of the last hour.
    written: u64,
    /// Bytes of each of the last hours that the server ran, the newest last.
    hours: VecDeque<u64>,
}

/// One life of the server.
#[derive(Debug)]
struct Life {
    kept: Kept,
    /// Bytes of this process that `kept` holds.
    counted: u64,
    /// When the hour began that is not over.
    hour: Instant,
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Flash {
    path: PathBuf,
    endurance: Option<u64>,
    life: Arc<Mutex<Life>>,
}

/// What is known of the wear.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Wear {
    /// Bytes written in the server's life.
    pub(crate) written: u64,
    /// At the rate of the last hours.
    pub(crate) bytes_per_day: Option<f64>,
    /// Where an endurance was given, and a rate is known or nothing is left.
    pub(crate) days_left: Option<f64>,
}

impl Flash {
    /// What is known of the flash under a data directory that is good for so many bytes.
    pub(crate) fn of(data_dir: &Path, endurance: Option<u64>) -> Flash {
        let path = data_dir.join("flash.json");
        let life = Life {
            kept: load(&path),
            counted: 0,
            hour: Instant::now(),
        };
        Flash {
            path,
            endurance,
            life: Arc::new(Mutex::new(life)),
        }
    }

    /// Keeps gauges and file for as long as it is polled.
    pub(crate) async fn run(&self) {
        let mut tick = tokio::time::interval(LOOK_INTERVAL);
        loop {
            tick.tick().await;
            let wear = self.wear();
            gauges::set(&WRITTEN, &[], wear.written as f64);
            if let Some(days) = wear.days_left {
                gauges::set(&LEFT, &[], days);
            }
            if self.life().end_hour(Written::now().bytes(), Instant::now()) {
                self.keep();
            }
        }
    }

    /// As it is now.
    pub(crate) fn wear(&self) -> Wear {
        let bytes = Written::now().bytes();
        self.life().wear(bytes, self.endurance, Instant::now())
    }

    /// Writes the file, with all that was written until now.
    pub(crate) fn keep(&self) {
        let kept = self.life().kept_at(Written::now().bytes());
        if let Err(error) = save(&self.path, &kept) {
            tracing::debug!(%error, "what was written to the flash is not kept");
        }
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Life {
    fn wear(&self, bytes: u64, endurance: Option<u64>, now: Instant) -> Wear {
        let current = bytes.saturating_sub(self.counted);
        let written = self.kept.written.saturating_add(current);
        let hours = u32::try_from(self.kept.hours.len()).unwrap_or(u32::MAX);
        let time = HOUR * hours + now.duration_since(self.hour);
        let within = self.kept.hours.iter().sum::<u64>() + current;
        let bytes_per_day = (time >= RATE_TIME_MIN)
            .then(|| within as f64 / time.as_secs_f64() * 86_400.0)
            .filter(|rate| *rate > 0.0);
        let days_left = endurance.and_then(|endurance| match endurance.saturating_sub(written) {
            0 => Some(0.0),
            left => Some(left as f64 / bytes_per_day?),
        });
        Wear {
            written,
            bytes_per_day,
            days_left,
        }
    }

    /// Begins another hour where one is over.
    fn end_hour(&mut self, bytes: u64, now: Instant) -> bool {
        if now.duration_since(self.hour) < HOUR {
            return false;
        }
        let within = bytes.saturating_sub(self.counted);
        self.kept.written = self.kept.written.saturating_add(within);
        self.kept.hours.push_back(within);
        if self.kept.hours.len() > HOURS_MAX {
            self.kept.hours.pop_front();
        }
        self.counted = bytes;
        self.hour = now;
        true
    }

    /// What a next life has to know.
    fn kept_at(&self, bytes: u64) -> Kept {
        let mut kept = self.kept.clone();
        let current = bytes.saturating_sub(self.counted);
        kept.written = kept.written.saturating_add(current);
        kept
    }
}

fn load(path: &Path) -> Kept {
    let is_short = fs::metadata(path).is_ok_and(|about| about.len() <= FILE_BYTES_MAX);
    let text = match is_short {
        true => fs::read(path).unwrap_or_default(),
        false => Vec::new(),
    };
    let mut kept: Kept = serde_json::from_slice(&text).unwrap_or_default();
    kept.hours.truncate(HOURS_MAX);
    kept
}

fn save(path: &Path, kept: &Kept) -> io::Result<()> {
    let new = path.with_extension("json.new");
    let mut options = fs::OpenOptions::new();
    let options = options.create(true).write(true).truncate(true).mode(0o600);
    let mut file = options.open(&new)?;
    file.write_all(&serde_json::to_vec(kept)?)?;
    file.sync_data()?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life() -> Life {
        Life {
            kept: Kept::default(),
            counted: 0,
            hour: Instant::now(),
        }
    }

    #[test]
    fn days_left_are_reckoned_at_the_rate_of_the_last_hours() {
        let mut life = life();
        let mut now = life.hour + Duration::from_secs(60);
        assert_eq!(life.wear(1 << 20, Some(1 << 30), now).days_left, None);
        for hour in 1..=30 {
            now += HOUR;
            assert!(life.end_hour(hour * 1000, now));
        }
        assert!(!life.end_hour(31_000, now + Duration::from_secs(1)));
        assert_eq!(life.kept.hours.len(), HOURS_MAX);
        let wear = life.wear(30_000, Some(30_000 + 240_000), now);
        assert_eq!(wear.written, 30_000);
        assert!((wear.bytes_per_day.unwrap() - 24_000.0).abs() < 1.0);
        assert!((wear.days_left.unwrap() - 10.0).abs() < 0.01);
        assert_eq!(life.wear(30_000, Some(30_000), now).days_left, Some(0.0));
        assert_eq!(life.wear(30_000, None, now).days_left, None);
    }

    #[test]
    fn what_was_written_is_known_after_a_restart_and_nonsense_counts_as_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flash.json");
        assert_eq!(load(&path), Kept::default());
        let mut life = life();
        life.end_hour(5000, life.hour + HOUR);
        save(&path, &life.kept_at(7000)).unwrap();
        let kept = load(&path);
        assert_eq!((kept.written, kept.hours.len()), (7000, 1));
        fs::write(&path, "{\"written\": -1}").unwrap();
        assert_eq!(load(&path), Kept::default());
        fs::write(&path, vec![b' '; 1 + FILE_BYTES_MAX as usize]).unwrap();
        assert_eq!(load(&path), Kept::default());
    }
}
