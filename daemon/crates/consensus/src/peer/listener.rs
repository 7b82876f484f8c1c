//! Awaits the other members.
//!
//! Whoever connects must show a certificate of this cluster within a short time; then follows the
//! greeting. Invariant: handshakes and connections are bounded, and a foreigner costs one line in
//! the log.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::greeting::{HELLO_BYTES, Hello, Verdict};
use super::refused::Refused;
use super::serve;
use super::socket;
use crate::limits::{
    PEER_CONNECTIONS_MAX, PEER_HANDSHAKE_TIME_MAX, PEER_HANDSHAKES_MAX,
    PEER_HANDSHAKES_PER_ADDRESS_MAX,
};
use crate::node::Node;

/// Pause after the system could not give another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

struct Listening {
    node: Rc<Node>,
    tls: TlsAcceptor,
    refused: RefCell<Refused>,
    connections: Cell<usize>,
    /// Handshakes under way.
    greeting: RefCell<Vec<IpAddr>>,
}

/// Why a peer was turned away.
#[derive(Debug, thiserror::Error)]
enum TurnedAway {
    #[error("no certificate of this cluster: {0}")]
    Tls(io::Error),
    #[error("no greeting: {0}")]
    Greeting(io::Error),
    #[error("not a member of this protocol")]
    OtherProtocol,
    #[error("another version of the protocol")]
    OtherVersion,
    #[error("it is of the cluster {0:016x}")]
    OtherCluster(u64),
    #[error("it wanted the member {0:x}")]
    OtherMember(u64),
    #[error("member {0:x} was removed from the cluster")]
    Removed(u64),
    #[error("this member votes in the cluster, but has lost all it had written")]
    Empty,
    #[error("too many connections")]
    Busy,
    #[error("it took too long")]
    TooLong,
}

/// Accepts connections for as long as the member lives.
pub(crate) async fn run(node: Rc<Node>, listener: TcpListener, tls: TlsAcceptor) {
    let listening = Rc::new(Listening {
        node,
        tls,
        refused: RefCell::default(),
        connections: Cell::new(0),
        greeting: RefCell::default(),
    });
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a peer");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let from = from.ip();
        if !listening.may_greet(from) {
            listening.turned_away(from, &TurnedAway::Busy);
            continue;
        }
        let listening = Rc::clone(&listening);
        tokio::task::spawn_local(async move {
            listening.greeting.borrow_mut().push(from);
            let greeted = timeout(PEER_HANDSHAKE_TIME_MAX, listening.greet(stream)).await;
            listening.greeted(from);
            match greeted.unwrap_or(Err(TurnedAway::TooLong)) {
                Ok((stream, hello)) => listening.serve(stream, hello).await,
                Err(why) => listening.turned_away(from, &why),
            }
        });
    }
}

impl Listening {
    /// Whether one more handshake may begin.
    fn may_greet(&self, from: IpAddr) -> bool {
        let greeting = self.greeting.borrow();
        let same = greeting.iter().filter(|address| **address == from).count();
        greeting.len() < PEER_HANDSHAKES_MAX && same < PEER_HANDSHAKES_PER_ADDRESS_MAX
    }

    fn greeted(&self, from: IpAddr) {
        let mut greeting = self.greeting.borrow_mut();
        if let Some(at) = greeting.iter().position(|address| *address == from) {
            greeting.swap_remove(at);
        }
    }

    async fn greet(&self, stream: TcpStream) -> Result<(TlsStream<TcpStream>, Hello), TurnedAway> {
        socket::prepare(&stream, self.node.timing.election).map_err(TurnedAway::Tls)?;
        let mut stream = self.tls.accept(stream).await.map_err(TurnedAway::Tls)?;
        let mut bytes = [0; HELLO_BYTES];
        stream
            .read_exact(&mut bytes)
            .await
            .map_err(TurnedAway::Greeting)?;
        let (verdict, outcome) = match Hello::decode(&bytes) {
            Ok(hello) => {
                let url = read_url(&mut stream).await.map_err(TurnedAway::Greeting)?;
                let judged = self.judge(hello);
                if judged.1.is_ok() {
                    self.node.view.reached_at(hello.from, &url);
                }
                judged
            }
            Err(Some(verdict)) => (verdict, Err(TurnedAway::OtherVersion)),
            Err(None) => return Err(TurnedAway::OtherProtocol),
        };
        stream
            .write_all(&verdict.encode())
            .await
            .map_err(TurnedAway::Greeting)?;
        stream.flush().await.map_err(TurnedAway::Greeting)?;
        if outcome.is_err() {
            let _ = stream.shutdown().await;
        }
        outcome.map(|hello| (stream, hello))
    }

    fn judge(&self, hello: Hello) -> (Verdict, Result<Hello, TurnedAway>) {
        let view = &self.node.view;
        if hello.cluster_id != view.cluster_id {
            (
                Verdict::OtherCluster,
                Err(TurnedAway::OtherCluster(hello.cluster_id)),
            )
        } else if hello.to != view.member_id {
            (Verdict::OtherMember, Err(TurnedAway::OtherMember(hello.to)))
        } else if view.was_removed(hello.from, hello.member_since) {
            (Verdict::Removed, Err(TurnedAway::Removed(hello.from)))
        } else if hello.votes && self.node.log.next_index() == 0 {
            // A new member is a learner until it holds the log. One that votes and holds nothing
            // may have voted in this term already, and has forgotten what it acknowledged.
            view.fail("its data is lost: remove this member and join as a new one");
            (Verdict::Empty, Err(TurnedAway::Empty))
        } else if self.connections.get() >= PEER_CONNECTIONS_MAX {
            (Verdict::Busy, Err(TurnedAway::Busy))
        } else {
            (Verdict::Welcome, Ok(hello))
        }
    }

    async fn serve(&self, stream: TlsStream<TcpStream>, hello: Hello) {
        self.connections.set(self.connections.get() + 1);
        let outcome = serve::run(&self.node, stream, hello).await;
        self.connections.set(self.connections.get() - 1);
        let Hello { from, class, .. } = hello;
        match outcome {
            Ok(()) => tracing::debug!(from, ?class, "a peer's connection ended"),
            Err(error) => tracing::debug!(from, ?class, %error, "a peer's connection broke"),
        }
    }

    fn turned_away(&self, from: IpAddr, why: &TurnedAway) {
        // A member's certificate, and not a word: somebody looks whether this port can be reached.
        if let TurnedAway::Greeting(_) = why {
            tracing::debug!(%from, %why, "a peer did not say who it is");
            return;
        }
        if self.refused.borrow_mut().is_new(from) {
            tracing::warn!(%from, %why, "refused a peer; its further attempts are not logged");
        }
    }
}

/// What follows the greeting of this version.
async fn read_url(stream: &mut TlsStream<TcpStream>) -> io::Result<Vec<u8>> {
    let length = stream.read_u8().await?;
    let mut url = vec![0; usize::from(length)];
    stream.read_exact(&mut url).await?;
    Ok(url)
}
