//! A certificate in use that can be replaced while connections come and go.
//!
//! TLS configurations hold this instead of the certificate, so a renewal reaches every handshake
//! that begins after it and disturbs none that is under way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::leaf::IssuedLeaf;

/// The current certificate of one kind, and when it ends.
#[derive(Debug)]
pub struct LiveCertificate {
    current: RwLock<Arc<CertifiedKey>>,
    not_after: AtomicU64,
}

impl LiveCertificate {
    pub(crate) fn new(leaf: &IssuedLeaf) -> Result<LiveCertificate, rustls::Error> {
        Ok(LiveCertificate {
            current: RwLock::new(certified(leaf)?),
            not_after: AtomicU64::new(leaf.not_after),
        })
    }

    pub(crate) fn replace(&self, leaf: &IssuedLeaf) -> Result<(), rustls::Error> {
        let certified = certified(leaf)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = certified;
        self.not_after.store(leaf.not_after, Ordering::Relaxed);
        Ok(())
    }

    /// When it ends, in Unix seconds.
    pub fn not_after(&self) -> u64 {
        self.not_after.load(Ordering::Relaxed)
    }

    pub(crate) fn current(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn certified(leaf: &IssuedLeaf) -> Result<Arc<CertifiedKey>, rustls::Error> {
    let key = any_supported_type(&leaf.key)?;
    Ok(Arc::new(CertifiedKey::new(leaf.chain.clone(), key)))
}

impl ResolvesServerCert for LiveCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl ResolvesClientCert for LiveCertificate {
    fn resolve(&self, _roots: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
