//! Servers whose state is in the real etcd.

use std::time::Duration;

use skerry_tests_harness::{Cluster, Kind, Options, eventually, kubectl_binary};

use crate::{Ended, Servers};

/// How long servers on etcd may take for anything: a lease that nobody keeps ends after 15 s.
pub const ON_ETCD_DEADLINE: Duration = Duration::from_secs(90);

/// The flags that name `etcd`.
pub fn flags_of(etcd: &Cluster) -> Vec<String> {
    let mut flags = vec![format!(
        "--datastore-endpoint={}",
        etcd.endpoints().join(",")
    )];
    if let Some(credentials) = etcd.credentials() {
        for (name, path) in [
            ("cafile", &credentials.server_ca),
            ("certfile", &credentials.certificate),
            ("keyfile", &credentials.key),
        ] {
            flags.push(format!("--datastore-{name}={}", path.display()));
        }
    }
    flags
}

impl Servers {
    /// Prepares some and starts none of them.
    pub fn prepare_on_etcd(etcd: &Cluster, size: usize) -> Servers {
        let options = Options {
            kubernetes: true,
            flags: flags_of(etcd),
            ..Options::default()
        };
        let mut cluster = Cluster::prepare(Kind::Skerry, size, &options).unwrap();
        for member in &mut cluster.members {
            // They find each other in etcd.
            let is_list = |word: &std::ffi::OsString| {
                word.to_str()
                    .is_some_and(|word| word.starts_with("--server="))
            };
            member.command.retain(|word| !is_list(word));
        }
        Servers {
            cluster,
            kubectl: kubectl_binary().unwrap(),
        }
    }

    /// Starts some, all at once, and waits until they serve.
    pub fn start_on_etcd(etcd: &Cluster, size: usize) -> Servers {
        let mut servers = Servers::prepare_on_etcd(etcd, size);
        for member in &mut servers.cluster.members {
            member.start().unwrap();
        }
        for member in 0..size {
            servers.patiently(member, &["get", "configmap/kube-root-ca.crt"], |ended| {
                ended.ok
            });
        }
        servers
    }

    /// Runs kubectl until it ends as it should, for as long as a lease may take to end.
    pub fn patiently(
        &self,
        member: usize,
        arguments: &[&str],
        mut wanted: impl FnMut(&Ended) -> bool,
    ) -> Ended {
        let waited = eventually(&format!("kubectl {arguments:?}"), ON_ETCD_DEADLINE, || {
            let ended = self.run_on(member, arguments, "");
            anyhow::ensure!(wanted(&ended), "{ended:?}");
            Ok(ended)
        });
        waited.unwrap_or_else(|error| {
            panic!("{error:#}\n{}", self.cluster.members[member].log_tail())
        })
    }
}
