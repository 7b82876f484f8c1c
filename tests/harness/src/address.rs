//! Loopback addresses that no other cluster on this machine uses.
//!
//! Every cluster gets addresses of its own out of 127.0.0.0/8 and uses the standard ports on
//! them, as three boxes would: tests run beside each other without choosing ports.

use anyhow::{Result, bail};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where the members of a cluster listen: one address each, the same ports on all.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// One address a member.
    pub hosts: Vec<IpAddr>,
    /// etcd clients' port.
    pub client_port: u16,
    /// The port members use among themselves.
    pub peer_port: u16,
    /// The supervisor's and the Kubernetes API's port (Skerry only).
    pub https_port: u16,
    /// The plain metrics port (Skerry only).
    pub metrics_port: u16,
}

/// How many groups of addresses are tried before giving up.
const ATTEMPTS_MAX: u32 = 2_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Addresses {
    /// `hosts` with the standard ports.
    pub fn standard(hosts: Vec<IpAddr>) -> Self {
        Self {
            hosts,
            client_port: 2379,
            peer_port: 2380,
            https_port: 6443,
            metrics_port: 2381,
        }
    }

    /// `count` fresh loopback addresses on which the standard ports are free.
    pub fn free(count: usize) -> Result<Self> {
        for _ in 0..ATTEMPTS_MAX {
            let turn = NEXT.fetch_add(1, Ordering::Relaxed);
            // Spread the processes that run at one time; within one, count upwards.
            let group = std::process::id().wrapping_mul(97).wrapping_add(turn) % (120 * 254);
            let (high, low) = (64 + group / 254, 1 + group % 254);
            let hosts = (1..=count)
                .map(|n| IpAddr::V4(Ipv4Addr::new(127, high as u8, low as u8, n as u8)))
                .collect::<Vec<_>>();
            let addresses = Self::standard(hosts);
            if addresses.are_free() {
                return Ok(addresses);
            }
        }
        bail!("no free loopback addresses after {ATTEMPTS_MAX} attempts")
    }

    fn are_free(&self) -> bool {
        let ports = [
            self.client_port,
            self.peer_port,
            self.https_port,
            self.metrics_port,
        ];
        self.hosts.iter().all(|host| {
            ports
                .iter()
                .all(|port| TcpListener::bind((*host, *port)).is_ok())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_clusters_never_share_an_address() {
        let (one, two) = (Addresses::free(3).unwrap(), Addresses::free(3).unwrap());
        assert!(one.hosts.iter().all(|host| !two.hosts.contains(host)));
    }
}
