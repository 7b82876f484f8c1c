//! How fast the log takes entries, and what each costs the disk.
//!
//! `cargo run --release -p skerry-log --example append_rate -- DIRECTORY [SECONDS] [ENTRY_BYTES]`
//!
//! Prints a line for 1, 64 and 256 writers that each wait for their entry to be durable, with
//! direct and with buffered writes. Bytes are the kernel's own count for this process.
#![allow(clippy::print_stdout)]

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use bytes::Bytes;
use skerry_log::{Log, LogError, Options, RealDisk};

fn main() -> Result<(), LogError> {
    let mut arguments = std::env::args().skip(1);
    let Some(directory) = arguments.next() else {
        println!("usage: append_rate DIRECTORY [SECONDS] [ENTRY_BYTES]");
        return Ok(());
    };
    let mut number = |default: u64| {
        arguments
            .next()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (seconds, entry_bytes) = (number(3), number(300) as usize);
    println!("writes   waiting  per second      p50      p99  bytes/entry");
    for (name, disk) in [
        ("direct", RealDisk::new()),
        ("buffered", RealDisk::buffered()),
    ] {
        for waiting in [1, 64, 256] {
            let dir = Path::new(&directory).join(format!("{name}-{waiting}"));
            measure(
                name,
                disk.clone(),
                &dir,
                waiting,
                Duration::from_secs(seconds),
                entry_bytes,
            )?;
        }
    }
    Ok(())
}

fn measure(
    name: &str,
    disk: RealDisk,
    dir: &Path,
    waiting: u64,
    lasting: Duration,
    entry_bytes: usize,
) -> Result<(), LogError> {
    let (log, _, writer) = Log::open(Arc::new(disk), dir, Options::default())?;
    let thread = std::thread::spawn(move || writer.run(|| {}));
    let (sender, heard) = channel();
    let entry = Bytes::from(vec![7; entry_bytes]);
    let append = || {
        let (sender, begun) = (sender.clone(), Instant::now());
        let done = Box::new(move |result: Result<(), LogError>| {
            let _ = sender.send(result.map(|()| begun.elapsed()));
        });
        log.append(vec![(log.next_index(), entry.clone())], done)
    };
    let (before, begun) = (written_bytes(), Instant::now());
    for _ in 0..waiting {
        append()?;
    }
    let mut latencies = Vec::new();
    while let Ok(latency) = heard.recv() {
        latencies.push(latency?);
        if latencies.len() % 1000 == 0 {
            // As a node does that keeps some thousand entries for members that lag.
            let keep = log.next_index().saturating_sub(5000);
            if let Some(index) = keep.checked_sub(1) {
                log.purge_upto(index, Bytes::new(), Box::new(|_| {}))?;
            }
        }
        if begun.elapsed() >= lasting {
            break;
        }
        append()?;
    }
    let (spent, count) = (begun.elapsed(), latencies.len());
    log.close();
    let ended = thread.join();
    if let Ok(result) = ended {
        result?;
    }
    let bytes = (written_bytes() - before) / count.max(1) as u64;
    latencies.sort_unstable();
    let at = |hundredth: usize| {
        latencies
            .get(count * hundredth / 100)
            .copied()
            .unwrap_or_default()
    };
    let rate = count as f64 / spent.as_secs_f64();
    println!(
        "{name:8} {waiting:7} {rate:11.0} {:8.0?} {:8.0?} {bytes:12}",
        at(50),
        at(99)
    );
    Ok(())
}

/// Bytes this process has caused to be written to disks.
fn written_bytes() -> u64 {
    let counts = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = counts
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|count| count.parse().ok())
        .unwrap_or_default()
}
