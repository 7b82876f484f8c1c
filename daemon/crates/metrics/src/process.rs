//! This process, as the kernel tells it: Prometheus's `process_*`.

use std::fs;

use crate::{Text, Type, wear};

/// Ticks of `/proc/PID/stat` in a second: `USER_HZ`, 100 on every Linux that Skerry runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Adds what can be read; what cannot is left out.
pub fn render(text: &mut Text) {
    wear::render(text);
    if let Some(stat) = fs::read_to_string("/proc/self/stat")
        .ok()
        .and_then(|stat| Stat::parse(&stat))
    {
        text.seconds(
            "process_cpu_seconds_total",
            Type::Counter,
            "Total user and system CPU time spent in seconds.",
            stat.cpu_ticks as f64 / TICKS_PER_SECOND,
        );
        text.gauge(
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes.",
            stat.virtual_bytes,
        );
        if let Some(boot) = boot_time() {
            text.seconds(
                "process_start_time_seconds",
                Type::Gauge,
                "Start time of the process since unix epoch in seconds.",
                boot as f64 + stat.start_ticks as f64 / TICKS_PER_SECOND,
            );
        }
    }
    if let Some(resident) = fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| resident_bytes(&status))
    {
        text.gauge(
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            resident,
        );
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        text.gauge(
            "process_open_fds",
            "Number of open file descriptors.",
            open.count() as u64,
        );
    }
    if let Some(limit) = fs::read_to_string("/proc/self/limits")
        .ok()
        .and_then(|limits| open_files_max(&limits))
    {
        text.gauge(
            "process_max_fds",
            "Maximum number of open file descriptors.",
            limit,
        );
    }
}

/// The fields of `/proc/PID/stat` (proc(5)) that are shown.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    start_ticks: u64,
    virtual_bytes: u64,
}

impl Stat {
    fn parse(stat: &str) -> Option<Stat> {
        // The name in parentheses may hold anything; the state, field 3, follows the last one.
        let (_, fields) = stat.rsplit_once(") ")?;
        let field = |number: usize| fields.split(' ').nth(number - 3)?.parse::<u64>().ok();
        Some(Stat {
            cpu_ticks: field(14)? + field(15)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
        })
    }
}

fn boot_time() -> Option<u64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

fn open_files_max(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_read_by_their_fields() {
        let stat =
            "42 (a) b) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 12345 987654 300";
        assert_eq!(
            Stat::parse(stat),
            Some(Stat {
                cpu_ticks: 300,
                start_ticks: 12345,
                virtual_bytes: 987_654
            })
        );
        assert_eq!(Stat::parse("nonsense"), None);
        assert_eq!(
            resident_bytes("Name:\tx\nVmRSS:\t  2048 kB\n"),
            Some(2048 * 1024)
        );
        assert_eq!(
            open_files_max("Max open files            1024                 4096  files\n"),
            Some(1024)
        );
    }

    #[test]
    fn this_process_can_be_read() {
        let mut text = Text::default();
        render(&mut text);
        let text = text.into_string();
        for name in [
            "process_cpu_seconds_total",
            "process_resident_memory_bytes",
            "process_open_fds",
        ] {
            assert!(text.contains(name), "{name} is missing");
        }
    }
}
