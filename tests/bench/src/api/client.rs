//! The least client that speaks HTTP/2 over TLS: it looks at nothing that is not measured.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;
use skerry_tests_harness::{Credentials, tls_stream};

/// Connections that all clients of a workload share.
pub(crate) const CONNECTIONS: usize = 4;

/// Bytes that the server may send before they are read: of a stream, of a connection.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// Where and as whom.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) address: SocketAddr,
    pub(crate) credentials: Credentials,
}

/// One connection. Clones share it.
#[derive(Clone)]
pub(crate) struct Client {
    requests: http2::SendRequest<Full<Bytes>>,
    authority: String,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) content_type: &'static str,
    pub(crate) accept: &'static str,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn get(path: impl Into<String>) -> Call {
        Call {
            method: "GET",
            path: path.into(),
            content_type: "",
            accept: "application/json",
            body: Bytes::new(),
        }
    }
}

impl Client {
    /// Connects on the runtime that calls this.
    pub(crate) async fn connect(to: &Address) -> Result<Client> {
        let stream = tls_stream(to.address, &to.credentials).await?;
        let (requests, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(stream)
            .await
            .context("start HTTP/2")?;
        // Ends with its last client; what ends it earlier fails their requests.
        tokio::spawn(connection);
        Ok(Client {
            requests,
            authority: to.address.to_string(),
        })
    }

    /// Sends a request; the answer's body is yet to come.
    pub(crate) async fn send(&mut self, call: Call) -> Result<Response<Incoming>> {
        let mut request = Request::builder()
            .method(call.method)
            .uri(format!("https://{}{}", self.authority, call.path))
            .header(header::ACCEPT, call.accept)
            .header(header::USER_AGENT, "bench");
        if !call.content_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, call.content_type);
        }
        self.requests.ready().await?;
        let request = request.body(Full::new(call.body))?;
        let response = self.requests.send_request(request).await?;
        if !response.status().is_success() {
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            let text: String = String::from_utf8_lossy(&body).chars().take(300).collect();
            anyhow::bail!("{} {}: {status} {text}", call.method, call.path);
        }
        Ok(response)
    }

    /// Sends a request and reads all of the answer, of which it tells the length.
    pub(crate) async fn exchange(&mut self, call: Call) -> Result<usize> {
        let mut body = self.send(call).await?.into_body();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            length += frame?.data_ref().map_or(0, Bytes::len);
        }
        ensure!(length > 0, "an empty answer");
        Ok(length)
    }
}
