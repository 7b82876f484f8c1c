//! What lies between TCP and HTTP: TLS whose configuration may change while the server runs, or
//! nothing.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;

use crate::Standing;

/// Tells what a chain of certificates lets its holder be.
pub type Standings = dyn Fn(&[CertificateDer<'_>]) -> Standing + Send + Sync;

/// How connections are secured.
#[derive(Clone)]
pub enum Transport {
    /// Mutual TLS. Asked for the configuration at each handshake, so that a renewed certificate
    /// is used from the next connection on.
    Tls(Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>),
    /// As [`Transport::Tls`], where certificates of two authorities are shown: what each of them
    /// may be is asked of the second.
    TlsOfTwo(
        Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>,
        Arc<Standings>,
    ),
    /// No TLS: the loopback metrics port, and tests.
    Plaintext,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Tls(_) | Transport::TlsOfTwo(..) => "Tls",
            Transport::Plaintext => "Plaintext",
        })
    }
}
