//! The command line of the real etcd.

use crate::address::Addresses;
use crate::cluster::Options;
use crate::credentials::{Authority, Credentials};
use crate::member::Member;
use crate::peers::etcd_binary;
use anyhow::Result;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

/// Members that form one new cluster.
pub(crate) fn members(
    folder: &Path,
    addresses: &Addresses,
    options: &Options,
) -> Result<Vec<Member>> {
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => etcd_binary()?,
    };
    let scheme = if options.tls { "https" } else { "http" };
    let tls = options
        .tls
        .then(|| -> Result<_> {
            let authority = Authority::create(&folder.join("tls"))?;
            let server = authority.issue("server", "server", &server_addresses(addresses))?;
            let client = authority.issue("client", &options.client_common_name, &[])?;
            Ok((server, client))
        })
        .transpose()?;
    let names = (1..=addresses.hosts.len())
        .map(|n| format!("m{n}"))
        .collect::<Vec<_>>();
    let initial = std::iter::zip(&names, &addresses.hosts)
        .map(|(name, host)| format!("{name}={scheme}://{host}:{}", addresses.peer_port))
        .collect::<Vec<_>>()
        .join(",");
    let mut members = Vec::new();
    for (name, host) in std::iter::zip(names, &addresses.hosts) {
        let data_dir = folder.join(&name);
        let client = format!("{scheme}://{host}:{}", addresses.client_port);
        let peer = format!("{scheme}://{host}:{}", addresses.peer_port);
        let mut command: Vec<OsString> = vec![binary.clone().into()];
        let mut flag = |name: &str, value: &str| command.push(format!("--{name}={value}").into());
        flag("name", &name);
        flag("data-dir", &data_dir.display().to_string());
        flag("listen-client-urls", &client);
        flag("advertise-client-urls", &client);
        flag("listen-peer-urls", &peer);
        flag("initial-advertise-peer-urls", &peer);
        flag("initial-cluster", &initial);
        flag("initial-cluster-token", &folder.display().to_string());
        flag("initial-cluster-state", "new");
        flag("bcrypt-cost", "4");
        flag("logger", "zap");
        if let Some((server, client)) = &tls {
            for (prefix, authority) in [("", &client.server_ca), ("peer-", &server.server_ca)] {
                flag(
                    &format!("{prefix}cert-file"),
                    &server.certificate.display().to_string(),
                );
                flag(
                    &format!("{prefix}key-file"),
                    &server.key.display().to_string(),
                );
                flag(
                    &format!("{prefix}trusted-ca-file"),
                    &authority.display().to_string(),
                );
                flag(&format!("{prefix}client-cert-auth"), "true");
            }
        }
        command.extend(options.flags.iter().map(OsString::from));
        members.push(Member {
            client_address: SocketAddr::new(*host, addresses.client_port),
            peer_address: SocketAddr::new(*host, addresses.peer_port),
            log: folder.join(format!("{name}.log")),
            credentials: tls
                .as_ref()
                .map(|(_, client): &(Credentials, _)| client.clone()),
            wrapper: options
                .wrappers
                .get(members.len())
                .cloned()
                .unwrap_or_default(),
            environment: options.environment.clone(),
            name,
            data_dir,
            command,
            process: None,
        });
    }
    Ok(members)
}

/// The members' addresses, and the one that connections between loopback addresses come from:
/// etcd looks for a peer's address in the certificate of the peer.
fn server_addresses(addresses: &Addresses) -> Vec<IpAddr> {
    let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
    addresses.hosts.iter().copied().chain([source]).collect()
}
