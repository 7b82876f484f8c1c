//! One connection from accept to close.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::crowd::Member;
use crate::gather::{Sending, gather};
use crate::limits::{
    CONNECTION_WINDOW_BYTES, CONNECTION_WINDOW_BYTES_MIN, CONNECTION_WINDOW_SHARE,
    HANDSHAKE_TIME_MAX, HEADER_BYTES_MAX, HTTP1_BUFFER_BYTES_MAX, HTTP1_HEADER_TIME_MAX,
    KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT, LEAVE_TIME_MAX, SHUTDOWN_TIME_MAX,
    STREAM_SEND_BYTES_MAX, STREAM_WINDOW_BYTES, STREAMS_PER_CONNECTION_MAX,
};
use crate::{Handler, Peer, Slot, Stop, Transport, pressure};

/// What every HTTP/2 connection starts with (RFC 9113, 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Between two looks at the first bytes of a plaintext connection.
const PEEK_PAUSE: Duration = Duration::from_millis(10);

/// Which HTTP the client speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// Serves one connection until either side closes it.
pub(crate) async fn run<H: Handler>(
    stream: TcpStream,
    transport: Transport,
    handler: H,
    stop: Stop,
    slot: Slot,
) {
    let Slot {
        connection: member,
        handshake,
    } = slot;
    let Ok(address) = stream.peer_addr() else {
        return;
    };
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%address, %error, "cannot set TCP_NODELAY");
    }
    match &transport {
        Transport::Plaintext => {
            let version = tokio::time::timeout(HANDSHAKE_TIME_MAX, plaintext_version(&stream));
            let version = tokio::select! {
                version = version => version,
                () = handshake.asked_to_leave() => return,
                () = member.asked_to_leave() => return,
            };
            let Ok(Ok(version)) = version else {
                return;
            };
            drop(handshake);
            let peer = Peer::new(address, None);
            converse(stream, version, peer, handler, stop, member).await;
        }
        Transport::Tls(_) | Transport::TlsOfTwo(..) => {
            let (config, standing) = match &transport {
                Transport::TlsOfTwo(config, standing) => (config(), Some(standing)),
                Transport::Tls(config) => (config(), None),
                Transport::Plaintext => return,
            };
            let accept = TlsAcceptor::from(config).accept(stream);
            let accepted = tokio::select! {
                accepted = tokio::time::timeout(HANDSHAKE_TIME_MAX, accept) => accepted,
                () = handshake.asked_to_leave() => return,
                () = member.asked_to_leave() => return,
            };
            let stream = match accepted {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    tracing::debug!(%address, %error, "TLS handshake failed");
                    return;
                }
                Err(_) => {
                    tracing::debug!(%address, "TLS handshake took too long");
                    return;
                }
            };
            drop(handshake);
            let session = stream.get_ref().1;
            let version = match session.alpn_protocol() {
                Some(b"h2") => Version::Two,
                _ => Version::One,
            };
            let chain = session.peer_certificates();
            let peer = match standing {
                Some(standing) => Peer::standing(address, chain, |chain| standing(chain)),
                None => Peer::new(address, chain),
            };
            converse(stream, version, peer, handler, stop, member).await;
        }
    }
}

/// Looks at the first bytes without taking them.
async fn plaintext_version(stream: &TcpStream) -> io::Result<Version> {
    let mut first = [0; HTTP2_PREFACE.len()];
    loop {
        stream.readable().await?;
        let count = stream.peek(&mut first).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let seen = &first[..count];
        if !HTTP2_PREFACE.starts_with(seen) {
            return Ok(Version::One);
        }
        // Three bytes tell HTTP/2 from every method of HTTP/1.1.
        if count >= 3 {
            return Ok(Version::Two);
        }
        // What was peeked at stays readable: without a pause this would spin.
        tokio::time::sleep(PEEK_PAUSE).await;
    }
}

/// Bytes that a connection may send before they are read: fewer where memory is short.
fn window() -> u32 {
    let share = pressure::room() / CONNECTION_WINDOW_SHARE;
    let share = u32::try_from(share).unwrap_or(u32::MAX);
    share.clamp(CONNECTION_WINDOW_BYTES_MIN, CONNECTION_WINDOW_BYTES)
}

async fn converse<S, H>(
    stream: S,
    version: Version,
    peer: Peer,
    handler: H,
    stop: Stop,
    member: Arc<Member>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let peer = Arc::new(peer);
    let address = peer.address;
    let in_service = Arc::clone(&member);
    let service = service_fn(move |request| {
        let busy = in_service.begin();
        let response = handler.clone().handle(Arc::clone(&peer), request);
        async move {
            let response = response.await;
            // Under way until the last of the answer is sent.
            Ok::<_, Infallible>(response.map(|body| {
                body.map_err(move |error| {
                    let _busy = &busy;
                    error
                })
            }))
        }
    });
    let (stream, sending) = gather(stream);
    let stream = TokioIo::new(stream);
    let ended = match version {
        Version::Two => {
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .auto_date_header(false)
                .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
                .initial_stream_window_size(STREAM_WINDOW_BYTES.min(window()))
                .initial_connection_window_size(window())
                .max_send_buf_size(STREAM_SEND_BYTES_MAX)
                .max_header_list_size(HEADER_BYTES_MAX)
                .keep_alive_interval(KEEPALIVE_INTERVAL)
                .keep_alive_timeout(KEEPALIVE_TIMEOUT)
                .serve_connection(stream, service);
            until_stopped(connection, sending, stop, &member, |connection| {
                connection.graceful_shutdown()
            })
            .await
        }
        Version::One => {
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HTTP1_HEADER_TIME_MAX)
                .max_buf_size(HTTP1_BUFFER_BYTES_MAX)
                .serve_connection(stream, service)
                .with_upgrades();
            until_stopped(connection, sending, stop, &member, |connection| {
                connection.graceful_shutdown()
            })
            .await
        }
    };
    match ended {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::debug!(%address, %error, "connection ended"),
        None => tracing::debug!(%address, "connection did not end in time"),
    }
}

/// Drives a connection and sends what it has written; once the server stops, lets what is under
/// way finish, for a while; once others need its place, says so and ends.
async fn until_stopped<C: Future, S: AsyncWrite + Unpin>(
    connection: C,
    sending: Sending<S>,
    stop: Stop,
    member: &Member,
    graceful_shutdown: impl FnOnce(Pin<&mut C>),
) -> Option<C::Output> {
    let mut connection = pin!(connection);
    let turn = |cx: &mut Context<'_>, connection: Pin<&mut C>| {
        let ended = connection.poll(cx);
        sending.send(cx);
        ended
    };
    let time = tokio::select! {
        ended = poll_fn(|cx| turn(cx, connection.as_mut())) => return Some(ended),
        () = stop.requested() => SHUTDOWN_TIME_MAX,
        () = member.asked_to_leave() => LEAVE_TIME_MAX,
    };
    graceful_shutdown(connection.as_mut());
    let mut rest = poll_fn(|cx| turn(cx, connection.as_mut()));
    match tokio::time::timeout(time, &mut rest).await {
        Ok(ended) => Some(ended),
        // A request that was on its way when its connection was asked to leave.
        Err(_) if member.is_busy() => tokio::time::timeout(SHUTDOWN_TIME_MAX, rest).await.ok(),
        Err(_) => None,
    }
}
