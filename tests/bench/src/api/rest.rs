//! A server without load: how long it takes to serve, and what it costs then.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::client::{Call, Client};
use super::report::{MIB, Report};
use super::settings::Settings;
use super::target::Target;
use crate::process::{Counters, memory};

const START_POLL: Duration = Duration::from_millis(3);
const START_DEADLINE: Duration = Duration::from_secs(60);

/// How long the server settles before it counts as idle, and how long it is watched.
const SETTLE: Duration = Duration::from_secs(10);
const IDLE_WINDOW: Duration = Duration::from_secs(20);

/// Milliseconds from exec with an empty directory until `/readyz` says so.
pub(crate) async fn time_start(settings: &Settings) -> Result<f64> {
    let mut target = Target::prepare(settings)?;
    let start = Instant::now();
    target.exec()?;
    while ready(&target).await.is_err() {
        ensure!(start.elapsed() < START_DEADLINE, "it never becomes ready");
        tokio::time::sleep(START_POLL).await;
    }
    Ok(start.elapsed().as_secs_f64() * 1000.0)
}

async fn ready(target: &Target) -> Result<usize> {
    let mut client = Client::connect(&target.address()).await?;
    client.exchange(Call::get("/readyz")).await
}

pub(crate) async fn idle(target: &Target, report: &mut Report) -> Result<()> {
    let pids = target.pids()?;
    // Spans of time by intent.
    tokio::time::sleep(SETTLE).await;
    let before = (Counters::read(&pids)?, wakes(pids[0])?);
    let start = Instant::now();
    tokio::time::sleep(IDLE_WINDOW).await;
    let spent = Counters::read(&pids)? - before.0;
    let seconds = start.elapsed().as_secs_f64();
    report.figure("idle.rss_mib", memory(&pids)?.0 as f64 / MIB);
    report.figure("idle.cpu_percent_of_a_core", 100.0 * spent.cpu_s / seconds);
    let woken = wakes(pids[0])?.saturating_sub(before.1);
    report.figure("idle.wakes_per_s", woken as f64 / seconds);
    report.figure("idle.written_bytes_per_s", spent.written as f64 / seconds);
    Ok(())
}

/// How often the threads of a process have gone to sleep.
fn wakes(pid: u32) -> Result<u64> {
    let mut sum = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = std::fs::read_to_string(task?.path().join("status")).unwrap_or_default();
        let prefix = "voluntary_ctxt_switches:";
        let line = status.lines().find_map(|line| line.strip_prefix(prefix));
        sum += line.map_or(0, |count| count.trim().parse::<u64>().unwrap_or(0));
    }
    Ok(sum)
}
