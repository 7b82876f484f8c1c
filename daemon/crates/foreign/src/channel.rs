//! Connections to the members of a foreign etcd: one at a time, the next one when it fails.
//!
//! Knows nothing about what is asked. Invariant: a channel connects when it is used, so that a
//! server starts whether or not etcd is up.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};

use crate::limits::{KEEP_ALIVE, PROBE_TIME_MAX};

/// What TLS is spoken with. Asked for each connection: certificates are renewed while servers run.
pub type Tls = Arc<dyn Fn() -> io::Result<Arc<rustls::ClientConfig>> + Send + Sync>;

/// An endpoint that is none.
#[derive(Debug, thiserror::Error)]
#[error("{endpoint}: {reason}")]
#[allow(missing_docs)]
pub struct EndpointError {
    pub endpoint: String,
    pub reason: String,
}

/// The members, and which of them is asked.
#[derive(Debug)]
pub struct Members {
    channels: Vec<Channel>,
    current: AtomicUsize,
}

impl Members {
    /// `endpoints` as `http://host:port` or `https://host:port`; `tls` is what those with https
    /// are spoken to with.
    pub fn new(endpoints: &[String], tls: &Tls) -> Result<Members, EndpointError> {
        let channels = endpoints.iter().map(|endpoint| {
            lazy(endpoint, tls).map_err(|reason| EndpointError {
                endpoint: endpoint.clone(),
                reason,
            })
        });
        let channels = channels.collect::<Result<Vec<_>, _>>()?;
        if channels.is_empty() {
            return Err(EndpointError {
                endpoint: String::new(),
                reason: "no endpoint is given".into(),
            });
        }
        Ok(Members {
            channels,
            current: AtomicUsize::new(0),
        })
    }

    /// The channel to ask.
    pub(crate) fn channel(&self) -> Channel {
        let current = self.current.load(Ordering::Acquire);
        self.channels[current % self.channels.len()].clone()
    }

    /// Asks the next member from now on.
    pub(crate) fn move_on(&self) {
        self.current.fetch_add(1, Ordering::AcqRel);
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

fn lazy(endpoint: &str, tls: &Tls) -> Result<Channel, String> {
    let uri: Uri = endpoint.parse().map_err(|_| "not a URL".to_owned())?;
    let host = uri.host().ok_or("a URL without a host")?;
    let host = host.trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(2379);
    let tls = match uri.scheme_str() {
        Some("http") => None,
        Some("https") => {
            let name = ServerName::try_from(host.clone()).map_err(|error| error.to_string())?;
            Some((Arc::clone(tls), name))
        }
        _ => return Err("neither http nor https".into()),
    };
    let authority = uri.authority().ok_or("a URL without a host")?;
    // The scheme is http for tonic: TLS is spoken below it, by the connector.
    let endpoint = Endpoint::from_shared(format!("http://{authority}"))
        .map_err(|error| error.to_string())?
        .connect_timeout(PROBE_TIME_MAX)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(PROBE_TIME_MAX);
    let open = tower::service_fn(move |_: Uri| {
        let (host, tls) = (host.clone(), tls.clone());
        async move {
            let stream = TcpStream::connect((host.as_str(), port)).await?;
            stream.set_nodelay(true)?;
            let stream: Box<dyn Stream> = match tls {
                None => Box::new(stream),
                Some((tls, name)) => {
                    let mut config = rustls::ClientConfig::clone(&*tls()?);
                    config.alpn_protocols = vec![b"h2".to_vec()];
                    let connector = TlsConnector::from(Arc::new(config));
                    Box::new(connector.connect(name, stream).await?)
                }
            };
            io::Result::Ok(TokioIo::new(stream))
        }
    });
    Ok(endpoint.connect_with_connector_lazy(open))
}
