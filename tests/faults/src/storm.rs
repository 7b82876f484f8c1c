//! The main run: load and watchers on three members while the nemesis strikes, then judgement.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::fleet::Fleet;
use crate::history::{Event, Operation, Request};
use crate::limits::{RECOVERY_DEADLINE, WATCH_DEADLINE};
use crate::load::{Recorder, Through, start};
use crate::nemesis::{Strikes, inflict};
use crate::session::{Target, key_name};
use crate::watchers::{
    Seen, Watcher, check_previous, compare, compare_events, open, replay, replay_from,
};
use crate::{linearizable, revisions};

/// Clients on each member.
const CLIENTS_PER_MEMBER: u32 = 4;

/// A run with fewer answers a second proves nothing.
const ANSWERS_PER_SECOND_MIN: u64 = 5;

/// The number of the client that writes the last value.
const LAST_CLIENT: u32 = 1_000;

/// How the run goes.
#[derive(Clone, Debug)]
pub struct Storm {
    /// Fixes the faults and what clients ask.
    pub seed: u64,
    /// How long faults go on.
    pub duration: Duration,
    /// The beginning of the names of the faults to inflict; empty: all.
    pub fault: String,
    /// Asks for serializable reads and records them as linearizable: the judges must object.
    pub stale_reads: bool,
}

/// What a run was made of, once it passed.
#[derive(Debug)]
pub struct Report {
    /// Requests recorded, and how many of them were answered.
    pub operations: (usize, usize),
    /// Events in the store's history.
    pub events: usize,
    /// Faults inflicted.
    pub strikes: usize,
    /// The longest time until every member served again after a fault was healed.
    pub slowest_recovery: Duration,
}

/// Runs the storm and judges it.
///
/// # Errors
/// The first promise that was broken.
pub async fn run(fleet: &mut Fleet, storm: &Storm) -> Result<Report> {
    println!("seed {} for {:?}", storm.seed, storm.duration);
    let recorder = Arc::new(Recorder::new(storm.stale_reads));
    let targets = fleet.targets();
    let watchers: Vec<_> = targets.iter().map(Watcher::start).collect();
    let clients = start(&recorder, &targets, CLIENTS_PER_MEMBER, storm.seed);

    let struck = strike(fleet, storm).await;
    recorder.stop();
    for client in clients {
        client.await.context("a client panicked")??;
    }
    println!("failures clients met: {:#?}", recorder.failures());
    let (strikes, slowest_recovery) = struck?;

    let last = write_last(&recorder, &targets[0]).await?;
    let history = agree(&targets, watchers, last.revision).await?;
    judge(&recorder, &history)?;
    let hash = same_hash(&targets, last.revision).await?;

    // A power cut at the end changes nothing, nor does compaction what is left.
    (0..fleet.size()).try_for_each(|index| fleet.kill(index))?;
    fleet.heal()?;
    fleet.wait_recovered(RECOVERY_DEADLINE).await?;
    let again = same_hash(&targets, last.revision).await?;
    ensure!(
        again == hash,
        "the state hash was {hash:08x}, after a restart it is {again:08x}"
    );
    compact(&targets, &history, last.revision).await?;

    let operations = recorder.operations();
    let answered = recorder.answered();
    let least = usize::try_from(storm.duration.as_secs() * ANSWERS_PER_SECOND_MIN)?;
    ensure!(
        answered >= least,
        "only {answered} requests were answered: this proves nothing"
    );
    Ok(Report {
        operations: (operations.len(), answered),
        events: history.len(),
        strikes,
        slowest_recovery,
    })
}

async fn strike(fleet: &mut Fleet, storm: &Storm) -> Result<(usize, Duration)> {
    let end = Instant::now() + storm.duration;
    let mut slowest = Duration::ZERO;
    let mut count = 0;
    for strike in Strikes::new(storm.seed, &storm.fault)? {
        if Instant::now() >= end {
            break;
        }
        // Times of the schedule itself, not a wait for something.
        tokio::time::sleep(strike.calm).await;
        inflict(fleet, &strike)
            .await
            .with_context(|| format!("inflict {strike}"))?;
        tokio::time::sleep(strike.hold).await;
        fleet.heal()?;
        let recovery = fleet
            .wait_recovered(RECOVERY_DEADLINE)
            .await
            .with_context(|| format!("after fault {count}: {strike}"))?;
        println!("{strike}; served again after {recovery:?}");
        slowest = slowest.max(recovery);
        count += 1;
    }
    Ok((count, slowest))
}

