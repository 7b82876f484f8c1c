//! A gRPC channel to a server of this cluster, over mutual TLS with the cluster's own CA.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};

/// What an administrator on a server's own node shows: the client certificate of its data
/// directory. Reads only: the files are those of a server that may be running.
pub(crate) fn credentials(data_dir: &Path) -> anyhow::Result<Arc<rustls::ClientConfig>> {
    let file = |name: &str| data_dir.join("tls/etcd").join(name);
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
    let chain = certificates("client.crt")?;
    let path = file("client.key");
    let key = PrivateKeyDer::from_pem_file(&path).with_context(|| path.display().to_string())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .with_context(|| path.display().to_string())?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

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
