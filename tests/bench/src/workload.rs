//! The workloads: what each client does in a loop, one request at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use etcd_client::{Compare, CompareOp, Error, GetOptions, KvClient, Txn, TxnOp, TxnOpResponse};
use skerry_tests_harness::Random;

use crate::driver::Driver;
use crate::meter::{Measured, Phase, Tally, measure};
use crate::peer::{Address, Peer};
use crate::{lease, watch};

/// Keys that exist before anything is measured.
const KEYS: usize = 10_000;

/// Keys one range request asks for.
const RANGE_KEYS: usize = 1_000;

/// Bytes of every value.
const VALUE_BYTES: usize = 1_024;

/// Clients that write the keys before anything is measured.
const LOADERS: usize = 32;

/// Fixes which keys are asked for.
const SEED: u64 = 1;

/// Something that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    /// Put of 1 KB on one of 10,000 keys.
    Put,
    /// Linearizable get of one of 10,000 keys.
    Get,
    /// The same, serializable.
    GetSerializable,
    /// Linearizable range over 1,000 keys of 1 KB.
    Range,
    /// Transaction: put 1 KB on the client's own key if its revision is the known one.
    CompareAndSet,
    /// 1,000 watchers of one key that is put again once all have seen the last put.
    Watch,
    /// Keep-alives of 10,000 leases, one stream a client.
    Lease,
}

impl Workload {
    pub(crate) const ALL: [Self; 7] = [
        Self::Put,
        Self::Get,
        Self::GetSerializable,
        Self::Range,
        Self::CompareAndSet,
        Self::Watch,
        Self::Lease,
    ];

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::GetSerializable => "get-serializable",
            Self::Range => "range",
            Self::CompareAndSet => "cas",
            Self::Watch => "watch",
            Self::Lease => "lease",
        }
    }

    /// Runs it with this many clients.
    pub(crate) async fn run(
        self,
        driver: &Driver,
        peer: &Peer,
        clients: usize,
        window: Duration,
    ) -> Result<Measured> {
        match self {
            Self::Watch => watch::run(driver, peer, window).await,
            Self::Lease => lease::run(driver, peer, clients, window).await,
            _ => {
                let phase = Phase::default();
                let value = Arc::new(vec![b'x'; VALUE_BYTES]);
                let mut tasks = Vec::with_capacity(clients);
                for number in 0..clients {
                    let client =
                        OneClient::connect(peer.address(number), number, Arc::clone(&value));
                    let phase = phase.clone();
                    tasks.push(driver.spawn(number, async move {
                        match client.await {
                            Ok(client) => client.run(self, phase).await,
                            Err(error) => Tally::nothing_but(&error),
                        }
                    }));
                }
                measure(phase, tasks, window, &peer.pids()?).await
            }
        }
    }
}

fn key(number: usize) -> String {
    format!("bench/{number:08}")
}

/// Writes all keys once, so that every peer starts from the same state.
pub(crate) async fn preload(peer: &Peer) -> Result<()> {
    let mut loaders = Vec::new();
    for loader in 0..LOADERS {
        let mut client = peer.address(loader).client().await?;
        loaders.push(tokio::spawn(async move {
            for number in (loader..KEYS).step_by(LOADERS) {
                client
                    .put(key(number), vec![b'x'; VALUE_BYTES], None)
                    .await?;
            }
            Ok::<_, Error>(())
        }));
    }
    for loader in loaders {
        loader
            .await
            .context("a loader panicked")?
            .context("write the keys")?;
    }
    Ok(())
}

struct OneClient {
    client: KvClient,
    random: Random,
    own_key: String,
    own_revision: i64,
    value: Arc<Vec<u8>>,
}

impl OneClient {
    async fn connect(address: Address, number: usize, value: Arc<Vec<u8>>) -> Result<Self> {
        Ok(Self {
            client: address.client().await?.kv_client(),
            random: Random::new(SEED ^ ((number as u64) << 32)),
            own_key: format!("own/{number:08}"),
            own_revision: 0,
            value,
        })
    }

    async fn run(mut self, workload: Workload, phase: Phase) -> Tally {
        let mut tally = Tally::default();
        while !phase.over() {
            let start = Instant::now();
            match self.once(workload).await {
                Ok(()) => tally.done(&phase, start, 1),
                Err(error) => tally.failed(&error),
            }
        }
        tally
    }

    async fn once(&mut self, workload: Workload) -> Result<(), Error> {
        let key = key(self.random.below(KEYS));
        match workload {
            Workload::Put => self
                .client
                .put(key, self.value.as_slice(), None)
                .await
                .map(drop),
            Workload::Get => self.client.get(key, None).await.map(drop),
            Workload::GetSerializable => {
                let options = GetOptions::new().with_serializable();
                self.client.get(key, Some(options)).await.map(drop)
            }
            Workload::Range => self.range().await,
            _ => self.compare_and_set().await,
        }
    }

    async fn range(&mut self) -> Result<(), Error> {
        let first = self.random.below(KEYS - RANGE_KEYS + 1);
        let options = GetOptions::new().with_range(key(first + RANGE_KEYS));
        let response = self.client.get(key(first), Some(options)).await?;
        let got = response.kvs().len();
        if got == RANGE_KEYS {
            Ok(())
        } else {
            Err(Error::InvalidArgs(format!(
                "a range gave {got} keys, not {RANGE_KEYS}"
            )))
        }
    }

    async fn compare_and_set(&mut self) -> Result<(), Error> {
        let own = self.own_key.as_str();
        let txn = Txn::new()
            .when([Compare::mod_revision(
                own,
                CompareOp::Equal,
                self.own_revision,
            )])
            .and_then([TxnOp::put(own, self.value.as_slice(), None)])
            .or_else([TxnOp::get(own, None)]);
        let response = self.client.txn(txn).await?;
        if response.succeeded() {
            self.own_revision = response.header().map_or(0, |header| header.revision());
            return Ok(());
        }
        // An earlier run of this workload left the key: take its revision and go on.
        for response in response.op_responses() {
            if let TxnOpResponse::Get(get) = response {
                self.own_revision = get.kvs().first().map_or(0, |kv| kv.mod_revision());
            }
        }
        Ok(())
    }
}
