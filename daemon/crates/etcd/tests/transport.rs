//! Promises of the client port's TLS and of the gRPC layer, whatever the service.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use common::{Authority, Member, get, in_time};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use rustls::pki_types::ServerName;
use skerry_etcd::Transport;
use skerry_listen::limits::{HANDSHAKES_MAX, HEADER_BYTES_MAX, HTTP1_BUFFER_BYTES_MAX};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

const UNIMPLEMENTED: &str = "12";
const UNAVAILABLE: &str = "14";
const OK: &str = "0";

/// One HTTP/2 connection of a client.
struct Client(hyper::client::conn::http2::SendRequest<Full<Bytes>>);

impl Client {
    async fn plaintext(member: &Member) -> Client {
        let stream = TcpStream::connect(member.address).await.unwrap();
        Client::over(TokioIo::new(stream)).await
    }

    async fn over<S>(stream: S) -> Client
    where
        S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
                .await
                .unwrap();
        tokio::spawn(connection);
        Client(sender)
    }

    /// Code and text of the answer to a call.
    async fn call(
        &mut self,
        path: &str,
        metadata: &[(&str, &str)],
        message: &[u8],
    ) -> (String, String) {
        let mut body = vec![0];
        body.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
        body.extend_from_slice(message);
        let mut request = Request::post(format!("http://x{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in metadata {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let response = in_time(self.0.send_request(request)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let headers = response.headers().clone();
        let body = in_time(response.into_body().collect()).await.unwrap();
        let trailers = body.trailers().cloned().unwrap_or(headers);
        let text = |name| {
            trailers
                .get(name)
                .map_or("", |value| value.to_str().unwrap())
                .replace("%20", " ")
        };
        (text("grpc-status"), text("grpc-message"))
    }
}

#[tokio::test]
async fn a_method_that_is_not_served_is_named_in_the_refusal() {
    let member = Member::start().await;
    let mut client = Client::plaintext(&member).await;
    let unknown = client.call("/etcdserverpb.KV/Nope", &[], &[]).await;
    assert_eq!(
        unknown,
        (
            UNIMPLEMENTED.into(),
            "unknown method Nope for service etcdserverpb.KV".into()
        )
    );
    let unknown = client.call("/nobody.Service/Nope", &[], &[]).await;
    assert_eq!(
        unknown,
        (
            UNIMPLEMENTED.into(),
            "unknown service nobody.Service".into()
        )
    );
    drop(client);
    member.stop().await;
}

#[tokio::test]
async fn a_client_that_wants_a_leader_is_served_while_there_is_one() {
    let member = Member::start().await;
    let mut client = Client::plaintext(&member).await;
    let range = get("a").encode_to_vec();
    let served = client
        .call("/etcdserverpb.KV/Range", &[("hasleader", "true")], &range)
        .await;
    assert_eq!(served.0, OK);
    drop(client);
    member.stop().await;
}

#[tokio::test]
async fn after_the_server_stopped_nobody_is_served() {
    let member = Member::start().await;
    let mut client = Client::plaintext(&member).await;
    let range = get("a").encode_to_vec();
    assert_eq!(
        client.call("/etcdserverpb.KV/Range", &[], &range).await.0,
        OK
    );
    member.handle.shutdown().await;
    let refused = client.call("/etcdserverpb.KV/Range", &[], &range).await;
    assert_eq!(
        refused,
        (UNAVAILABLE.into(), "etcdserver: server stopped".into())
    );
    drop(client);
    member.stop().await;
}

#[tokio::test]
async fn a_renewed_certificate_is_used_from_the_next_connection_on() {
    let member = Member::start().await;
    let (old, new) = (Authority::new(), Authority::new());
    let current = Arc::new(Mutex::new(with_http2(&old)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = Arc::clone(&current);
    let transport = Transport::Tls(Arc::new(move || Arc::clone(&config.lock().unwrap())));
    let serving = tokio::spawn(member.server.serve(listener, transport));

    let connect = async |authority: &Authority| {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut config = (*authority.client()).clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let connector = TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("127.0.0.1").unwrap();
        in_time(connector.connect(name, stream)).await
    };
    let range = get("a").encode_to_vec();
    let mut before = Client::over(TokioIo::new(connect(&old).await.unwrap())).await;
    assert_eq!(
        before.call("/etcdserverpb.KV/Range", &[], &range).await.0,
        OK
    );
    assert!(connect(&new).await.is_err());

    *current.lock().unwrap() = with_http2(&new);
    let mut after = Client::over(TokioIo::new(connect(&new).await.unwrap())).await;
    assert_eq!(
        after.call("/etcdserverpb.KV/Range", &[], &range).await.0,
        OK
    );
    assert_eq!(
        before.call("/etcdserverpb.KV/Range", &[], &range).await.0,
        OK
    );
    drop((before, after));
    member.stop().await;
    in_time(serving).await.unwrap();
}

fn with_http2(authority: &Authority) -> Arc<rustls::ServerConfig> {
    let mut config = (*authority.server()).clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

#[tokio::test]
async fn strangers_that_say_nothing_are_cut_off_and_lock_nobody_out() {
    let member = Member::start().await;
    let mut strangers = Vec::new();
    for _ in 0..HANDSHAKES_MAX {
        strangers.push(TcpStream::connect(member.address).await.unwrap());
    }
    // Waits for its turn until the first of them has had its time.
    let mut client = Client::plaintext(&member).await;
    let range = get("a").encode_to_vec();
    assert_eq!(
        client.call("/etcdserverpb.KV/Range", &[], &range).await.0,
        OK
    );
    for stranger in &mut strangers {
        let mut end = Vec::new();
        in_time(stranger.read_to_end(&mut end)).await.unwrap();
        assert!(end.is_empty());
    }
    drop(client);
    member.stop().await;
}

#[tokio::test]
async fn headers_without_end_are_refused() {
    let member = Member::start().await;
    let mut stream = TcpStream::connect(member.address).await.unwrap();
    let endless = format!(
        "GET /version HTTP/1.1\r\nx: {}",
        "x".repeat(2 * HTTP1_BUFFER_BYTES_MAX)
    );
    // The server may close before it has taken all of it.
    let _ = stream.write_all(endless.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = in_time(stream.read_to_end(&mut answer)).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
        "{answer}"
    );

    let mut client = Client::plaintext(&member).await;
    let long = "x".repeat(2 * HEADER_BYTES_MAX as usize);
    let request = Request::post("http://x/etcdserverpb.KV/Range")
        .header("content-type", "application/grpc")
        .header("token", long)
        .body(Full::new(Bytes::new()))
        .unwrap();
    let refused = in_time(client.0.send_request(request)).await;
    assert!(refused.is_err() || refused.unwrap().status().is_client_error());
    member.stop().await;
}
