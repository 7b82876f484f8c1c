//! A gRPC channel to a server of this cluster, over mutual TLS with the cluster's own CA.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};

/// Connects to the etcd port at `address`; every call may take `time_max`.
pub(crate) async fn connect(
    address: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
    time_max: Duration,
) -> anyhow::Result<Channel> {
    let connector = TlsConnector::from(tls);
    // The scheme is http for tonic: TLS is spoken below it, by the connector.
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?
        .connect_timeout(time_max)
        .timeout(time_max);
    let open = tower::service_fn(move |_: Uri| {
        let connector = connector.clone();
        async move {
            let stream = TcpStream::connect(address).await?;
            let name = ServerName::IpAddress(address.ip().into());
            std::io::Result::Ok(TokioIo::new(connector.connect(name, stream).await?))
        }
    });
    endpoint
        .connect_with_connector(open)
        .await
        .with_context(|| format!("cannot reach {address}"))
}
