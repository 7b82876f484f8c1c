//! The members under test and the network between them, with the ways to hurt and heal them.
//!
//! After [`Fleet::heal`] every process runs and every packet passes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use skerry_tests_harness::{Addresses, Cluster, Kind, Options, Signal};

use crate::limits::{CONNECT_DEADLINE, POLL_INTERVAL, STOP_DEADLINE};
use crate::network::{Network, Weather};
use crate::session::Target;

/// Written through each member to see that it serves; not among the keys of the run.
const PROBE_KEY: &str = "probe";

/// How a fleet is made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the members run.
    pub kind: Kind,
    /// How many there are.
    pub members: usize,
    /// Whether each gets a network namespace of its own.
    pub namespaces: bool,
    /// Whether timeouts are Skerry's own defaults instead of etcd's.
    pub default_timeouts: bool,
    /// Where data directories go; none: the system's temporary folder.
    pub folder: Option<PathBuf>,
}

/// See the module.
pub struct Fleet {
    /// The processes.
    pub cluster: Cluster,
    network: Option<Network>,
    paused: Vec<bool>,
    heals: usize,
}

/// Timeouts as etcd has them by default, and logs short enough that members which were away
/// get snapshots.
fn flags(plan: &Plan) -> Vec<String> {
    let flags: &[&str] = match plan.kind {
        Kind::Etcd => &[
            "--snapshot-count=500",
            "--experimental-snapshot-catchup-entries=100",
        ],
        Kind::Skerry if plan.default_timeouts => &["--disable-apiserver"],
        Kind::Skerry => &[
            "--disable-apiserver",
            "--heartbeat-interval=100ms",
            "--election-timeout=1s",
        ],
    };
    flags.iter().map(|&flag| flag.to_owned()).collect()
}

impl Fleet {
    /// Starts all members and waits until they serve.
    ///
    /// # Errors
    /// Where the network or a member does not come up.
    pub async fn start(plan: &Plan) -> Result<Self> {
        let network = plan
            .namespaces
            .then(|| Network::create(plan.members))
            .transpose()?;
        let mut options = Options {
            flags: flags(plan),
            folder: plan.folder.clone(),
            ..Options::default()
        };
        if let Some(network) = &network {
            options.addresses = Some(Addresses::standard(network.hosts()));
            options.wrappers = network.wrappers();
        }
        let cluster = Cluster::start(plan.kind, plan.members, &options).await?;
        Ok(Self {
            cluster,
            network,
            paused: vec![false; plan.members],
            heals: 0,
        })
    }

    /// How many members there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.cluster.members.len()
    }

    /// The way to each member.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        let members = self.cluster.members.iter().enumerate();
        members
            .map(|(index, member)| Target::of(index, member))
            .collect()
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// Where the process had ended by itself, which no member may.
    pub fn kill(&mut self, index: usize) -> Result<()> {
        self.check_alive(index)?;
        self.paused[index] = false;
        self.cluster.members[index].kill()
    }

    /// SIGTERM; waits for an orderly end.
    ///
    /// # Errors
    /// Where it does not end in time.
    pub fn stop(&mut self, index: usize) -> Result<()> {
        self.check_alive(index)?;
        self.cluster.members[index]
            .terminate(STOP_DEADLINE)
            .map(drop)
    }

    /// SIGSTOP.
    ///
    /// # Errors
    /// Where the process had ended by itself.
    pub fn pause(&mut self, index: usize) -> Result<()> {
        self.check_alive(index)?;
        self.paused[index] = true;
        self.cluster.members[index].signal(Signal::SIGSTOP)
    }

    /// Changes which packets pass between members.
    ///
    /// # Errors
    /// Where the members have no network of their own.
    pub fn weather(&self, weather: &Weather) -> Result<()> {
        self.network
            .as_ref()
            .context("the members share the host's network")?
            .set(weather)
    }

    /// Cuts one member off its peers.
    ///
    /// # Errors
    /// As [`Fleet::weather`].
    pub fn isolate(&self, index: usize) -> Result<()> {
        let network = self
            .network
            .as_ref()
            .context("the members share the host's network")?;
        network.set(&network.isolation_of(index))
    }

    /// Starts what is down, continues what is paused, mends what is cut.
    ///
    /// # Errors
    /// Where a process cannot be started.
    pub fn heal(&mut self) -> Result<()> {
        if let Some(network) = &self.network {
            network.set(&Weather::Calm)?;
        }
        // Members come back in any order: another one first each time.
        self.heals += 1;
        for turn in 0..self.size() {
            let index = (turn + self.heals) % self.size();
            if std::mem::take(&mut self.paused[index]) {
                self.cluster.members[index].signal(Signal::SIGCONT)?;
            }
            if self.cluster.members[index].pid().is_none() {
                self.cluster.members[index].start()?;
            }
        }
        Ok(())
    }

    /// A member that ended although nobody killed it is a failure of its own.
    ///
    /// # Errors
    /// With the end of its log.
    pub fn check_alive(&mut self, index: usize) -> Result<()> {
        let member = &mut self.cluster.members[index];
        if member.pid().is_some() && !member.is_running() {
            bail!("{} ended by itself:\n{}", member.name, member.log_tail());
        }
        Ok(())
    }

    /// Waits until every member has taken a write and answered a linearizable read.
    ///
    /// # Errors
    /// When the deadline has passed or a member ended by itself.
    pub async fn wait_recovered(&mut self, deadline: Duration) -> Result<Duration> {
        let start = Instant::now();
        for index in 0..self.size() {
            let target = Target::of(index, &self.cluster.members[index]);
            loop {
                self.check_alive(index)?;
                let attempt = tokio::time::timeout(CONNECT_DEADLINE, probe(&target)).await;
                let error = match attempt {
                    Ok(Ok(())) => break,
                    Ok(Err(error)) => error,
                    Err(_) => {
                        println!("  member {index} let a probe wait {CONNECT_DEADLINE:?}");
                        anyhow::anyhow!("no answer within {CONNECT_DEADLINE:?}")
                    }
                };
                ensure!(
                    start.elapsed() < deadline,
                    "member {index} does not serve {deadline:?} after all was healed: {error:#}\n{}",
                    self.logs()
                );
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        }
        Ok(start.elapsed())
    }

    /// The end of every member's log.
    #[must_use]
    pub fn logs(&self) -> String {
        let logs = self.cluster.members.iter();
        logs.map(|member| format!("--- {}\n{}\n", member.name, member.log_tail()))
            .collect()
    }
}

async fn probe(target: &Target) -> Result<()> {
    let mut client = target.client().await?;
    client.put(PROBE_KEY, "", None).await.context("put")?;
    client.get(PROBE_KEY, None).await.context("get")?;
    Ok(())
}
