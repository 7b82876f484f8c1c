//! Counts operations and their latencies in a window of time that begins after a warm-up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::task::JoinHandle;

use crate::process::{self, Counters};

/// How long the load runs before anything is counted.
pub(crate) const WARM_UP: Duration = Duration::from_millis(700);

// 0, the value it starts with, is the warm-up.
const COUNTING: u8 = 1;
const OVER: u8 = 2;

/// Tells the load's tasks what is going on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Phase(Arc<AtomicU8>);

impl Phase {
    pub(crate) fn over(&self) -> bool {
        self.0.load(Ordering::Relaxed) == OVER
    }

    fn counting(&self) -> bool {
        self.0.load(Ordering::Relaxed) == COUNTING
    }
}

/// What one task of the load has counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    latencies_us: Vec<u32>,
    operations: u64,
    failures: u64,
    first_failure: Option<String>,
}

impl Tally {
    /// Counts `operations` that were begun together at `start` and are done now.
    pub(crate) fn done(&mut self, phase: &Phase, start: Instant, operations: u64) {
        if phase.counting() {
            let took = u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX);
            self.latencies_us.push(took);
            self.operations += operations;
        }
    }

    /// What a client has that could not begin.
    pub(crate) fn nothing_but(error: &dyn std::fmt::Display) -> Self {
        let mut tally = Self::default();
        tally.failed(error);
        tally
    }

    /// Counts a failure.
    pub(crate) fn failed(&mut self, error: &dyn std::fmt::Display) {
        self.failures += 1;
        self.first_failure.get_or_insert_with(|| error.to_string());
    }
}

/// What one workload cost and gave on one peer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) operations: u64,
    pub(crate) failures: u64,
    pub(crate) first_failure: Option<String>,
    pub(crate) operations_per_s: f64,
    pub(crate) p50_us: u32,
    pub(crate) p99_us: u32,
    pub(crate) max_us: u32,
    /// CPU seconds of all members for 1,000 operations.
    pub(crate) cpu_s_per_1000: f64,
    /// CPU seconds of the driver itself for 1,000 operations.
    pub(crate) driver_cpu_s_per_1000: f64,
    /// Bytes written by all members for one operation.
    pub(crate) written_per_operation: f64,
    /// The largest peak of resident memory among the members during this workload.
    pub(crate) peak_rss: u64,
}

/// Runs `tasks` through warm-up and window, and reads the members' counters at its ends.
pub(crate) async fn measure(
    phase: Phase,
    tasks: Vec<JoinHandle<Tally>>,
    window: Duration,
    pids: &[u32],
) -> Result<Measured> {
    let own = [std::process::id()];
    process::forget_peaks(pids)?;
    // Warm-up and window are spans of time by intent.
    tokio::time::sleep(WARM_UP).await;
    let (before, own_before) = (Counters::read(pids)?, Counters::read(&own)?);
    let start = Instant::now();
    phase.0.store(COUNTING, Ordering::Relaxed);
    tokio::time::sleep(window).await;
    phase.0.store(OVER, Ordering::Relaxed);
    let seconds = start.elapsed().as_secs_f64();
    let spent = Counters::read(pids)? - before;
    let own_spent = Counters::read(&own)? - own_before;

    let mut sum = Tally::default();
    for task in tasks {
        let tally = task.await.context("a task of the load panicked")?;
        sum.latencies_us.extend(tally.latencies_us);
        sum.operations += tally.operations;
        sum.failures += tally.failures;
        sum.first_failure = sum.first_failure.or(tally.first_failure);
    }
    sum.latencies_us.sort_unstable();
    let thousands = (sum.operations as f64 / 1000.0).max(f64::MIN_POSITIVE);
    Ok(Measured {
        operations: sum.operations,
        failures: sum.failures,
        first_failure: sum.first_failure,
        operations_per_s: sum.operations as f64 / seconds,
        p50_us: percentile(&sum.latencies_us, 0.50),
        p99_us: percentile(&sum.latencies_us, 0.99),
        max_us: sum.latencies_us.last().copied().unwrap_or(0),
        cpu_s_per_1000: spent.cpu_s / thousands,
        driver_cpu_s_per_1000: own_spent.cpu_s / thousands,
        written_per_operation: spent.written as f64 / (thousands * 1000.0),
        peak_rss: process::memory(pids)?.1,
    })
}

/// The value that this share of the sorted values does not exceed (nearest rank).
pub(crate) fn percentile(sorted: &[u32], share: f64) -> u32 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_nearest_ranks() {
        let hundred: Vec<u32> = (1..=100).collect();
        assert_eq!(percentile(&hundred, 0.50), 50);
        assert_eq!(percentile(&hundred, 0.99), 99);
        assert_eq!(percentile(&[7], 0.99), 7);
        assert_eq!(percentile(&[], 0.99), 0);
    }
}