/// One more write: whoever has seen it has seen all.
async fn write_last(recorder: &Recorder, target: &Target) -> Result<Operation> {
    let mut through = Through::open(LAST_CLIENT, target).await?;
    let request = Request::Put(recorder.fresh_value());
    recorder
        .send(&mut through, 0, request, RECOVERY_DEADLINE)
        .await
        .context("the last write, with all members well")
}

/// The store's history, once every watcher and every member agree on it.
async fn agree(targets: &[Target], watchers: Vec<Watcher>, revision: i64) -> Result<Vec<Seen>> {
    let history = replay(&targets[0], revision, WATCH_DEADLINE).await?;
    for target in &targets[1..] {
        let other = replay(target, revision, WATCH_DEADLINE).await?;
        compare(&other, &history)
            .with_context(|| format!("the history read again from member {}", target.member))?;
    }
    check_previous(&history)?;
    for (member, watcher) in watchers.into_iter().enumerate() {
        watcher.wait_for(revision, WATCH_DEADLINE).await?;
        let (seen, connections) = watcher.finish()?;
        println!(
            "watcher {member}: {} events over {connections} connections",
            seen.len()
        );
        compare(&seen, &history).with_context(|| format!("the watcher of member {member}"))?;
    }
    Ok(history)
}

/// Judges what clients were told, by itself and against the store's history.
///
/// # Errors
/// The first contradiction.
pub fn judge(recorder: &Recorder, history: &[Seen]) -> Result<()> {
    let nonsense = recorder.nonsense();
    ensure!(
        nonsense.is_empty(),
        "answers that make no sense: {nonsense:#?}"
    );
    let operations = recorder.operations();
    linearizable::check(&operations)?;
    let events: Vec<Event> = history.iter().map(|seen| seen.event).collect();
    revisions::check(&operations, &events)?;
    Ok(())
}

async fn same_hash(targets: &[Target], revision: i64) -> Result<u32> {
    let mut hashes = Vec::new();
    for target in targets {
        let client = target.client().await?;
        let response = client.maintenance_client().hash_kv(revision).await?;
        hashes.push((response.hash(), response.compact_version()));
    }
    let (hash, compacted) = hashes[0];
    let equal = hashes.iter().all(|one| *one == hashes[0]);
    ensure!(
        equal,
        "the members' states differ at revision {revision}: {hashes:?}"
    );
    println!("state hash at revision {revision}, compacted at {compacted}: {hash:08x}");
    Ok(hash)
}

/// Compacts to the middle: every member keeps the later half, and refuses the earlier one.
async fn compact(targets: &[Target], history: &[Seen], last: i64) -> Result<()> {
    let middle = last / 2;
    targets[0]
        .client()
        .await?
        .compact(middle, None)
        .await
        .context("compact")?;
    let later = history.partition_point(|seen| seen.event.revision <= middle);
    for target in targets {
        // A linearizable read: the member has applied the compaction when it is answered.
        target.client().await?.get(key_name(0), None).await?;
        let left = replay_from(target, middle + 1, last, WATCH_DEADLINE).await?;
        compare_events(&left, &history[later..])
            .with_context(|| format!("compacted, on member {}", target.member))?;
        let mut stream = open(target, 1).await?;
        let response = loop {
            let next = tokio::time::timeout(WATCH_DEADLINE, stream.message()).await??;
            let next = next.context("a watch on compacted revisions just ended")?;
            // The confirmation that the watch was created comes first.
            if !next.created() || next.canceled() {
                break next;
            }
        };
        ensure!(
            response.canceled() && response.compact_revision() == middle,
            "a watch on compacted revisions was told {response:?}"
        );
    }
    same_hash(targets, last).await.map(drop)
}
