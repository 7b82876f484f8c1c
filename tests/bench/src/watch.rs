//! Fan-out: 1,000 watchers of one key, over ten connections. One client puts the key; when
//! every watcher has the event, it puts again. An operation is one event at one watcher; a
//! latency is that of one whole round, from the put's start to the last watcher's event.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::sync::Notify;

use crate::driver::Driver;
use crate::meter::{Measured, Phase, Tally, measure};
use crate::peer::Peer;

/// Watchers in all, and connections they share.
const WATCHERS: usize = 1_000;
const CONNECTIONS: usize = 10;

/// The key that all watch.
const KEY: &str = "watched";

/// How long a round may take before it counts as failed.
const ROUND_DEADLINE: Duration = Duration::from_secs(10);

/// How long all watchers together may take to be created.
const CREATE_DEADLINE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Round {
    number: AtomicUsize,
    seen: AtomicUsize,
    complete: Notify,
}

/// Runs it.
pub(crate) async fn run(driver: &Driver, peer: &Peer, window: Duration) -> Result<Measured> {
    let round = Arc::new(Round::default());
    let created = Arc::new(Round::default());
    let mut readers = Vec::new();
    for connection in 0..CONNECTIONS {
        let address = peer.address(connection);
        let (round, created) = (Arc::clone(&round), Arc::clone(&created));
        readers.push(driver.spawn(connection, async move {
            let mut client = address.client().await?;
            let mut stream = client.watch(KEY, None).await?;
            for _ in 1..WATCHERS / CONNECTIONS {
                stream.watch(KEY, None).await?;
            }
            while let Some(response) = stream.message().await? {
                if response.created() {
                    count(&created, 1);
                }
                // Only what this round's put has written counts.
                let number = round.number.load(Ordering::SeqCst).to_le_bytes();
                let events = response.events().iter();
                let of_round =
                    events.filter(|event| event.kv().is_some_and(|kv| kv.value() == number));
                count(&round, of_round.count());
            }
            anyhow::Ok(())
        }));
    }
    let all = tokio::time::timeout(CREATE_DEADLINE, created.complete.notified()).await;
    all.context("not all watchers were created in time")?;

    let address = peer.address(0);
    let phase = Phase::default();
    let task = driver.spawn(0, {
        let phase = phase.clone();
        async move {
            let mut tally = Tally::default();
            let mut client = match address.client().await {
                Ok(client) => client,
                Err(error) => return Tally::nothing_but(&error),
            };
            while !phase.over() {
                round.seen.store(0, Ordering::SeqCst);
                let number = round.number.fetch_add(1, Ordering::SeqCst) + 1;
                let start = Instant::now();
                if let Err(error) = client.put(KEY, number.to_le_bytes(), None).await {
                    tally.failed(&error);
                    continue;
                }
                match tokio::time::timeout(ROUND_DEADLINE, round.complete.notified()).await {
                    Ok(()) => tally.done(&phase, start, WATCHERS as u64),
                    Err(late) => tally.failed(&late),
                }
            }
            tally
        }
    });
    let measured = measure(phase, vec![task], window, &peer.pids()?).await?;
    for reader in readers {
        ensure!(!reader.is_finished(), "a watch ended by itself");
        reader.abort();
    }
    Ok(measured)
}

fn count(round: &Round, events: usize) {
    if events > 0 && round.seen.fetch_add(events, Ordering::SeqCst) + events == WATCHERS {
        round.complete.notify_one();
    }
}
