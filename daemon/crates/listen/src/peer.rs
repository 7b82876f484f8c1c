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
        }
    }

    /// The same end of the same connection, but for what its certificate says.
    #[must_use]
    pub fn without_name(&self) -> Peer {
        Peer {
            address: self.address,
            common_name: None,
            organizations: Vec::new(),
        }
    }
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
