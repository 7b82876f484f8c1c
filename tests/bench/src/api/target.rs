//! The server that is measured, from its start with an empty directory to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use skerry_tests_harness::{Cluster, Credentials, Kind, Options, eventually_async};

use super::client::{Address, CONNECTIONS, Call, Client};
use super::objects;
use super::settings::Settings;
use crate::driver::Driver;

/// Clients that fill the store before anything is measured.
const LOADERS: usize = 32;

/// How long the server may take until it serves.
const READY_DEADLINE: Duration = Duration::from_secs(30);

/// See the module.
pub(crate) struct Target {
    cluster: Cluster,
}

impl Target {
    /// A server that is not started.
    pub(crate) fn prepare(settings: &Settings) -> Result<Target> {
        let options = Options {
            kubernetes: true,
            binary: settings.skerry.clone(),
            folder: settings.folder.clone(),
            ..Options::default()
        };
        let cluster = Cluster::prepare(Kind::Skerry, 1, &options)?;
        Ok(Target { cluster })
    }

    /// A server that is ready and has the namespace of the objects.
    pub(crate) async fn start(settings: &Settings) -> Result<Target> {
        let mut target = Target::prepare(settings)?;
        target.exec()?;
        let address = target.address();
        eventually_async("the server is ready", READY_DEADLINE, || async {
            let mut client = Client::connect(&address).await?;
            client.exchange(Call::get("/readyz")).await?;
            // The first roles and namespaces are written a moment later.
            let path = "/api/v1/namespaces/kube-system";
            client.exchange(Call::get(path)).await
        })
        .await?;
        let mut client = Client::connect(&address).await?;
        client
            .exchange(objects::namespace(objects::NAMESPACE))
            .await?;
        Ok(target)
    }

    pub(crate) fn exec(&mut self) -> Result<()> {
        self.cluster.members[0].start()
    }

    pub(crate) fn pids(&self) -> Result<[u32; 1]> {
        let pid = self.cluster.members[0].pid();
        Ok([pid.context("the server has no process")?])
    }

    pub(crate) fn address(&self) -> Address {
        let tls = self.cluster.members[0].data_dir.join("tls");
        let addresses = &self.cluster.addresses;
        Address {
            address: SocketAddr::new(addresses.hosts[0], addresses.https_port),
            credentials: Credentials {
                server_ca: tls.join("server-ca.crt"),
                certificate: tls.join("client-admin.crt"),
                key: tls.join("client-admin.key"),
            },
        }
    }

    /// Connections, each on the thread of the driver that a client of its number runs on.
    pub(crate) async fn connect(&self, driver: &Driver) -> Result<Vec<Client>> {
        let mut clients = Vec::new();
        for number in 0..CONNECTIONS {
            let address = self.address();
            let connecting =
                driver.spawn_on(number, async move { Client::connect(&address).await });
            clients.push(connecting.await??);
        }
        Ok(clients)
    }

    /// How often the log's thread has written: each write is durable and holds all that waited.
    pub(crate) fn syncs(&self) -> Result<f64> {
        let tasks = format!("/proc/{}/task", self.pids()?[0]);
        for task in std::fs::read_dir(tasks)? {
            let task = task?.path();
            if std::fs::read_to_string(task.join("comm"))?.trim() == "log" {
                let counts = std::fs::read_to_string(task.join("io"))?;
                let mut lines = counts.lines();
                let count = lines.find_map(|line| line.strip_prefix("syscw: "));
                return Ok(count.context("no syscw of a thread")?.parse()?);
            }
        }
        anyhow::bail!("the server has no thread that writes the log")
    }

    /// Sends the calls of `make`, from `from` up to `until`, by many clients.
    pub(crate) async fn fill(
        &self,
        driver: &Driver,
        range: std::ops::Range<usize>,
        make: impl Fn(usize) -> Call + Send + Sync + 'static,
    ) -> Result<()> {
        let clients = self.connect(driver).await?;
        let make = Arc::new(make);
        let mut loaders = Vec::new();
        for loader in 0..LOADERS {
            let at = loader % CONNECTIONS;
            let (mut client, make) = (clients[at].clone(), Arc::clone(&make));
            let mine = range.clone().skip(loader).step_by(LOADERS);
            loaders.push(driver.spawn_on(at, async move {
                for number in mine {
                    client.exchange(make(number)).await?;
                }
                anyhow::Ok(())
            }));
        }
        for loader in loaders {
            loader.await??;
        }
        Ok(())
    }
}
