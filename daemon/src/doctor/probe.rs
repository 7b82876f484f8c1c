//! Whether a port of another member can be reached, and if not, why.
//!
//! Shows this node's certificates and asks for nothing. Invariant: an answer is from a server of
//! this cluster, and every attempt ends within [`PROBE_TIME_MAX`].

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CertificateError, ClientConfig};
use skerry_pki::Clock;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// From the first packet to the end of the handshake.
pub(crate) const PROBE_TIME_MAX: Duration = Duration::from_secs(3);

/// What is served on a port, whatever its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Api,
    Etcd,
    Peer,
}

impl Service {
    pub(crate) const ALL: [Service; 3] = [Service::Api, Service::Etcd, Service::Peer];

    /// The port that it usually has.
    pub(crate) fn port(self) -> &'static str {
        match self {
            Service::Api => "6443",
            Service::Etcd => "2379",
            Service::Peer => "2380",
        }
    }

    /// The authority of the server's certificate, and the certificate that is shown to it.
    fn files(self) -> [&'static str; 2] {
        match self {
            Service::Api => ["server-ca", "client-admin"],
            Service::Etcd => ["etcd/server-ca", "etcd/client"],
            Service::Peer => ["etcd/peer-ca", "etcd/peer-server-client"],
        }
    }
}

/// Why a port cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    Refused,
    TimedOut,
    Unreachable(String),
    OtherCluster,
    Clock(&'static str),
    Tls(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Refused => f.write_str("refused: the host is up, and nothing listens there"),
            Trouble::TimedOut => write!(
                f,
                "timed out after {} s: the host is down, or something between drops packets",
                PROBE_TIME_MAX.as_secs()
            ),
            Trouble::Unreachable(why) => write!(f, "unreachable: {why}"),
            Trouble::OtherCluster => f.write_str(
                "it shows a certificate of another cluster: another authority signed it",
            ),
            Trouble::Clock(what) => {
                write!(
                    f,
                    "its certificate {what}: the clock of one of the two is off"
                )
            }
            Trouble::Tls(why) => write!(f, "TLS: {why}"),
        }
    }
}

/// What is shown to other members.
pub(crate) struct Probes([Arc<ClientConfig>; 3]);

impl Probes {
    /// Of the data directory of a server that has run. Reads only.
    pub(crate) fn of(data_dir: &Path) -> anyhow::Result<Probes> {
        let [api, etcd, peer] = Service::ALL.map(|service| config(data_dir, service));
        Ok(Probes([api?, etcd?, peer?]))
    }

    /// How long it takes to reach a service.
    pub(crate) async fn reach(
        &self,
        service: Service,
        address: SocketAddr,
    ) -> Result<Duration, Trouble> {
        let begun = Instant::now();
        let connector = TlsConnector::from(Arc::clone(&self.0[service as usize]));
        let connecting = async {
            let stream = TcpStream::connect(address).await?;
            let name = ServerName::IpAddress(address.ip().into());
            connector.connect(name, stream).await
        };
        match tokio::time::timeout(PROBE_TIME_MAX, connecting).await {
            Err(_) => Err(Trouble::TimedOut),
            Ok(Err(error)) => Err(trouble(&error)),
            Ok(Ok(_)) => Ok(begun.elapsed()),
        }
    }
}

fn trouble(error: &io::Error) -> Trouble {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref());
    match tls {
        Some(rustls::Error::InvalidCertificate(why)) => match why {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                Trouble::OtherCluster
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Trouble::Clock("is not valid yet")
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                Trouble::Clock("has expired")
            }
            other => Trouble::Tls(other.to_string()),
        },
        Some(other) => Trouble::Tls(other.to_string()),
        None => match error.kind() {
            io::ErrorKind::ConnectionRefused => Trouble::Refused,
            io::ErrorKind::TimedOut => Trouble::TimedOut,
            _ => Trouble::Unreachable(error.to_string()),
        },
    }
}

fn config(data_dir: &Path, service: Service) -> anyhow::Result<Arc<ClientConfig>> {
    let [authority, leaf] = service.files();
    let file = |name: &str, end: &str| data_dir.join(format!("tls/{name}.{end}"));
    let certificates = |name: &str| {
        let path = file(name, "crt");
        CertificateDer::pem_file_iter(&path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| path.display().to_string())
    };
    let mut roots = rustls::RootCertStore::empty();
    for authority in certificates(authority)? {
        roots.add(authority)?;
    }
    let path = file(leaf, "key");
    let key = PrivateKeyDer::from_pem_file(&path).with_context(|| path.display().to_string())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_details(provider, Arc::new(Clock::system()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates(leaf)?, key)
        .with_context(|| path.display().to_string())?;
    Ok(Arc::new(config))
}
