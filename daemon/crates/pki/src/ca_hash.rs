//! What a join token pins of a cluster: a hash that stands for one certificate.
//!
//! Knows nothing about tokens or keys. Invariant: the certificate answered with a hash is the only
//! one of the file that the hash vouches for.

use std::fmt;

use ring::digest::{SHA256, digest};
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::authority::parse_chain;
use crate::hex;
use crate::limits::FILE_BYTES_MAX;

/// What a join token pins: the SHA-256 of the server CA.
///
/// As in K3s: of the file's bytes where it holds one certificate (that is what `GET /cacerts`
/// answers), of the root's DER where the authority comes with a chain to a root.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CaHash([u8; 32]);

impl CaHash {
    /// The hash of a CA file, and the one certificate in it that the hash stands for.
    ///
    /// Whoever compared the hash may trust that certificate and no other of the file. `None`
    /// where the file holds no certificate, too many, or a chain that ends in no root.
    pub fn of_bundle(pem: &[u8]) -> Option<(CaHash, CertificateDer<'static>)> {
        if pem.len() as u64 > FILE_BYTES_MAX {
            return None;
        }
        let mut chain = parse_chain(pem).ok()?;
        if chain.len() == 1 {
            return Some((CaHash::sha256(pem), chain.remove(0)));
        }
        let root = chain.into_iter().skip(1).find(|certificate| {
            X509Certificate::from_der(certificate)
                .is_ok_and(|(_, parsed)| parsed.subject().as_raw() == parsed.issuer().as_raw())
        })?;
        Some((CaHash::sha256(&root), root))
    }

    /// From 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<CaHash> {
        hex::decode(text).map(CaHash)
    }

    fn sha256(bytes: &[u8]) -> CaHash {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
        CaHash(hash)
    }
}

impl fmt::Display for CaHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for CaHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CaHash({self})")
    }
}
