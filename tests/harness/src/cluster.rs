//! A cluster of one or more members of one kind, from its first start to the end of the test.

use crate::address::Addresses;
use crate::connect::Client;
use crate::credentials::Credentials;
use crate::member::Member;
use crate::wait::eventually_async;
use crate::{etcd, skerry};
use anyhow::{Context, Result, bail, ensure};
use skerry_proto::etcdserverpb as pb;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tonic::Code;

/// Which server the members run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The real etcd.
    Etcd,
    /// The binary under test.
    Skerry,
}

/// How a cluster is started; the default is what a user gets.
#[derive(Debug, Clone)]
pub struct Options {
    /// Added to every member's command line.
    pub flags: Vec<String>,
    /// Added to every member's environment.
    pub environment: Vec<(String, String)>,
    /// The text of every Skerry member's configuration file.
    pub config: String,
    /// Where the members listen; none: fresh loopback addresses.
    pub addresses: Option<Addresses>,
    /// Put before the command of each member, such as `ip netns exec name`.
    pub wrappers: Vec<Vec<String>>,
    /// Serve the Kubernetes API too; without it nothing but the test writes to the datastore.
    pub kubernetes: bool,
    /// Mutual TLS, also for the real etcd. Skerry always has it.
    pub tls: bool,
    /// The common name in the client's certificate for the real etcd.
    pub client_common_name: String,
    /// The folder to make the cluster's own temporary folder in; none: the system's.
    pub folder: Option<std::path::PathBuf>,
    /// The members' binary; none: the one that is found (see `etcd_binary`, `skerry_binary`).
    pub binary: Option<std::path::PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            flags: Vec::new(),
            environment: Vec::new(),
            config: String::new(),
            addresses: None,
            wrappers: Vec::new(),
            kubernetes: false,
            tls: true,
            client_common_name: "etcd-client".into(),
            folder: None,
            binary: None,
        }
    }
}

/// How long a member may take until it serves, on a machine that is busy with other tests.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// See the module. Everything ends when it is dropped.
pub struct Cluster {
    /// What the members run.
    pub kind: Kind,
    /// In the order they were started first.
    pub members: Vec<Member>,
    /// Where they listen.
    pub addresses: Addresses,
    // Dropped after the members.
    folder: Option<TempDir>,
}

