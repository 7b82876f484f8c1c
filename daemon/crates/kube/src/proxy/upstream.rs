//! A connection to another server: dialled, secured, and spoken to in HTTP/1.1 or HTTP/2.
//!
//! Knows nothing about what is asked. Invariant: a connection serves one request and ends with it,
//! unless there is a pool that keeps it.

use std::sync::Arc;

use http::{HeaderValue, Request, Response, Uri, Version, header};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::error::ProxyError;
use super::pass::RequestBody;
use super::pool::{Place, Pool, Sender};
use super::resolve::Destination;
use crate::dial;
use crate::limits::{
    HANDSHAKE_TIME_MAX, UPSTREAM_BUFFER_BYTES_MAX, UPSTREAM_CONNECTION_WINDOW_BYTES,
    UPSTREAM_PING_INTERVAL, UPSTREAM_PONG_TIME_MAX, UPSTREAM_STREAM_WINDOW_BYTES,
};

/// How a connection is secured.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    pub(crate) config: Arc<ClientConfig>,
    /// What the other end must be called.
    pub(crate) name: String,
}

/// Who is called, and how.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    pub(crate) destination: Destination,
    /// None: plain HTTP.
    pub(crate) tls: Option<Tls>,
    /// Connections that are secured in the same way, and may be used again.
    pub(crate) pool: Option<Arc<Pool>>,
}

impl Upstream {
    /// Asks once. The request's URI is a path; what else is to be known of where it goes is added.
    pub(crate) async fn send(
        &self,
        mut request: Request<RequestBody>,
        upgrades: bool,
    ) -> Result<Response<Incoming>, ProxyError> {
        let authority = self.destination.to_string();
        let pool = self.pool.as_ref().filter(|_| !upgrades);
        if let Some((mut sender, place)) = pool.and_then(|pool| pool.take(&self.destination))
            && sender.ready().await.is_ok()
        {
            let path = request.uri().clone();
            to_second(&mut request, &authority)?;
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(placed(response, Some(place))),
                Err(mut error) => match error.take_message() {
                    // It was closed in this moment, and nothing was sent.
                    Some(unsent) => request = unsent,
                    None => return Err(ProxyError::of_http(&error.into_error())),
                },
            }
            *request.uri_mut() = path;
        }
        let stream = self.dial().await?;
        let Some(tls) = &self.tls else {
            host(&mut request, &authority);
            return first(stream, request).await;
        };
        let mut config = Arc::clone(&tls.config);
        if upgrades {
            // HTTP/2 has no upgrades.
            let only_first = Arc::make_mut(&mut config);
            only_first.alpn_protocols = vec![b"http/1.1".to_vec()];
        }
        let name = ServerName::try_from(tls.name.clone())
            .map_err(|error| ProxyError::Tls(format!("{:?}: {error}", tls.name)))?;
        let handshake = TlsConnector::from(config).connect(name, stream);
        let stream = match tokio::time::timeout(HANDSHAKE_TIME_MAX, handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(ProxyError::of_handshake(&error, &tls.name)),
            Err(_) => return Err(ProxyError::Tls("net/http: TLS handshake timeout".into())),
        };
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => {
                to_second(&mut request, &authority)?;
                let mut sender = second(stream).await?;
                let place = pool.and_then(|pool| pool.keep(&self.destination, sender.clone()));
                let answered = sender.send_request(request).await;
                let answered = answered.map_err(|error| ProxyError::of_http(&error))?;
                Ok(placed(answered, place))
            }
            _ => {
                host(&mut request, &authority);
                first(stream, request).await
            }
        }
    }

    async fn dial(&self) -> Result<TcpStream, ProxyError> {
        let Destination { host, port } = &self.destination;
        let stream = dial::connect(host, *port).await.map_err(ProxyError::Dial)?;
        // What is small and waits would wait for nothing.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }
}

/// The answer takes its place along.
fn placed(mut response: Response<Incoming>, place: Option<Place>) -> Response<Incoming> {
    if let Some(place) = place {
        response.extensions_mut().insert(place);
    }
    response
}

fn host(request: &mut Request<RequestBody>, authority: &str) {
    if let Ok(value) = HeaderValue::from_str(authority) {
        request.headers_mut().insert(header::HOST, value);
    }
}

async fn first<S>(
    stream: S,
    mut request: Request<RequestBody>,
) -> Result<Response<Incoming>, ProxyError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    *request.version_mut() = Version::HTTP_11;
    let handshake = hyper::client::conn::http1::Builder::new()
        .max_buf_size(UPSTREAM_BUFFER_BYTES_MAX)
        .handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake
        .await
        .map_err(|error| ProxyError::of_http(&error))?;
    // Ends once the answer was read, or nobody wants it any more.
    tokio::spawn(connection.with_upgrades());
    let answered = sender.send_request(request).await;
    answered.map_err(|error| ProxyError::of_http(&error))
}

/// A request as HTTP/2 wants it.
fn to_second(request: &mut Request<RequestBody>, authority: &str) -> Result<(), ProxyError> {
    *request.version_mut() = Version::HTTP_2;
    let mut parts = Uri::builder().scheme("https").authority(authority);
    if let Some(path) = request.uri().path_and_query() {
        parts = parts.path_and_query(path.clone());
    }
    let uri = parts.build();
    *request.uri_mut() = uri.map_err(|error| ProxyError::Http(error.to_string()))?;
    Ok(())
}

async fn second<S>(stream: S) -> Result<Sender, ProxyError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        // Whoever is gone without a word is not asked for ever.
        .keep_alive_interval(UPSTREAM_PING_INTERVAL)
        .keep_alive_timeout(UPSTREAM_PONG_TIME_MAX)
        .initial_stream_window_size(UPSTREAM_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(UPSTREAM_CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(UPSTREAM_BUFFER_BYTES_MAX)
        .handshake(TokioIo::new(stream));
    let (sender, connection) = handshake
        .await
        .map_err(|error| ProxyError::of_http(&error))?;
    tokio::spawn(connection);
    Ok(sender)
}
