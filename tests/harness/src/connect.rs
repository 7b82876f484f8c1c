//! gRPC channels to a member, over mutual TLS or in the clear, and one client for all services.

use crate::api;
use crate::credentials::Credentials;
use anyhow::{Context as _, Result};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};

/// A channel that reconnects by itself; connects at first use.
pub fn connect_lazy(address: SocketAddr, credentials: Option<&Credentials>) -> Result<Channel> {
    let tls = credentials
        .map(Credentials::client_config)
        .transpose()?
        .map(Arc::new);
    let scheme = if tls.is_some() { "https" } else { "http" };
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?
        .origin(format!("{scheme}://{address}").parse()?)
        .connect_timeout(Duration::from_secs(5))
        .http2_keep_alive_interval(Duration::from_secs(20))
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20);
    Ok(endpoint.connect_with_connector_lazy(Connector { address, tls }))
}

/// As [`connect_lazy`], connected when it returns.
pub async fn connect(address: SocketAddr, credentials: Option<&Credentials>) -> Result<Channel> {
    let channel = connect_lazy(address, credentials)?;
    // A channel has no way to be asked; the cheapest request is one that is always answered.
    api::maintenance_client::MaintenanceClient::new(channel.clone())
        .status(skerry_proto::etcdserverpb::StatusRequest {})
        .await
        .with_context(|| format!("connect to {address}"))?;
    Ok(channel)
}

/// A connection to `address` over TLS on which the client is to speak HTTP/2.
pub async fn tls_stream(
    address: SocketAddr,
    credentials: &Credentials,
) -> Result<impl hyper::rt::Read + hyper::rt::Write + Send + Unpin + use<>> {
    let mut connector = Connector {
        address,
        tls: Some(Arc::new(credentials.client_config()?)),
    };
    let stream = tower_service::Service::call(&mut connector, http::Uri::default()).await;
    stream.with_context(|| format!("connect to {address}"))
}

/// Puts etcd's `token` into the metadata of every request.
#[derive(Debug, Clone, Default)]
pub struct Token(Option<MetadataValue<Ascii>>);

impl Interceptor for Token {
    fn call(
        &mut self,
        mut request: tonic::Request<()>,
    ) -> Result<tonic::Request<()>, tonic::Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("token", token.clone());
        }
        Ok(request)
    }
}

type Service = InterceptedService<Channel, Token>;

/// All of etcd's services over one channel, as one user.
#[derive(Clone)]
#[allow(missing_docs)]
pub struct Client {
    pub kv: api::kv_client::KvClient<Service>,
    pub watch: api::watch_client::WatchClient<Service>,
    pub lease: api::lease_client::LeaseClient<Service>,
    pub cluster: api::cluster_client::ClusterClient<Service>,
    pub maintenance: api::maintenance_client::MaintenanceClient<Service>,
    pub auth: api::auth_client::AuthClient<Service>,
    pub lock: api::lock::lock_client::LockClient<Service>,
    pub election: api::election::election_client::ElectionClient<Service>,
}

impl Client {
    /// Without a token; responses of any size are taken.
    pub fn new(channel: Channel) -> Self {
        Self::with_token(channel, None)
    }

    /// With a token that `Authenticate` gave.
    pub fn with_token(channel: Channel, token: Option<&str>) -> Self {
        let token = Token(token.map(|token| token.parse().expect("tokens are ASCII")));
        let service = InterceptedService::new(channel, token);
        Self {
            kv: api::kv_client::KvClient::new(service.clone())
                .max_decoding_message_size(usize::MAX),
            watch: api::watch_client::WatchClient::new(service.clone())
                .max_decoding_message_size(usize::MAX),
            lease: api::lease_client::LeaseClient::new(service.clone())
                .max_decoding_message_size(usize::MAX),
            cluster: api::cluster_client::ClusterClient::new(service.clone()),
            maintenance: api::maintenance_client::MaintenanceClient::new(service.clone())
                .max_decoding_message_size(usize::MAX),
            auth: api::auth_client::AuthClient::new(service.clone()),
            lock: api::lock::lock_client::LockClient::new(service.clone()),
            election: api::election::election_client::ElectionClient::new(service),
        }
    }
}

#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
}

impl tower_service::Service<http::Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Uri) -> Self::Future {
        let Self { address, tls } = self.clone();
        Box::pin(async move {
            let tcp = TcpStream::connect(address).await?;
            tcp.set_nodelay(true)?;
            let stream = match tls {
                None => Stream::Plain(tcp),
                Some(config) => {
                    let name = ServerName::IpAddress(address.ip().into());
                    let stream = TlsConnector::from(config).connect(name, tcp).await?;
                    Stream::Tls(Box::new(stream))
                }
            };
            Ok(TokioIo::new(stream))
        })
    }
}

pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, from),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, from),
        }
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
