//! A running cluster of one kind, and connections to it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use etcd_client::Client;
use skerry_tests_harness::{Cluster, Credentials, Kind, Options, connect_lazy};
use tonic::transport::Channel;

use crate::process::{Counters, memory};
use crate::report::Idle;
use crate::settings::Settings;

/// How long a member may take to serve its first request.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// How often a starting member is asked.
const START_POLL: Duration = Duration::from_millis(3);

/// How long members settle before they count as idle, and how long they are watched.
const SETTLE: Duration = Duration::from_secs(5);
const IDLE_WINDOW: Duration = Duration::from_secs(10);

/// See the module.
pub(crate) struct Peer {
    pub(crate) kind: Kind,
    cluster: Cluster,
}

/// Where and with what a client connects.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    address: SocketAddr,
    credentials: Option<Credentials>,
}

impl Address {
    /// A connection of its own, made at the first request on the runtime that called this.
    pub(crate) fn channel(&self) -> Result<Channel> {
        connect_lazy(self.address, self.credentials.as_ref())
    }

    /// The same through the `etcd-client` crate.
    pub(crate) async fn client(&self) -> Result<Client> {
        Ok(Client::from_channel(etcd_client::Channel::Tonic(self.channel()?), None).await?)
    }
}

impl Peer {
    fn options(kind: Kind, settings: &Settings) -> Options {
        Options {
            tls: settings.tls,
            folder: settings.folder.clone(),
            binary: settings.binary(kind),
            flags: match kind {
                Kind::Etcd => Vec::new(),
                Kind::Skerry => settings.skerry_flags.clone(),
            },
            ..Options::default()
        }
    }

    /// Starts the members and waits until they serve.
    pub(crate) async fn start(kind: Kind, members: usize, settings: &Settings) -> Result<Self> {
        let cluster = Cluster::start(kind, members, &Self::options(kind, settings)).await?;
        Ok(Self { kind, cluster })
    }

    /// Starts one member with an empty data directory: the time from exec until it has
    /// answered its first linearizable read.
    pub(crate) async fn time_start(kind: Kind, settings: &Settings) -> Result<Duration> {
        let mut cluster = Cluster::prepare(kind, 1, &Self::options(kind, settings))?;
        let start = Instant::now();
        cluster.members[0].start()?;
        loop {
            let member = &mut cluster.members[0];
            if !member.is_running() {
                bail!("{kind:?} ended before it served:\n{}", member.log_tail());
            }
            let error = match first_answer(&cluster).await {
                Ok(()) => return Ok(start.elapsed()),
                Err(error) => error,
            };
            if start.elapsed() > START_DEADLINE {
                return Err(error.context(cluster.members[0].log_tail()));
            }
            tokio::time::sleep(START_POLL).await;
        }
    }

    /// The process of every member.
    pub(crate) fn pids(&self) -> Result<Vec<u32>> {
        let members = self.cluster.members.iter();
        members
            .map(|member| member.pid().context("a member has no process"))
            .collect()
    }

    /// Where this client connects; clients are spread over the members.
    pub(crate) fn address(&self, client: usize) -> Address {
        let member = &self.cluster.members[client % self.cluster.members.len()];
        Address {
            address: member.client_address,
            credentials: member.credentials.clone(),
        }
    }

    /// What a member costs that does nothing.
    pub(crate) async fn idle(&self) -> Result<Idle> {
        let pids = self.pids()?;
        // Spans of time by intent.
        tokio::time::sleep(SETTLE).await;
        let before = Counters::read(&pids)?;
        let start = Instant::now();
        tokio::time::sleep(IDLE_WINDOW).await;
        let spent = Counters::read(&pids)? - before;
        let members = pids.len() as f64;
        Ok(Idle {
            rss: memory(&pids)?.0,
            cpu_percent: 100.0 * spent.cpu_s / start.elapsed().as_secs_f64() / members,
            written_per_s: spent.written as f64 / start.elapsed().as_secs_f64() / members,
        })
    }
}

async fn first_answer(cluster: &Cluster) -> Result<()> {
    let member = &cluster.members[0];
    let address = Address {
        address: member.client_address,
        credentials: member.credentials.clone(),
    };
    address.client().await?.get("first", None).await?;
    Ok(())
}
