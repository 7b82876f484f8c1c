//! Who the other members are, as this server knew when it ran last: `db/peers.json`.
//!
//! Invariant: it is a note for people who look at a server that does not run; nothing else is
//! decided by it.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use serde::{Deserialize, Serialize};
use skerry_consensus::Status;

use super::probe::Service;

/// Another member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Peer {
    pub(crate) id: u64,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) peer_url: String,
    #[serde(default)]
    pub(crate) client_url: String,
}

impl Peer {
    /// The others that a server knows.
    pub(crate) fn all(status: &Status) -> Vec<Peer> {
        let others = status.members.iter();
        let others = others.filter(|(id, ..)| *id != status.member_id);
        others
            .map(|(id, member, _)| Peer {
                id: *id,
                name: member.name.clone(),
                peer_url: member.peer_urls.first().cloned().unwrap_or_default(),
                client_url: member.client_urls.first().cloned().unwrap_or_default(),
            })
            .collect()
    }

    /// Where it serves something; the port of the API is taken to be everywhere the same.
    pub(crate) fn address(&self, service: Service, api_port: u16) -> Option<SocketAddr> {
        match service {
            Service::Etcd => address(&self.client_url),
            Service::Peer => address(&self.peer_url),
            Service::Api => Some(SocketAddr::new(address(&self.peer_url)?.ip(), api_port)),
        }
    }
}

fn address(url: &str) -> Option<SocketAddr> {
    url.strip_prefix("https://")?
        .trim_end_matches('/')
        .parse()
        .ok()
}

/// Keeps them.
pub(crate) fn save(data_dir: &Path, peers: &[Peer]) -> io::Result<()> {
    let path = data_dir.join("db/peers.json");
    let new = path.with_extension("new");
    std::fs::write(&new, serde_json::to_vec(peers)?)?;
    std::fs::rename(&new, &path)
}

/// Those that were kept.
pub(crate) fn load(data_dir: &Path) -> Vec<Peer> {
    let read = std::fs::read(data_dir.join("db/peers.json"));
    let parse = |text: Vec<u8>| serde_json::from_slice(&text).ok();
    read.ok().and_then(parse).unwrap_or_default()
}
