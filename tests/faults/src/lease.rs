//! Leases across leader changes: a lease never expires before its time to live has passed
//! since it was last known to be alive, and it does expire on every member in the end.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use etcd_client::{Client, PutOptions};
use skerry_tests_harness::Random;

use crate::fleet::Fleet;
use crate::history::Request;
use crate::limits::{CONNECT_DEADLINE, LEASE_EXPIRY_DEADLINE, POLL_INTERVAL, RECOVERY_DEADLINE};
use crate::load::{Recorder, Through};
use crate::session::key_name;

/// The leases' time to live.
const TTL: Duration = Duration::from_secs(4);

/// Keep-alives before the leader is hurt.
const KEEP_ALIVES: u32 = 3;

/// What happens to the leader while the lease runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// SIGTERM: it hands over first.
    Stopped,
    /// SIGKILL.
    Killed,
    /// All members are killed at once.
    AllKilled,
}

/// Lets one lease run out under each kind of change.
///
/// # Errors
/// The first lease that expired early or not at all.
pub async fn run(fleet: &mut Fleet, seed: u64) -> Result<()> {
    println!("seed {seed}");
    let mut random = Random::new(seed);
    for (number, change) in [
        Change::None,
        Change::Stopped,
        Change::Killed,
        Change::AllKilled,
    ]
    .into_iter()
    .enumerate()
    {
        let key = u32::try_from(number)?;
        one(fleet, key, change, &mut random)
            .await
            .with_context(|| format!("{change:?}"))?;
    }
    Ok(())
}

async fn one(fleet: &mut Fleet, key: u32, change: Change, random: &mut Random) -> Result<()> {
    let target = fleet.targets()[random.below(fleet.size())].clone();
    let mut client = target.client().await?;
    let lease = client
        .lease_grant(i64::try_from(TTL.as_secs())?, None)
        .await?
        .id();
    let options = PutOptions::new().with_lease(lease);
    client
        .put(key_name(key), crate::session::value_text(1), Some(options))
        .await?;
    // Alive at the latest when this was sent; the server can only count from later on.
    let mut alive = Instant::now();
    for _ in 0..KEEP_ALIVES {
        let sent = Instant::now();
        let ttl = keep_alive(&mut client, lease).await?;
        ensure!(
            ttl == i64::try_from(TTL.as_secs())?,
            "kept alive for {ttl} s, not {TTL:?}"
        );
        alive = sent;
    }
    let leader = fleet.cluster.leader().await?;
    match change {
        Change::None => {}
        Change::Stopped => fleet.stop(leader)?,
        Change::Killed => fleet.kill(leader)?,
        Change::AllKilled => (0..fleet.size()).try_for_each(|index| fleet.kill(index))?,
    }
    fleet.heal()?;
    fleet.wait_recovered(RECOVERY_DEADLINE).await?;

    let recorder = Recorder::new(false);
    for (index, target) in fleet.targets().iter().enumerate() {
        let mut through = Through::open(0, target).await?;
        loop {
            let asked = Instant::now();
            let read = recorder
                .send(&mut through, key, Request::Get, CONNECT_DEADLINE)
                .await?;
            if read.seen().is_none() {
                // The read may have been answered any time after it was asked.
                let lived = Instant::now() - alive;
                ensure!(
                    lived >= TTL,
                    "expired {lived:?} after it was last alive, not {TTL:?}"
                );
                println!("{change:?}: gone from member {index} {lived:?} after it was last alive");
                break;
            }
            ensure!(
                asked - alive < LEASE_EXPIRY_DEADLINE,
                "still there {LEASE_EXPIRY_DEADLINE:?} after it was last alive"
            );
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
    match client.lease_keep_alive(lease).await {
        Err(etcd_client::Error::LeaseKeepAliveError(_)) => Ok(()),
        Ok(_) => bail!("an expired lease was kept alive"),
        Err(error) => Err(error).context("keep an expired lease alive"),
    }
}

async fn keep_alive(client: &mut Client, lease: i64) -> Result<i64> {
    let opening = client.lease_keep_alive(lease);
    // Opening the stream sends the first keep-alive and reads its answer.
    let (_keeper, stream) = tokio::time::timeout(CONNECT_DEADLINE, opening).await??;
    drop(stream);
    let left = client.lease_time_to_live(lease, None).await?;
    ensure!(left.ttl() > 0, "the lease is gone: {left:?}");
    Ok(left.granted_ttl())
}
