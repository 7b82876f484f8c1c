//! Keep-alives: 10,000 leases shared out among the clients; each client has one stream and
//! keeps its leases alive one after the other, the next when the last is answered.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use skerry_tests_harness::{Client, proto::etcdserverpb as pb};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::driver::Driver;
use crate::meter::{Measured, Phase, Tally, measure};
use crate::peer::{Address, Peer};

/// Leases that exist.
const LEASES: i64 = 10_000;

/// Their time to live: longer than any run, so that none expires while it is measured.
const TTL_S: i64 = 3_600;

/// The first lease's id; chosen here so that a second run finds the same ones.
const FIRST_ID: i64 = 1_000_000;

/// Clients that grant the leases.
const GRANTERS: i64 = 32;

/// Runs it.
pub(crate) async fn run(
    driver: &Driver,
    peer: &Peer,
    clients: usize,
    window: Duration,
) -> Result<Measured> {
    grant(peer).await?;
    let phase = Phase::default();
    let mut tasks = Vec::with_capacity(clients);
    for number in 0..clients {
        let (address, phase) = (peer.address(number), phase.clone());
        tasks.push(driver.spawn(number, async move {
            let mut tally = Tally::default();
            if let Err(error) = keep_alive(&address, number, clients, &phase, &mut tally).await {
                tally.failed(&error);
            }
            tally
        }));
    }
    measure(phase, tasks, window, &peer.pids()?).await
}

async fn grant(peer: &Peer) -> Result<()> {
    let mut granters = Vec::new();
    for granter in 0..GRANTERS {
        let mut client = Client::new(peer.address(usize::try_from(granter)?).channel()?);
        granters.push(tokio::spawn(async move {
            let mut id = FIRST_ID + granter;
            while id < FIRST_ID + LEASES {
                let request = pb::LeaseGrantRequest { id, ttl: TTL_S };
                match client.lease.lease_grant(request).await {
                    Ok(_) => id += GRANTERS,
                    Err(status) if status.message().contains("lease already exists") => {
                        id += GRANTERS;
                    }
                    Err(status) => bail!("grant lease {id}: {status}"),
                }
            }
            Ok(())
        }));
    }
    for granter in granters {
        granter.await.context("a granter panicked")??;
    }
    Ok(())
}

async fn keep_alive(
    address: &Address,
    number: usize,
    clients: usize,
    phase: &Phase,
    tally: &mut Tally,
) -> Result<()> {
    let mut client = Client::new(address.channel()?);
    let first = FIRST_ID + i64::try_from(number)?;
    let step = i64::try_from(clients)?;
    let (sender, receiver) = mpsc::channel(1);
    // The server answers the call itself with the first response only.
    sender.send(pb::LeaseKeepAliveRequest { id: first }).await?;
    let opened = client
        .lease
        .lease_keep_alive(ReceiverStream::new(receiver))
        .await;
    let mut stream = opened.context("open a stream of keep-alives")?.into_inner();
    answer(&mut stream, first).await?;
    let mut id = first;
    while !phase.over() {
        let start = Instant::now();
        sender
            .send(pb::LeaseKeepAliveRequest { id })
            .await
            .context("the stream was closed")?;
        answer(&mut stream, id).await?;
        tally.done(phase, start, 1);
        id += step;
        if id >= FIRST_ID + LEASES {
            id = first;
        }
    }
    Ok(())
}

async fn answer(stream: &mut Streaming<pb::LeaseKeepAliveResponse>, id: i64) -> Result<()> {
    let response = stream.message().await?.context("the stream ended")?;
    ensure!(
        response.id == id && response.ttl > 0,
        "lease {id} is gone: {response:?}"
    );
    Ok(())
}
