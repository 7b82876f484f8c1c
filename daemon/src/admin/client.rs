//! JSON over HTTPS to the server of this node, as its administrator.
//!
//! Reads only: the files are those of a server that may be running. Invariant: every call is
//! bounded in time and bytes, and what goes wrong names the address that was asked.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use skerry_pki::Clock;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::limits::{ANSWER_BYTES_MAX, ANSWER_TIME_MAX, CONNECT_TIME_MAX};
use crate::config::Settings;

/// See the module.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
}

impl Client {
    /// To the server whose settings these are.
    pub(crate) fn of(settings: &Settings) -> anyhow::Result<Client> {
        // What listens on all addresses is found at the one that its certificate surely names.
        let ip = match settings.bind.is_unspecified() {
            true => settings.node_ip,
            false => settings.bind,
        };
        Ok(Client {
            address: SocketAddr::new(ip, settings.https_port),
            tls: credentials(settings).with_context(|| {
                format!(
                    "{}: this is not the data directory of a server that has run; give its --data-dir",
                    settings.data_dir.display()
                )
            })?,
        })
    }

    /// To another server of the cluster: it takes the same certificate.
    pub(crate) fn to(&self, address: SocketAddr) -> Client {
        Client {
            address,
            tls: Arc::clone(&self.tls),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.ask(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.ask(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.ask(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.ask(Method::DELETE, path, None).await
    }

    /// Whether the server says `ok` there; what it says instead is the error.
    pub(crate) async fn is_ok(&self, path: &str) -> anyhow::Result<()> {
        let (code, answer) = self.send(Method::GET, path, None).await?;
        match code.is_success() {
            true => Ok(()),
            false => bail!("{}", String::from_utf8_lossy(&answer).trim_end()),
        }
    }

    /// Asks and reads the answer; one that refuses is an error with what its Status says.
    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let address = self.address;
        let (code, answer) = self.send(method, path, body).await?;
        let value: Option<Value> = serde_json::from_slice(&answer).ok();
        if code.is_success() {
            return value.with_context(|| format!("the answer of {address} is not JSON"));
        }
        match value.as_ref().and_then(|status| status["message"].as_str()) {
            Some(message) => bail!("{message}"),
            None => bail!("{address} answered {code}"),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let address = self.address;
        let stream = tokio::time::timeout(CONNECT_TIME_MAX, self.connect())
            .await
            .with_context(|| format!("{address} does not take the connection"))?
            .with_context(|| format!("cannot reach this node's server at {address}"))?;
        let exchange = exchange(stream, self.request(method, path, body)?);
        tokio::time::timeout(ANSWER_TIME_MAX, exchange)
            .await
            .with_context(|| format!("no answer in time from {address}"))?
            .with_context(|| format!("no answer from {address}"))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Request<Full<Bytes>>> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse::<Uri>().with_context(|| path.to_owned())?;
        let json = HeaderValue::from_static("application/json");
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::try_from(self.address.to_string())?);
        headers.insert(ACCEPT, json.clone());
        headers.insert(CONTENT_TYPE, json);
        Ok(request)
    }

    async fn connect(&self) -> anyhow::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::IpAddress(self.address.ip().into());
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        Ok(connector.connect(name, stream).await?)
    }
}

async fn exchange(
    stream: tokio_rustls::client::TlsStream<TcpStream>,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<(StatusCode, Bytes)> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let asking = async {
        let response = sender.send_request(request).await?;
        let code = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
        let body = body.collect().await.map_err(anyhow::Error::from_boxed)?;
        Ok((code, body.to_bytes()))
    };
    // The connection is driven here, and dropped with the answer: nothing is left behind.
    let mut connection = std::pin::pin!(connection);
    let mut asking = std::pin::pin!(asking);
    tokio::select! {
        biased;
        answer = &mut asking => answer,
        ended = &mut connection => match ended {
            Err(error) => Err(error.into()),
            // The server has closed after its last byte, which may still be with `asking`.
            Ok(()) => asking.await,
        },
    }
}

/// The administrator's certificate, and the authority that the server's own must be of.
fn credentials(settings: &Settings) -> anyhow::Result<Arc<rustls::ClientConfig>> {
    let file = |name: &str| settings.data_dir.join("tls").join(name);
    let certificates = |name: &str| {
        let path = file(name);
        CertificateDer::pem_file_iter(&path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| path.display().to_string())
    };
    let mut roots = rustls::RootCertStore::empty();
    for authority in certificates("server-ca.crt")? {
        roots.add(authority)?;
    }
    let chain = certificates("client-admin.crt")?;
    let path = file("client-admin.key");
    let key = PrivateKeyDer::from_pem_file(&path).with_context(|| path.display().to_string())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clock = Arc::new(Clock::system());
    let config = rustls::ClientConfig::builder_with_details(provider, clock)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .with_context(|| path.display().to_string())?;
    Ok(Arc::new(config))
}
