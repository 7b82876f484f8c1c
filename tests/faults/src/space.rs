//! A disk that runs full under a lone member: it stops taking writes with a clear word, and
//! once there is room again it has all that it had acknowledged.
//!
//! The disk is a small tmpfs in a mount namespace of this process's own; a file beside the
//! member's takes the room away.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::fleet::{Fleet, Plan};
use crate::history::Request;
use crate::limits::{OPERATION_DEADLINE, RECOVERY_DEADLINE, STOP_DEADLINE, WATCH_DEADLINE};
use crate::load::{Recorder, Through};
use crate::session::{SessionError, Target, key_name};
use crate::storm::judge;
use crate::watchers::{check_previous, replay};

/// The disk's size.
const DISK: &str = "size=160m";

/// What is left free of it when it is nearly full.
const LEFT_BYTES: u64 = 2 << 20;

/// Failed writes after which the disk counts as full.
const FAILURES: usize = 5;

/// How long the member may go on finding room.
const FULL_DEADLINE: Duration = Duration::from_secs(120);

/// Keys that are written in turn.
const KEYS: u32 = 50;

/// Runs the disk full and makes room again.
///
/// # Errors
/// The first promise that was broken.
pub async fn run(plan: &Plan) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", DISK, "tmpfs"])
        .arg(folder.path())
        .status()
        .context("start mount")?;
    ensure!(
        mounted.success(),
        "mount a tmpfs on {}",
        folder.path().display()
    );
    let plan = Plan {
        folder: Some(folder.path().to_owned()),
        ..plan.clone()
    };
    let mut fleet = Fleet::start(&plan).await?;
    let recorder = Recorder::new(false);
    let target = fleet.targets()[0].clone();
    let mut through = Through::open(0, &target).await?;

    let ballast = folder.path().join("ballast");
    fill(&ballast, folder.path())?;
    let start = Instant::now();
    let mut failures = Vec::new();
    for turn in 0.. {
        ensure!(
            start.elapsed() < FULL_DEADLINE,
            "the member goes on finding room"
        );
        let request = Request::Put(recorder.fresh_value());
        match recorder
            .send(&mut through, turn % KEYS, request, OPERATION_DEADLINE)
            .await
        {
            Ok(_) => failures.clear(),
            Err(SessionError::Nonsense(error)) => return Err(error),
            Err(error) => failures.push(error.name()),
        }
        if failures.len() == FAILURES {
            break;
        }
    }
    println!(
        "full after {} writes: {:?}",
        recorder.answered(),
        failures.first()
    );
    ended_or_reads(&mut fleet, &target).await?;

    fs::remove_file(&ballast)?;
    fleet.heal()?;
    fleet.wait_recovered(RECOVERY_DEADLINE).await?;
    let request = Request::Put(recorder.fresh_value());
    let last = recorder
        .send(&mut through, 0, request, RECOVERY_DEADLINE)
        .await?;
    let history = replay(&target, last.revision, WATCH_DEADLINE).await?;
    check_previous(&history)?;
    judge(&recorder, &history)?;
    println!("{} events, all agree", history.len());
    Ok(())
}

/// It may end with an error that says why, or go on without writes; nothing in between.
async fn ended_or_reads(fleet: &mut Fleet, target: &Target) -> Result<()> {
    let member = &mut fleet.cluster.members[0];
    let full = Instant::now();
    let Ok(status) = member.wait_for_exit(STOP_DEADLINE) else {
        println!("the member goes on; it must answer reads that need nobody else");
        let options = etcd_client::GetOptions::new().with_serializable();
        let mut client = target.client().await?;
        let reading = client.get(key_name(0), Some(options));
        tokio::time::timeout(OPERATION_DEADLINE, reading)
            .await
            .context("no answer")??;
        return member.kill();
    };
    let told = member.log_tail();
    println!(
        "the member ended after {:?}: {status}\n{}",
        full.elapsed(),
        last_lines(&told)
    );
    ensure!(
        !status.success(),
        "it ended as if nothing were wrong:\n{told}"
    );
    ensure!(
        told.contains("o space left on device"),
        "it does not say why:\n{told}"
    );
    Ok(())
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(4)..].join("\n")
}

fn fill(ballast: &Path, folder: &Path) -> Result<()> {
    let mut file = File::create(ballast)?;
    let block = vec![0x5a; 256 << 10];
    while free_bytes(folder)? > LEFT_BYTES + block.len() as u64 {
        file.write_all(&block).context("fill the disk")?;
    }
    Ok(())
}

fn free_bytes(folder: &Path) -> Result<u64> {
    let output = Command::new("stat")
        .args(["-f", "-c", "%a %S"])
        .arg(folder)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<u64> = text
        .split_whitespace()
        .filter_map(|n| n.parse().ok())
        .collect();
    match numbers[..] {
        [blocks, size] => Ok(blocks * size),
        _ => anyhow::bail!("stat told {text:?}"),
    }
}
