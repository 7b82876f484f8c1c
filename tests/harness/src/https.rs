//! HTTP/1.1 over mutual TLS, as curl speaks it: for the JSON gateway and the plain endpoints.

use crate::connect::Connector;
use crate::credentials::Credentials;
use crate::member::Member;
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tower_service::Service;

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// A client of one member.
pub struct Https {
    address: SocketAddr,
    tls: Option<Arc<rustls::ClientConfig>>,
    host: String,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, or what was read of it.
    pub body: String,
}

impl Https {
    /// Speaks to the port for etcd's clients.
    pub fn new(member: &Member) -> Result<Self> {
        Self::with(member, member.credentials.as_ref())
    }

    /// As [`Https::new`], with other credentials.
    pub fn with(member: &Member, credentials: Option<&Credentials>) -> Result<Self> {
        Self::at(member.client_address, credentials)
    }

    /// Speaks to any port.
    pub fn at(address: SocketAddr, credentials: Option<&Credentials>) -> Result<Self> {
        let config = credentials.map(Credentials::client_config);
        let tls = config.transpose()?.map(|mut config| {
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Arc::new(config)
        });
        Ok(Self {
            address,
            tls,
            host: address.to_string(),
        })
    }

    /// Sends one request on a connection of its own and reads the whole answer.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer> {
        self.send_until(method, path, headers, body, |_| false)
            .await
    }

    /// Asks for another protocol; what is spoken from there on.
    pub async fn upgrade(&self, path: &str, protocol: &str) -> Result<TokioIo<Upgraded>> {
        let mut connector = Connector {
            address: self.address,
            tls: self.tls.clone(),
        };
        let stream: TokioIo<_> = connector.call(http::Uri::default()).await?;
        let (mut sender, connection) = http1::handshake(stream).await?;
        tokio::spawn(connection.with_upgrades());
        let request = Request::get(path)
            .header("host", &self.host)
            .header("connection", "Upgrade")
            .header("upgrade", protocol)
            .body(Full::new(Bytes::new()))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        ensure!(
            status == StatusCode::SWITCHING_PROTOCOLS,
            "{path}: {status}"
        );
        Ok(TokioIo::new(hyper::upgrade::on(response).await?))
    }

    /// As [`Https::send`], but goes on when what was read is `enough`, for answers without end.
    pub async fn send_until(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
        enough: impl Fn(&str) -> bool,
    ) -> Result<Answer> {
        let exchange = async {
            let mut connector = Connector {
                address: self.address,
                tls: self.tls.clone(),
            };
            let stream: TokioIo<_> = connector.call(http::Uri::default()).await?;
            let (mut sender, connection) = http1::handshake(stream).await?;
            let connection = tokio::spawn(connection);
            let mut request = Request::builder()
                .method(method)
                .uri(path)
                .header("host", &self.host);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(Full::new(Bytes::from(body.to_owned())))?;
            let response = sender.send_request(request).await?;
            let (head, mut incoming) = response.into_parts();
            let mut text = String::new();
            while let Some(frame) = incoming.frame().await {
                if let Ok(part) = frame?.into_data() {
                    text.push_str(&String::from_utf8_lossy(&part));
                }
                if enough(&text) {
                    break;
                }
            }
            connection.abort();
            anyhow::Ok(Answer {
                status: head.status,
                headers: head.headers,
                body: text,
            })
        };
        tokio::time::timeout(DEADLINE, exchange)
            .await
            .with_context(|| format!("{path}: no end of the answer within {DEADLINE:?}"))?
            .with_context(|| path.to_owned())
    }
}
