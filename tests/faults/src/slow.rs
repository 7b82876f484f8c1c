//! Watchers that never read: the server's memory does not grow with what they have not taken,
//! other clients do not notice, and once they read they have missed nothing.

use anyhow::{Context, Result, ensure};
use etcd_client::{Client, WatchOptions, WatchStream};

use crate::fleet::Fleet;
use crate::history::Event;
use crate::limits::{SLOW_WATCH_MEMORY_MAX, WATCH_DEADLINE};
use crate::session::Target;

/// Watchers that do not read, and connections they share.
const WATCHERS: usize = 200;
const CONNECTIONS: usize = 20;

/// Writers, and what each writes: in all about 40 MB, far more than sockets and the server's
/// own ring of events hold.
const WRITERS: usize = 16;
const WRITES_EACH: usize = 1_250;
const VALUE_BYTES: usize = 2_048;

/// The keys that are written and watched.
const PREFIX: &str = "slow/";

/// Runs it on the fleet's only member.
///
/// # Errors
/// The first promise that was broken.
pub async fn run(fleet: &mut Fleet) -> Result<()> {
    let target = fleet.targets()[0].clone();
    let pid = fleet.cluster.members[0].pid().context("the member runs")?;
    let mut watches = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = target.client().await?;
        let mut stream = watch(&mut client).await?;
        for _ in 1..WATCHERS / CONNECTIONS {
            let options = WatchOptions::new().with_prefix();
            stream.watch(PREFIX, Some(options)).await?;
        }
        watches.push(stream);
    }
    let before = resident(pid)?;
    let last = write_all(&target).await?;
    let after = resident(pid)?;
    println!(
        "{} MB written past {WATCHERS} watchers that do not read: resident {} MB, then {} MB",
        (WRITERS * WRITES_EACH * VALUE_BYTES) >> 20,
        before >> 20,
        after >> 20
    );
    ensure!(
        after < before + SLOW_WATCH_MEMORY_MAX,
        "resident memory grew by {} bytes, more than {SLOW_WATCH_MEMORY_MAX}",
        after - before
    );
    // One stream reads now: each of its watchers must see every event, in order.
    let stream = watches.pop().context("there are connections")?;
    drop(watches);
    let reading = read_all(stream, last);
    tokio::time::timeout(WATCH_DEADLINE, reading)
        .await
        .context("reading takes too long")??;
    fleet.check_alive(0)
}

async fn watch(client: &mut Client) -> Result<WatchStream> {
    let options = WatchOptions::new().with_prefix();
    Ok(client.watch(PREFIX, Some(options)).await?)
}

/// The revision of the last write.
async fn write_all(target: &Target) -> Result<i64> {
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let mut client = target.client().await?;
        writers.spawn(async move {
            let mut last = 0;
            for number in 0..WRITES_EACH {
                let key = format!("{PREFIX}{writer:02}/{number:06}");
                let response = client.put(key, vec![b'x'; VALUE_BYTES], None).await?;
                last = response.header().map_or(0, |header| header.revision());
            }
            anyhow::Ok(last)
        });
    }
    let mut last = 0;
    while let Some(writer) = writers.join_next().await {
        last = last.max(writer??);
    }
    Ok(last)
}

async fn read_all(mut stream: WatchStream, last: i64) -> Result<()> {
    let watchers = WATCHERS / CONNECTIONS;
    let mut seen: std::collections::HashMap<i64, Vec<Event>> = std::collections::HashMap::new();
    let mut complete = 0;
    while complete < watchers {
        let response = stream.message().await?.context("the watch stream ended")?;
        ensure!(
            !response.canceled(),
            "a slow watcher was cancelled: {response:?}"
        );
        let of_watcher = seen.entry(response.watch_id()).or_default();
        for event in response.events() {
            let kv = event.kv().context("an event without a key")?;
            let revision = kv.mod_revision();
            let expected = of_watcher
                .last()
                .map_or(revision, |event| event.revision + 1);
            ensure!(
                revision == expected,
                "revision {revision} came instead of {expected}"
            );
            of_watcher.push(Event {
                revision,
                key: 0,
                value: None,
            });
            complete += usize::from(revision == last);
        }
    }
    for (watcher, events) in &seen {
        ensure!(
            events.len() == WRITERS * WRITES_EACH,
            "watcher {watcher} saw {} of {} events",
            events.len(),
            WRITERS * WRITES_EACH
        );
    }
    println!(
        "{watchers} of them read in the end, and each saw all {} events",
        WRITERS * WRITES_EACH
    );
    Ok(())
}

fn resident(pid: u32) -> Result<usize> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok());
    Ok(kilobytes.context("no VmRSS")? << 10)
}
