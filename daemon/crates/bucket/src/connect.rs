//! A connection to the store: direct or through a proxy, plain or over TLS.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::error::{BucketError, Place};
use crate::limits::CONNECT_TIME_MAX;
use crate::proxy::Proxy;

/// What bytes go over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

/// How the store is reached.
pub(crate) struct Way {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// None: plain HTTP.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) proxy: Option<Proxy>,
}

impl Way {
    /// Connects, within a time.
    pub(crate) async fn connect(&self, place: &Place) -> Result<Pin<Box<dyn Stream>>, BucketError> {
        let connecting = self.connect_untimed(place);
        let connected = tokio::time::timeout(CONNECT_TIME_MAX, connecting).await;
        connected.unwrap_or_else(|_| {
            Err(BucketError::Connect {
                place: place.clone(),
                cause: io::ErrorKind::TimedOut.into(),
            })
        })
    }

    async fn connect_untimed(&self, place: &Place) -> Result<Pin<Box<dyn Stream>>, BucketError> {
        let place = || place.clone();
        let target = format!("{}:{}", self.host, self.port);
        let stream = match &self.proxy {
            None => TcpStream::connect(&target)
                .await
                .map_err(|cause| BucketError::Connect {
                    place: place(),
                    cause,
                })?,
            Some(proxy) => {
                let failed = |what| BucketError::Proxy {
                    place: place(),
                    proxy: proxy.address.clone(),
                    what,
                };
                let stream = TcpStream::connect(&proxy.address).await;
                let mut stream = stream.map_err(|error| failed(error.to_string()))?;
                proxy.tunnel(&mut stream, &target).await.map_err(failed)?;
                stream
            }
        };
        let Some(tls) = &self.tls else {
            return Ok(Box::pin(stream));
        };
        let failed = |cause| BucketError::Tls {
            place: place(),
            cause,
        };
        let name = self.host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(name.to_owned());
        let name = name.map_err(|error| failed(io::Error::other(error)))?;
        let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream);
        Ok(Box::pin(stream.await.map_err(failed)?))
    }
}
