//! Who this node is, as its certificates say it.
//!
//! Knows nothing about files or keys. Invariant: an identity that passed [`Identity::check`]
//! can stand in a certificate.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::PkiError;
use crate::limits::{NODE_NAME_BYTES_MAX, TLS_SANS_MAX};

/// A name or address that a certificate is valid for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum San {
    Dns(String),
    Ip(IpAddr),
}

/// The names and addresses of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The node's name.
    pub node_name: String,
    /// Addresses at which the node is reached.
    pub node_ips: Vec<IpAddr>,
    /// More names and addresses of the API server (`--tls-san`).
    pub tls_sans: Vec<String>,
    /// The first address of each service network, which is the `kubernetes` service's.
    pub service_ips: Vec<IpAddr>,
    /// Domain of the cluster's services.
    pub cluster_domain: String,
}

impl Identity {
    /// An identity with K3s's defaults for the service network and domain.
    pub fn new(node_name: impl Into<String>, node_ips: Vec<IpAddr>) -> Identity {
        Identity {
            node_name: node_name.into(),
            node_ips,
            tls_sans: Vec::new(),
            service_ips: vec![IpAddr::V4(Ipv4Addr::new(10, 43, 0, 1))],
            cluster_domain: "cluster.local".to_owned(),
        }
    }

    /// Refuses what no certificate could carry.
    pub(crate) fn check(&self) -> Result<(), PkiError> {
        check_name(&self.node_name)?;
        check_name(&self.cluster_domain)?;
        if self.tls_sans.len() > TLS_SANS_MAX {
            return Err(PkiError::Name {
                name: self.tls_sans[TLS_SANS_MAX].clone(),
                reason: format!("more than {TLS_SANS_MAX} names in tls-san"),
            });
        }
        self.tls_sans.iter().try_for_each(|name| check_name(name))
    }

    /// Where every port of this node is found.
    pub(crate) fn node_sans(&self) -> BTreeSet<San> {
        let mut sans = BTreeSet::from([
            San::Dns("localhost".to_owned()),
            San::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            San::Ip(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        ]);
        sans.extend(self.node_ips.iter().copied().map(San::Ip));
        sans.insert(san_of(&self.node_name));
        sans
    }

    /// Where the Kubernetes API is found, from outside and from inside the cluster.
    pub(crate) fn api_sans(&self) -> BTreeSet<San> {
        let mut sans = self.node_sans();
        sans.extend(self.service_ips.iter().copied().map(San::Ip));
        for name in ["kubernetes", "kubernetes.default", "kubernetes.default.svc"] {
            sans.insert(San::Dns(name.to_owned()));
        }
        sans.insert(San::Dns(format!(
            "kubernetes.default.svc.{}",
            self.cluster_domain
        )));
        sans.extend(self.tls_sans.iter().map(|name| san_of(name)));
        sans
    }
}

fn san_of(name: &str) -> San {
    name.parse()
        .map_or_else(|_| San::Dns(name.to_owned()), San::Ip)
}

fn check_name(name: &str) -> Result<(), PkiError> {
    let reason = if name.is_empty() {
        "it is empty".to_owned()
    } else if name.len() > NODE_NAME_BYTES_MAX {
        format!("it is longer than {NODE_NAME_BYTES_MAX} bytes")
    } else if let Some(bad) = name.chars().find(|c| !c.is_ascii_graphic()) {
        format!("character {bad:?} is not allowed")
    } else {
        return Ok(());
    };
    Err(PkiError::Name {
        name: name.to_owned(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity::new("edge-1", vec!["192.0.2.7".parse().unwrap()])
    }

    #[test]
    fn the_api_server_is_found_by_all_the_names_of_the_kubernetes_service() {
        let sans = identity().api_sans();
        for name in [
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "localhost",
            "edge-1",
        ] {
            assert!(sans.contains(&San::Dns(name.to_owned())), "{name}");
        }
        for address in ["127.0.0.1", "::1", "192.0.2.7", "10.43.0.1"] {
            assert!(
                sans.contains(&San::Ip(address.parse().unwrap())),
                "{address}"
            );
        }
    }

    #[test]
    fn a_tls_san_is_an_address_where_it_reads_as_one() {
        let mut identity = identity();
        identity.tls_sans = vec!["203.0.113.9".into(), "api.example.com".into()];
        let sans = identity.api_sans();
        assert!(sans.contains(&San::Ip("203.0.113.9".parse().unwrap())));
        assert!(sans.contains(&San::Dns("api.example.com".into())));
        assert!(
            !identity
                .node_sans()
                .contains(&San::Dns("api.example.com".into()))
        );
    }

    #[test]
    fn names_that_no_certificate_can_carry_are_refused() {
        let cases = [
            String::new(),
            "two words".into(),
            "new\nline".into(),
            "caf\u{e9}".into(),
            "a".repeat(NODE_NAME_BYTES_MAX + 1),
        ];
        for name in cases {
            let mut identity = identity();
            identity.tls_sans = vec![name.clone()];
            assert!(
                matches!(identity.check(), Err(PkiError::Name { .. })),
                "{name:?}"
            );
        }
        let mut longest = identity();
        longest.node_name = "a".repeat(NODE_NAME_BYTES_MAX);
        assert!(longest.check().is_ok());
    }

    #[test]
    fn more_sans_than_the_limit_are_refused() {
        let mut identity = identity();
        identity.tls_sans = vec!["a".into(); TLS_SANS_MAX];
        assert!(identity.check().is_ok());
        identity.tls_sans.push("a".into());
        assert!(identity.check().is_err());
    }
}
