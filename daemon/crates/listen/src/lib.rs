//! Listening: accept, shake hands, speak HTTP/1.1 or HTTP/2, stop in an orderly way.
//!
//! Every HTTP port of the server is served by this one loop. Knows nothing about what the
//! requests mean. Invariant: whatever a stranger does before its
//! certificate is verified costs at most one of a bounded number of handshakes, for a bounded
//! time.

mod connection;
mod crowd;
mod gather;
pub mod limits;
mod peer;
pub mod pressure;
mod stop;
mod transport;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use tokio::net::{TcpListener, TcpStream};

pub use peer::{Peer, Standing};
pub use stop::Stop;
pub use transport::{Standings, Transport};

use crate::crowd::{Crowd, Member};
use crate::limits::{CONNECTIONS_MAX, HANDSHAKES_MAX, SHUTDOWN_TIME_MAX};

/// After `accept` failed (no more file descriptors): time for some to come free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a body may fail with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What answers a request.
pub trait Handler: Clone + Send + Sync + 'static {
    /// The body of its answers.
    type Body: Body<Data: Send, Error: Into<BoxError>> + Send + 'static;

    /// Answers one request of a client.
    fn handle(
        self,
        peer: Arc<Peer>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Self::Body>> + Send + 'static;
}

/// Serves what connects to `listener` until `stop`, then lets calls under way finish.
pub async fn serve<H: Handler>(
    listener: TcpListener,
    transport: Transport,
    handler: H,
    stop: Stop,
) {
    let connections = Crowd::new(CONNECTIONS_MAX);
    let handshakes = Crowd::new(HANDSHAKES_MAX);
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.requested() => break,
            accepted = accept(&listener, &connections, &handshakes) => accepted,
        };
        let (stream, slot) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = connection::run(
            stream,
            transport.clone(),
            handler.clone(),
            stop.clone(),
            slot,
        );
        tokio::spawn(connection);
    }
    drop(listener);
    if tokio::time::timeout(SHUTDOWN_TIME_MAX, connections.empty(CONNECTIONS_MAX))
        .await
        .is_err()
    {
        tracing::info!("connections that did not end in time are closed");
    }
}

/// What a connection holds while it lives.
struct Slot {
    connection: Arc<Member>,
    handshake: Arc<Member>,
}

/// The next connection, once there is room for it: who has been idle longest makes room, and of
/// handshakes the slowest. Where all are busy, it waits, and others in the kernel's backlog.
async fn accept(
    listener: &TcpListener,
    connections: &Arc<Crowd>,
    handshakes: &Arc<Crowd>,
) -> io::Result<(TcpStream, Slot)> {
    let closed = || io::Error::other("the port is closed");
    let (stream, _) = listener.accept().await?;
    if pressure::is_high() {
        // Of those who only sit there more leave than come.
        let left = connections.send_away() && connections.send_away();
        // Those who ask whether the server lives still find room.
        if !left && pressure::is_full() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
    }
    let connection = connections.enter().await.ok_or_else(closed)?;
    let handshake = handshakes.enter().await.ok_or_else(closed)?;
    Ok((
        stream,
        Slot {
            connection,
            handshake,
        },
    ))
}
