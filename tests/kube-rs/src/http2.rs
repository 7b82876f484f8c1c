//! A client that speaks HTTP/2 on one connection, where the crate's own speaks HTTP/1.1.

use std::sync::Arc;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::client::{Body, ConfigExt};
use kube::{Client, Config};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// See the module. All of its requests go over the one connection.
pub async fn http2_client(config: &Config) -> Client {
    let authority = config.cluster_url.authority().unwrap().clone();
    let mut tls = config.rustls_client_config().unwrap();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(authority.as_str()).await.unwrap();
    let name = authority.host().to_owned().try_into().unwrap();
    let stream = TlsConnector::from(Arc::new(tls))
        .connect(name, stream)
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let service = tower::service_fn(move |mut request: http::Request<Body>| {
        let mut sender: http2::SendRequest<Body> = sender.clone();
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(http::uri::Scheme::HTTPS);
        parts.authority = Some(authority.clone());
        *request.uri_mut() = http::Uri::from_parts(parts).unwrap();
        async move {
            let response = sender.send_request(request).await?;
            assert_eq!(response.version(), http::Version::HTTP_2);
            Ok::<_, hyper::Error>(response)
        }
    });
    Client::new(service, "default")
}
