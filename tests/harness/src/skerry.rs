//! The command line of Skerry.

use crate::address::Addresses;
use crate::cluster::Options;
use crate::credentials::Credentials;
use crate::member::Member;
use crate::peers::skerry_binary;
use anyhow::Result;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;

/// The password that the members of a test's cluster join with.
pub(crate) const TOKEN: &str = "the-token-of-a-test";

/// The first member forms a cluster; the others join through it.
pub(crate) fn members(
    folder: &Path,
    addresses: &Addresses,
    options: &Options,
) -> Result<Vec<Member>> {
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => skerry_binary()?,
    };
    let mut members = Vec::new();
    for (index, host) in addresses.hosts.iter().enumerate() {
        let name = format!("m{}", index + 1);
        let data_dir = folder.join(&name);
        let mut command: Vec<OsString> = vec![binary.clone().into(), "server".into()];
        let mut flag = |name: &str, value: &str| command.push(format!("--{name}={value}").into());
        flag(
            "config",
            &folder.join(format!("{name}.yaml")).display().to_string(),
        );
        flag("data-dir", &data_dir.display().to_string());
        flag("bind-address", &host.to_string());
        flag("node-ip", &host.to_string());
        flag("advertise-address", &host.to_string());
        flag("node-name", &name);
        flag("https-listen-port", &addresses.https_port.to_string());
        flag("etcd-client-port", &addresses.client_port.to_string());
        flag("etcd-peer-port", &addresses.peer_port.to_string());
        flag("etcd-metrics-port", &addresses.metrics_port.to_string());
        flag("token", TOKEN);
        flag(
            "write-kubeconfig",
            &folder
                .join(format!("{name}.kubeconfig"))
                .display()
                .to_string(),
        );
        if index > 0 {
            flag(
                "server",
                &format!("https://{}:{}", addresses.hosts[0], addresses.https_port),
            );
        }
        // A test that runs at noon sees what it sees at any other time.
        let is_about_snapshots = |flag: &String| flag.contains("-snapshot");
        if !options.flags.iter().any(is_about_snapshots) {
            flag("etcd-disable-snapshots", "true");
        }
        const DATASTORE_ONLY: &str = "--disable-apiserver";
        if !options.kubernetes && !options.flags.iter().any(|flag| flag == DATASTORE_ONLY) {
            command.push(DATASTORE_ONLY.into());
        }
        command.extend(options.flags.iter().map(OsString::from));
        std::fs::write(folder.join(format!("{name}.yaml")), &options.config)?;
        members.push(Member {
            client_address: SocketAddr::new(*host, addresses.client_port),
            peer_address: SocketAddr::new(*host, addresses.peer_port),
            log: folder.join(format!("{name}.log")),
            credentials: Some(Credentials::of_data_dir(&data_dir)),
            wrapper: options.wrappers.get(index).cloned().unwrap_or_default(),
            environment: options.environment.clone(),
            name,
            data_dir,
            command,
            process: None,
        });
    }
    Ok(members)
}
