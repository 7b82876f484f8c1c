//! What the kernel counts for a process: CPU time, resident memory, bytes sent to the disk.

use std::fs;
use std::ops::Sub;

use anyhow::{Context, Result};

/// Counters of one process, or the sum over several.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    /// CPU time of all living threads, in seconds.
    pub(crate) cpu_s: f64,
    /// Bytes the process caused to be written to the block device.
    pub(crate) written: u64,
}

impl Counters {
    /// Reads the counters of these processes and adds them up.
    pub(crate) fn read(pids: &[u32]) -> Result<Self> {
        let mut sum = Self::default();
        for pid in pids {
            sum.cpu_s += cpu_seconds(*pid)?;
            sum.written += field(&format!("/proc/{pid}/io"), "write_bytes:")?;
        }
        Ok(sum)
    }
}

impl Sub for Counters {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            cpu_s: self.cpu_s - earlier.cpu_s,
            written: self.written.saturating_sub(earlier.written),
        }
    }
}

/// user + system time of a process, in seconds.
///
/// `/proc/PID/stat` counts ticks of 10 ms; `schedstat` counts nanoseconds for each thread,
/// but forgets threads that have ended. No peer ends threads under load, so the finer one
/// is used, and never less than the coarse one says.
fn cpu_seconds(pid: u32) -> Result<f64> {
    let mut nanoseconds = 0_u64;
    let tasks = format!("/proc/{pid}/task");
    for task in fs::read_dir(&tasks).with_context(|| format!("read {tasks}"))? {
        let path = task?.path().join("schedstat");
        // A thread may end between the listing and the look.
        let text = fs::read_to_string(path).unwrap_or_default();
        let first = text.split_whitespace().next().unwrap_or("0");
        nanoseconds += first.parse::<u64>().unwrap_or(0);
    }
    let fine = nanoseconds as f64 / 1e9;
    Ok(fine.max(ticks(pid)? as f64 / TICKS_PER_SECOND - 1.0 / TICKS_PER_SECOND))
}

/// `USER_HZ`, which Linux fixes at 100 for user space.
const TICKS_PER_SECOND: f64 = 100.0;

fn ticks(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    // The second field is the name in parentheses and may hold spaces; utime and stime are
    // the 14th and 15th, the 12th and 13th after it.
    let after = text.rsplit_once(')').context("a stat line has a name")?.1;
    let fields: Vec<_> = after.split_whitespace().collect();
    let number = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok());
    Ok(number(11).context("utime")? + number(12).context("stime")?)
}

fn field(path: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .with_context(|| format!("no {name} in {path}"))
}

/// Resident memory now and at its peak, in bytes: the largest among these processes.
pub(crate) fn memory(pids: &[u32]) -> Result<(u64, u64)> {
    let mut largest = (0, 0);
    for pid in pids {
        let path = format!("/proc/{pid}/status");
        largest.0 = largest.0.max(field(&path, "VmRSS:")? * 1024);
        largest.1 = largest.1.max(field(&path, "VmHWM:")? * 1024);
    }
    Ok(largest)
}

/// Lets the peaks of these processes start again from what is resident now.
pub(crate) fn forget_peaks(pids: &[u32]) -> Result<()> {
    for pid in pids {
        let path = format!("/proc/{pid}/clear_refs");
        fs::write(&path, "5").with_context(|| format!("write {path}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_counters_can_be_read_and_only_grow() {
        let own = [std::process::id()];
        let before = Counters::read(&own).unwrap();
        let mut sum = 0_u64;
        for n in 0..20_000_000_u64 {
            sum = std::hint::black_box(sum.wrapping_add(n));
        }
        let spent = Counters::read(&own).unwrap() - before;
        assert!(spent.cpu_s > 0.0, "{spent:?}");
        let (now, peak) = memory(&own).unwrap();
        assert!(now > 0 && peak >= now);
    }
}
