//! One GET over HTTP/1.1: 6443 in TLS, verified with the cluster's CA, and the metrics port in
//! the clear.

use anyhow::{Context, Result};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use skerry_tests_harness::Member;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, as text.
    pub body: String,
}

/// From the port of the Kubernetes API.
pub async fn get(member: &Member, path: &str) -> Result<Answer> {
    let host = member.client_address.ip();
    get_as(member, ServerName::IpAddress(host.into()), path).await
}

/// As [`get`]; the server's certificate must be good for that name.
pub async fn get_as(member: &Member, name: ServerName<'static>, path: &str) -> Result<Answer> {
    let host = member.client_address.ip();
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(member.data_dir.join("tls/server-ca.crt"))? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect((host, 6443)).await?;
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await?;
    exchange(stream, path).await
}

/// From the metrics port.
pub async fn get_plain(member: &Member, path: &str) -> Result<Answer> {
    exchange(
        TcpStream::connect((member.client_address.ip(), 2381)).await?,
        path,
    )
    .await
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> Result<Answer> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: skerry\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    // A server may close without the end of TLS; the answer is complete by then.
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").context("no end of the head")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok(Answer {
        status,
        body: body.to_owned(),
    })
}
