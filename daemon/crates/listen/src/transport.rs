//! What lies between TCP and HTTP: TLS whose configuration may change while the server runs, or
//! nothing.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;

/// How connections are secured.
#[derive(Clone)]
pub enum Transport {
    /// Mutual TLS. Asked for the configuration at each handshake, so that a renewed certificate
    /// is used from the next connection on.
    Tls(Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>),
    /// No TLS: the loopback metrics port, and tests.
    Plaintext,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Tls(_) => "Tls",
            Transport::Plaintext => "Plaintext",
        })
    }
}
