//! Who is at the other end of a connection.

use std::net::SocketAddr;

use rustls::pki_types::CertificateDer;

/// The other end of a connection, as the handshake showed it.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Where it connects from.
    pub address: SocketAddr,
    /// Common name of the certificate that the client proved to hold and that our authority
    /// signed; `None` on a plaintext connection, or where the certificate carries none.
    pub common_name: Option<String>,
    /// Organizations of that certificate.
    pub organizations: Vec<String>,
    /// Common name of a certificate of those that may say for whom they ask.
    pub front_proxy: Option<String>,
}

impl Peer {
    /// The end of a connection whose handshake showed this certificate chain.
    pub fn new(address: SocketAddr, chain: Option<&[CertificateDer<'_>]>) -> Peer {
        let names = chain
            .and_then(<[_]>::first)
            .and_then(|leaf| names(leaf))
            .unwrap_or_default();
        Peer {
            address,
            common_name: names.common_name,
            organizations: names.organizations,
            front_proxy: None,
        }
    }

    /// As [`Peer::new`], where the certificate may be of one authority, of the other, or of both.
    pub(crate) fn standing(
        address: SocketAddr,
        chain: Option<&[CertificateDer<'_>]>,
        standing: impl FnOnce(&[CertificateDer<'_>]) -> Standing,
    ) -> Peer {
        let peer = Peer::new(address, chain);
        let Standing { user, front_proxy } = chain.map(standing).unwrap_or_default();
        let proxy = peer.common_name.clone().filter(|_| front_proxy);
        Peer {
            front_proxy: proxy,
            ..if user { peer } else { peer.without_name() }
        }
    }

    /// The same end of the same connection, but for what its certificate says.
    #[must_use]
    pub fn without_name(&self) -> Peer {
        Peer {
            address: self.address,
            common_name: None,
            organizations: Vec::new(),
            front_proxy: None,
        }
    }
}

/// What a certificate lets its holder be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// The user that it names.
    pub user: bool,
    /// Somebody who says in each request for whom it asks.
    pub front_proxy: bool,
}

/// What the subject of a certificate says.
#[derive(Default)]
struct Names {
    common_name: Option<String>,
    organizations: Vec<String>,
}

fn names(certificate: &[u8]) -> Option<Names> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let subject = certificate.subject();
    let common_name = subject.iter_common_name().next();
    let organizations = subject.iter_organization();
    Some(Names {
        common_name: common_name
            .and_then(|name| name.as_str().ok())
            .filter(|name| !name.is_empty())
            .map(str::to_owned),
        organizations: organizations
            .filter_map(|name| name.as_str().ok())
            .map(str::to_owned)
            .collect(),
    })
}
