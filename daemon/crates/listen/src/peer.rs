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
}

impl Peer {
    /// The end of a connection whose handshake showed this certificate chain.
    pub fn new(address: SocketAddr, chain: Option<&[CertificateDer<'_>]>) -> Peer {
        let common_name = chain
            .and_then(<[_]>::first)
            .and_then(|leaf| common_name(leaf));
        Peer {
            address,
            common_name,
        }
    }

    /// The same end of the same connection, but for what its certificate says.
    #[must_use]
    pub fn without_name(&self) -> Peer {
        Peer {
            address: self.address,
            common_name: None,
        }
    }
}

fn common_name(certificate: &[u8]) -> Option<String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let name = certificate.subject().iter_common_name().next()?;
    name.as_str()
        .ok()
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
}
