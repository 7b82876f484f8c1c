//! Requests to 6443 one by one, for what kubectl does not show: headers, and requests half sent.

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::{DEADLINE, Servers};

/// The port of one member, and who asks.
pub struct Port {
    pub(crate) address: SocketAddr,
    pub(crate) tls: TlsConnector,
    pub(crate) token: Option<String>,
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case, and values.
    headers: Vec<(String, String)>,
    /// As it came.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header; nothing where it is not there.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// The body.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The body as it was before it was compressed.
    pub fn gunzipped(&self) -> Vec<u8> {
        let mut child = std::process::Command::new("gzip")
            .arg("-dc")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let body = self.body.clone();
        let writer = std::thread::spawn(move || {
            std::io::Write::write_all(&mut input, &body).unwrap();
        });
        let mut plain = Vec::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_end(&mut plain)
            .unwrap();
        writer.join().unwrap();
        assert!(child.wait().unwrap().success());
        plain
    }
}

/// A request whose body is still to come.
pub struct Begun(TlsStream<TcpStream>);

impl Begun {
    /// Sends the body and reads the answer.
    pub async fn finish(mut self, body: &str) -> Result<Answer> {
        self.0.write_all(body.as_bytes()).await?;
        answer(self.0).await
    }
}

impl Port {
    /// Of a member; without a token as nobody.
    pub fn of(servers: &Servers, member: usize, token: Option<&str>) -> Port {
        let mut roots = rustls::RootCertStore::empty();
        let ca = servers.cluster.members[member]
            .data_dir
            .join("tls/server-ca.crt");
        for certificate in CertificateDer::pem_file_iter(ca).unwrap() {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let host = servers.cluster.members[member].client_address.ip();
        Port {
            address: (host, 6443).into(),
            tls: TlsConnector::from(Arc::new(config)),
            token: token.map(str::to_owned),
        }
    }

    /// One GET on a connection of its own.
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        answer(self.send("GET", path, headers).await?).await
    }

    /// One POST of JSON.
    pub async fn post(&self, path: &str, body: &str) -> Result<Answer> {
        self.begin_post(path, body.len()).await?.finish(body).await
    }

    /// The head of a POST of JSON.
    pub async fn begin_post(&self, path: &str, length: usize) -> Result<Begun> {
        let length = length.to_string();
        let headers = [
            ("content-type", "application/json"),
            ("content-length", &length),
        ];
        Ok(Begun(self.send("POST", path, &headers).await?))
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(self.address).await?;
        let name = ServerName::IpAddress(self.address.ip().into());
        let mut stream = self.tls.connect(name, tcp).await?;
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: skerry\r\nconnection: close\r\n");
        if let Some(token) = &self.token {
            head.push_str(&format!("authorization: Bearer {token}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await?;
        stream.flush().await?;
        Ok(stream)
    }
}

async fn answer(mut stream: TlsStream<TcpStream>) -> Result<Answer> {
    let mut bytes = Vec::new();
    // A server may close without the end of TLS; the answer is complete by then.
    let read = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut bytes)).await?;
    if let Err(error) = read
        && bytes.is_empty()
    {
        return Err(error.into());
    }
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.context("no end of the headers")?;
    let head = std::str::from_utf8(&bytes[..end])?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let mut answer = Answer {
        status: status.context("no status")?.parse()?,
        headers,
        body: bytes[end + 4..].to_vec(),
    };
    if answer.header("transfer-encoding") == "chunked" {
        answer.body = joined(&answer.body)?;
    }
    Ok(answer)
}

/// The chunks of a body (RFC 9112, 7.1) as one.
fn joined(mut chunks: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|two| two == b"\r\n");
        let end = end.context("a chunk without a length")?;
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..end])?, 16)?;
        let rest = &chunks[end + 2..];
        if length == 0 {
            return Ok(body);
        }
        body.extend_from_slice(rest.get(..length).context("a chunk that is cut")?);
        chunks = rest.get(length + 2..).context("no end of a chunk")?;
    }
}
