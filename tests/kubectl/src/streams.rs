//! Many requests at once over one connection of HTTP/2, as client-go sends them, and connections
//! that send nothing.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Port;

/// A connection on which many requests may be under way. Clones are handles to the same one.
#[derive(Clone)]
pub struct Streams {
    send: SendRequest<Full<Bytes>>,
    authority: String,
    token: String,
}

/// An answer that goes on.
pub struct Stream(Response<Incoming>);

impl Stream {
    /// The status.
    pub fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    /// A header; nothing where it is not there.
    pub fn header(&self, name: &str) -> &str {
        let value = self.0.headers().get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// The next piece that comes; nothing at the end.
    pub async fn piece(&mut self) -> Result<Option<Bytes>> {
        loop {
            match self.0.body_mut().frame().await {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

impl Port {
    /// A connection after TLS on which nothing has been said; it is to be of HTTP/2.
    pub async fn silent(&self) -> Result<TlsStream<TcpStream>> {
        self.connect(vec![b"h2".to_vec()]).await
    }

    /// As [`Port::silent`], of HTTP/1.1.
    pub async fn silent_http1(&self) -> Result<TlsStream<TcpStream>> {
        self.connect(Vec::new()).await
    }

    async fn connect(&self, protocols: Vec<Vec<u8>>) -> Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(self.address).await?;
        let name = ServerName::IpAddress(self.address.ip().into());
        let mut config = (**self.tls.config()).clone();
        config.alpn_protocols = protocols;
        let tls = TlsConnector::from(Arc::new(config));
        Ok(tls.connect(name, tcp).await?)
    }

    /// A connection of HTTP/2.
    pub async fn streams(&self) -> Result<Streams> {
        let stream = TokioIo::new(self.silent().await?);
        let (send, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .handshake(stream)
            .await?;
        // It ends with the last handle to it.
        tokio::spawn(connection);
        Ok(Streams {
            send,
            authority: self.address.to_string(),
            token: self.token.clone().context("nobody asks")?,
        })
    }
}

impl Streams {
    /// The head of the answer to one request.
    pub async fn ask(&mut self, method: &str, path: &str, body: String) -> Result<Stream> {
        self.ask_with(method, path, body, &[]).await
    }

    /// As [`Streams::ask`], with further headers.
    pub async fn ask_with(
        &mut self,
        method: &str,
        path: &str,
        body: String,
        headers: &[(&str, &str)],
    ) -> Result<Stream> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("https://{}{path}", self.authority))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        self.send.ready().await?;
        Ok(Stream(self.send.send_request(request).await?))
    }
}
