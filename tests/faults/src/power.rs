//! One member alone that is killed again and again under load: what it acknowledged, it has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use skerry_tests_harness::Random;

use crate::fleet::Fleet;
use crate::history::Request;
use crate::limits::{POLL_INTERVAL, RECOVERY_DEADLINE, WATCH_DEADLINE};
use crate::load::{Recorder, Through, start};
use crate::storm::judge;
use crate::watchers::{Watcher, check_previous, compare, replay};

/// Clients of the member.
const CLIENTS: u32 = 8;

/// Kills it this often while clients write, and judges all they were told.
///
/// # Errors
/// The first promise that was broken.
pub async fn run(fleet: &mut Fleet, seed: u64, kills: usize) -> Result<()> {
    println!("seed {seed}, {kills} kills");
    let mut random = Random::new(seed);
    let recorder = Arc::new(Recorder::new(false));
    let targets = fleet.targets();
    let watcher = Watcher::start(&targets[0]);
    let clients = start(&recorder, &targets, CLIENTS, seed);
    for _ in 0..kills {
        let answers = recorder.answered() + 1 + random.below(400);
        wait_for_answers(&recorder, answers).await?;
        fleet.kill(0)?;
        fleet.heal()?;
        fleet.wait_recovered(RECOVERY_DEADLINE).await?;
    }
    recorder.stop();
    for client in clients {
        client.await.context("a client panicked")??;
    }
    println!("failures clients met: {:#?}", recorder.failures());
    let mut through = Through::open(CLIENTS, &targets[0]).await?;
    let request = Request::Put(recorder.fresh_value());
    let last = recorder
        .send(&mut through, 0, request, RECOVERY_DEADLINE)
        .await?;
    let history = replay(&targets[0], last.revision, WATCH_DEADLINE).await?;
    check_previous(&history)?;
    watcher.wait_for(last.revision, WATCH_DEADLINE).await?;
    compare(&watcher.finish()?.0, &history).context("the watcher")?;
    judge(&recorder, &history)?;
    println!(
        "{} operations, {} events, all agree",
        recorder.operations().len(),
        history.len()
    );
    Ok(())
}

async fn wait_for_answers(recorder: &Recorder, answers: usize) -> Result<()> {
    let until = Instant::now() + RECOVERY_DEADLINE;
    while recorder.answered() < answers {
        ensure!(Instant::now() < until, "clients get no answers");
        tokio::time::sleep(POLL_INTERVAL.min(Duration::from_millis(10))).await;
    }
    Ok(())
}