impl Cluster {
    /// Prepares `size` members and starts none of them.
    pub fn prepare(kind: Kind, size: usize, options: &Options) -> Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("skerry-test-");
        let folder = match &options.folder {
            Some(parent) => builder.tempdir_in(parent)?,
            None => builder.tempdir()?,
        };
        let addresses = match &options.addresses {
            Some(addresses) => addresses.clone(),
            None => Addresses::free(size)?,
        };
        ensure!(
            addresses.hosts.len() == size,
            "{size} members need {size} addresses"
        );
        let members = match kind {
            Kind::Etcd => etcd::members(folder.path(), &addresses, options)?,
            Kind::Skerry => skerry::members(folder.path(), &addresses, options)?,
        };
        Ok(Self {
            kind,
            members,
            addresses,
            folder: Some(folder),
        })
    }

    /// Starts `size` members and waits until all of them serve as voters.
    pub async fn start(kind: Kind, size: usize, options: &Options) -> Result<Self> {
        let mut cluster = Self::prepare(kind, size, options)?;
        cluster.form().await?;
        Ok(cluster)
    }

    /// The first start of all members.
    pub async fn form(&mut self) -> Result<()> {
        match self.kind {
            Kind::Etcd => {
                for member in &mut self.members {
                    member.start()?;
                }
            }
            Kind::Skerry => {
                // The others are answered by the first, which must have its authorities.
                for index in 0..self.members.len() {
                    self.members[index].start()?;
                    if index == 0 {
                        self.wait_ready(0).await?;
                    }
                }
            }
        }
        self.wait_all_ready().await
    }

    /// Waits until every member answers linearizable reads and none is a learner.
    pub async fn wait_all_ready(&mut self) -> Result<()> {
        for index in 0..self.members.len() {
            self.wait_ready(index).await?;
        }
        self.wait_voters(self.members.len()).await
    }

    /// Waits until one member answers linearizable reads; fails at once when its process ends.
    pub async fn wait_ready(&mut self, index: usize) -> Result<()> {
        let until = std::time::Instant::now() + READY_DEADLINE;
        loop {
            let member = &mut self.members[index];
            if !member.is_running() {
                bail!(
                    "{} ended before it served:\n{}",
                    member.name,
                    member.log_tail()
                );
            }
            let step = Duration::from_millis(500);
            match eventually_async(&member.name, step, || serves(member)).await {
                Ok(()) => return Ok(()),
                Err(error) if std::time::Instant::now() >= until => {
                    return Err(error.context(format!(
                        "{} does not serve after {READY_DEADLINE:?}:\n{}",
                        member.name,
                        member.log_tail()
                    )));
                }
                Err(_) => {}
            }
        }
    }

    /// Waits until the cluster has `count` voters and no learner.
    pub async fn wait_voters(&self, count: usize) -> Result<()> {
        let outcome = eventually_async("every member votes", READY_DEADLINE, || async {
            let mut client = self.members[0].client()?;
            let response = client
                .cluster
                .member_list(pb::MemberListRequest { linearizable: true });
            let members = match response.await {
                Ok(response) => response.into_inner().members,
                // With authentication on, nobody without a token is told; it was formed before.
                Err(status) if is_about_auth(&status) => return Ok(()),
                Err(status) => return Err(status.into()),
            };
            let voters = members.iter().filter(|member| !member.is_learner).count();
            ensure!(voters == count && members.len() == count, "{members:?}");
            Ok(())
        });
        outcome.await.with_context(|| self.members[0].log_tail())
    }

    /// Starts one member again and waits until it serves.
    pub async fn restart(&mut self, index: usize) -> Result<()> {
        self.members[index].start()?;
        self.wait_ready(index).await
    }

    /// The index of the member that leads, as the members see it.
    pub async fn leader(&self) -> Result<usize> {
        eventually_async("a leader is known", READY_DEADLINE, || async {
            for (index, member) in self.members.iter().enumerate() {
                let Ok(mut client) = member.client() else {
                    continue;
                };
                let request = client.maintenance.status(pb::StatusRequest {});
                let Ok(Ok(status)) = tokio::time::timeout(Duration::from_secs(1), request).await
                else {
                    continue;
                };
                let status = status.into_inner();
                let own = status.header.unwrap_or_default().member_id;
                if status.leader != 0 && status.leader == own {
                    return Ok(index);
                }
            }
            bail!("no member says it leads")
        })
        .await
    }

    /// What clients authenticate with (those of the first member).
    pub fn credentials(&self) -> Option<&Credentials> {
        self.members[0].credentials.as_ref()
    }

    /// The client URLs of all members.
    pub fn endpoints(&self) -> Vec<String> {
        self.members.iter().map(Member::client_url).collect()
    }

    /// All services of one member, without a token.
    pub fn client(&self, index: usize) -> Result<Client> {
        self.members[index].client()
    }

    /// The cluster's own folder: data directories, logs, certificates.
    pub fn folder(&self) -> &Path {
        self.folder.as_ref().expect("kept until the drop").path()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.members.clear();
        let keep = std::env::var_os("SKERRY_TESTS_KEEP").is_some();
        if let Some(folder) = self.folder.take_if(|_| keep) {
            eprintln!("kept {}", folder.keep().display());
        }
    }
}

async fn serves(member: &Member) -> Result<()> {
    let request = pb::RangeRequest {
        key: "ready".into(),
        ..Default::default()
    };
    match member.client()?.kv.range(request).await {
        Ok(_) => Ok(()),
        Err(status) if is_about_auth(&status) => Ok(()),
        Err(status) => Err(status.into()),
    }
}

/// etcd's answer to a request without a user, once authentication is on.
fn is_about_auth(status: &tonic::Status) -> bool {
    matches!(
        status.code(),
        Code::PermissionDenied | Code::Unauthenticated
    ) || status.message().contains("user name is empty")
}
