//! What a join token pins of a cluster: a hash that stands for one certificate.
//!
//! Knows nothing about tokens or keys. Invariant: the certificate answered with a hash is the only
//! one of the file that the hash vouches for.

use std::fmt;

use ring::digest::{SHA256, digest};
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::authority::{own_length, parse_chain};
use crate::hex;
use crate::limits::FILE_BYTES_MAX;

/// What a join token pins: the SHA-256 of the server CA.
///
/// As in K3s: of the file's bytes where it holds one certificate (that is what `GET /cacerts`
/// answers), of the DER of its root where it holds more: a chain to a root, or earlier authorities.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CaHash([u8; 32]);

const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const PEM_END: &str = "-----END CERTIFICATE-----\n";

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
        let root = chain.swap_remove(own_length(&chain) - 1);
        let is_root = X509Certificate::from_der(&root)
            .is_ok_and(|(_, parsed)| parsed.subject().as_raw() == parsed.issuer().as_raw());
        is_root.then(|| (CaHash::sha256(&root), root))
    }

    /// The certificate of a CA file that this hash stands for: also one that has signed before, as
    /// long as the file holds it.
    pub fn certificate_in(self, pem: &[u8]) -> Option<CertificateDer<'static>> {
        match CaHash::of_bundle(pem) {
            Some((hash, certificate)) if hash == self => return Some(certificate),
            found => found?,
        };
        let text = std::str::from_utf8(pem).ok()?;
        let mut blocks = text.split_inclusive(PEM_END);
        blocks.find_map(|block| {
            let block = &block[block.find(PEM_BEGIN)?..];
            let certificate = parse_chain(block.as_bytes()).ok()?.pop()?;
            let alone = CaHash::sha256(block.as_bytes());
            (alone == self || CaHash::sha256(&certificate) == self).then_some(certificate)
        })
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
