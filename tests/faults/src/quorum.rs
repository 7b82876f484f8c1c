//! Quorum loss: with two of three members gone, the third refuses what needs a quorum within
//! a bounded time and with etcd's errors, goes on with what it can do alone, and resumes
//! without a restart when the quorum is back.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use etcd_client::{Client, GetOptions};

use crate::fleet::Fleet;
use crate::history::{Request, Value};
use crate::limits::{QUORUM_LOSS_DEADLINE, RECOVERY_DEADLINE, WATCH_DEADLINE};
use crate::load::{Recorder, Through};
use crate::session::{SessionError, key_name, version};
use crate::watchers::{Watcher, replay};

/// How the quorum is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// SIGKILL of two members.
    Killed,
    /// SIGSTOP of two members: their connections stay open.
    Paused,
    /// All links of one member are cut (needs namespaces); the other two go on.
    Isolated,
}

/// etcd 3.5's answers to requests that need a quorum that is not there: its own request
/// timeouts (the first is what a member says that knows of no leader), and those for a
/// proposal or read that a leader change took away.
const ERRORS: [&str; 6] = [
    "DeadlineExceeded: context deadline exceeded",
    "Unavailable: etcdserver: request timed out",
    "Unavailable: etcdserver: request timed out, possibly due to previous leader failure",
    "Unavailable: etcdserver: request timed out, possibly due to connection lost",
    "Unavailable: etcdserver: leader changed",
    "Unavailable: etcdserver: no leader",
];

/// Takes the quorum from one member and gives it back.
///
/// # Errors
/// The first promise that was broken.
pub async fn run(fleet: &mut Fleet, loss: Loss, survivor: usize) -> Result<()> {
    println!("quorum lost ({loss:?}) for member {survivor}");
    let recorder = Recorder::new(false);
    let target = fleet.targets()[survivor].clone();
    let mut through = Through::open(0, &target).await?;
    let old = put(&recorder, &mut through, RECOVERY_DEADLINE)
        .await?
        .context("a first write")?;
    let watcher = Watcher::start(&target);
    watcher.wait_for(old.1, WATCH_DEADLINE).await?;

    match loss {
        Loss::Isolated => fleet.isolate(survivor)?,
        Loss::Killed | Loss::Paused => {
            for index in (0..fleet.size()).filter(|&index| index != survivor) {
                if loss == Loss::Killed {
                    fleet.kill(index)?
                } else {
                    fleet.pause(index)?
                }
            }
        }
    }

    let mut client = target.client().await?;
    let mut reader = Through::open(1, &target).await?;
    tokio::try_join!(
        refuses(&recorder, &mut through, "a write", Need::Write),
        refuses(&recorder, &mut reader, "a linearizable read", Need::Read),
    )?;
    answers_alone(&mut client, old).await?;
    let events = replay(&target, old.1, WATCH_DEADLINE)
        .await
        .context("a watch on old events")?;
    ensure!(
        events.iter().any(|seen| seen.event.revision == old.1),
        "the old event is missing"
    );

    fleet.heal()?;
    let start = Instant::now();
    let new = loop {
        match put(&recorder, &mut through, QUORUM_LOSS_DEADLINE).await? {
            Some(new) => break new,
            None => ensure!(
                start.elapsed() < RECOVERY_DEADLINE,
                "no write {RECOVERY_DEADLINE:?} after the quorum was back\n{}",
                fleet.logs()
            ),
        }
    };
    println!(
        "written again {:?} after the quorum was back",
        start.elapsed()
    );
    watcher
        .wait_for(new.1, WATCH_DEADLINE)
        .await
        .context("the watch that was open all along")?;
    let (_, connections) = watcher.finish()?;
    ensure!(
        connections == 1,
        "the watch was broken {} times",
        connections - 1
    );
    fleet.wait_recovered(RECOVERY_DEADLINE).await?;
    Ok(())
}

type Written = (Value, i64);

async fn put(
    recorder: &Recorder,
    through: &mut Through,
    deadline: Duration,
) -> Result<Option<Written>> {
    let value = recorder.fresh_value();
    match recorder
        .send(through, 0, Request::Put(value), deadline)
        .await
    {
        Ok(operation) => Ok(Some((value, operation.revision))),
        Err(SessionError::Nonsense(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

#[derive(Clone, Copy)]
enum Need {
    Write,
    Read,
}

async fn refuses(recorder: &Recorder, through: &mut Through, what: &str, need: Need) -> Result<()> {
    // The first request may still be told that the leader changed; the second meets a member
    // that knows it has none.
    for turn in 1..=2 {
        let request = match need {
            Need::Write => Request::Put(recorder.fresh_value()),
            Need::Read => Request::Get,
        };
        let start = Instant::now();
        let name = match recorder
            .send(through, 0, request, QUORUM_LOSS_DEADLINE)
            .await
        {
            Ok(operation) => bail!("{what} was answered without a quorum: {operation:?}"),
            Err(error) => error.name(),
        };
        println!("{what}, time {turn}, after {:?}: {name}", start.elapsed());
        ensure!(
            ERRORS.contains(&name.as_str()),
            "{what} failed with {name:?}, not as etcd's does"
        );
    }
    Ok(())
}

async fn answers_alone(client: &mut Client, old: Written) -> Result<()> {
    let options = GetOptions::new().with_serializable();
    let asking = client.get(key_name(0), Some(options));
    let response = tokio::time::timeout(QUORUM_LOSS_DEADLINE, asking)
        .await
        .context("a serializable read got no answer without a quorum")?
        .context("a serializable read failed without a quorum")?;
    let kv = response
        .kvs()
        .first()
        .context("a serializable read lost the key")?;
    let found = version(kv)?;
    ensure!(
        (found.value, found.revision) == old,
        "a serializable read found {found:?}"
    );
    Ok(())
}
