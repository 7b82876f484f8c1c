//! The asking end of a connection to one member, for one class of messages.
//!
//! Connects when it is first used, and again when it broke, with pauses that grow. Knows nothing
//! about what is asked. Invariants: at most one connection at a time; a request is sent at most
//! once; everybody who waits for an answer gets one or learns that the connection was lost.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Class;
use super::address::Address;
use super::frame::{self, Frame};
use super::greeting::{Hello, VERDICT_BYTES, Verdict};
use super::message::Request;
use super::socket;
use super::wire::Wire;
use crate::limits::{PEER_HANDSHAKE_TIME_MAX, RECONNECT_PAUSE};
use crate::node::view::View;

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum LinkError {
    /// Nothing was sent.
    #[error("member {peer} cannot be reached: {why}")]
    Unreachable { peer: u64, why: String },
    /// It may have been received.
    #[error("the connection to member {peer} was lost")]
    Lost { peer: u64 },
    /// It may have been received.
    #[error("member {peer} did not answer within {time:?}")]
    Timeout { peer: u64, time: Duration },
    /// The other side says why.
    #[error("member {peer}: {why}")]
    Failed { peer: u64, why: String },
}

type Waiting = RefCell<HashMap<u64, oneshot::Sender<Result<Bytes, LinkError>>>>;

/// One live connection.
struct Connection {
    wire: Wire,
    waiting: Waiting,
    heard: Cell<Instant>,
}

enum State {
    Idle {
        retry_at: Instant,
        pause: Duration,
        why: String,
    },
    Connecting {
        pause: Duration,
    },
    Connected(Rc<Connection>),
}

/// Told of commands that the leader handed back.
pub(crate) type OnRejected = Rc<dyn Fn(u64)>;

/// What links need to connect.
pub(crate) struct Dialer {
    pub(crate) tls: TlsConnector,
    pub(crate) view: Rc<View>,
    /// How long a member may leave bytes unacknowledged.
    pub(crate) silence: Duration,
    pub(crate) on_rejected: RefCell<Option<OnRejected>>,
    /// Some link has connected or given up.
    pub(crate) changed: Rc<Notify>,
}

/// The asking end towards one member.
pub(crate) struct Link {
    peer: u64,
    class: Class,
    dialer: Rc<Dialer>,
    state: RefCell<State>,
    settled: Notify,
    next_request: Cell<u64>,
}

/// A request that was sent.
pub(crate) struct Call {
    peer: u64,
    sent: Instant,
    connection: Rc<Connection>,
    request: u64,
    answer: oneshot::Receiver<Result<Bytes, LinkError>>,
}

impl Link {
    pub(crate) fn new(peer: u64, class: Class, dialer: Rc<Dialer>) -> Rc<Self> {
        let state = State::Idle {
            retry_at: Instant::now(),
            pause: RECONNECT_PAUSE.0,
            why: "not connected yet".into(),
        };
        Rc::new(Self {
            peer,
            class,
            dialer,
            state: RefCell::new(state),
            settled: Notify::new(),
            next_request: Cell::new(1),
        })
    }

    /// Connects if need be, sends and waits for the answer, all within `time`.
    pub(crate) async fn ask(
        self: &Rc<Self>,
        request: Request,
        time: Duration,
    ) -> Result<Bytes, LinkError> {
        let deadline = Instant::now() + time;
        match timeout_at(deadline, self.connect()).await {
            Ok(connected) => connected?,
            Err(_) => return Err(self.unreachable("no connection in time")),
        }
        let call = self.send(&request)?;
        drop(request);
        call.answer(deadline.saturating_duration_since(Instant::now()))
            .await
    }

    /// Sends on a connection that is there; the order of calls is the order on the wire.
    pub(crate) fn send(&self, request: &Request) -> Result<Call, LinkError> {
        let connection = self.connected()?;
        let number = self.number();
        let (sender, answer) = oneshot::channel();
        connection.waiting.borrow_mut().insert(number, sender);
        let frame = encode(request, number);
        let call = Call {
            peer: self.peer,
            sent: Instant::now(),
            connection,
            request: number,
            answer,
        };
        if call.connection.wire.send(frame) {
            Ok(call)
        } else {
            Err(LinkError::Lost { peer: self.peer })
        }
    }

    /// Sends what gets no answer, if there is a connection with room in its queue.
    pub(crate) fn tell(&self, request: &Request) -> Result<(), LinkError> {
        let connection = self.connected()?;
        if !connection.wire.has_room() {
            return Err(self.unreachable("its queue is full"));
        }
        if connection.wire.send(encode(request, self.number())) {
            Ok(())
        } else {
            Err(self.unreachable("the connection was lost"))
        }
    }

    /// Waits until the queue of the connection has room.
    pub(crate) async fn room(&self) -> Result<(), LinkError> {
        let connection = self.connected()?;
        connection.wire.room().await;
        Ok(())
    }

    /// Whether there is a connection now; begins to connect if not.
    pub(crate) fn is_connected(self: &Rc<Self>) -> bool {
        self.begin();
        self.connected().is_ok()
    }

    /// Ends the connection, if there is one.
    pub(crate) fn close(&self) {
        if let Ok(connection) = self.connected() {
            connection.wire.close();
        }
    }

    fn number(&self) -> u64 {
        let number = self.next_request.get();
        self.next_request.set(number.wrapping_add(1));
        number
    }

    fn unreachable(&self, why: &str) -> LinkError {
        LinkError::Unreachable {
            peer: self.peer,
            why: why.to_owned(),
        }
    }

    fn connected(&self) -> Result<Rc<Connection>, LinkError> {
        match &*self.state.borrow() {
            State::Connected(connection) if !connection.wire.is_closed() => {
                Ok(Rc::clone(connection))
            }
            State::Idle { why, .. } => Err(self.unreachable(why)),
            _ => Err(self.unreachable("not connected")),
        }
    }

    /// Waits for a connection: the one that is there, or the outcome of one attempt.
    pub(crate) async fn connect(self: &Rc<Self>) -> Result<(), LinkError> {
        let settled = self.settled.notified();
        if !self.begin() {
            return self.connected().map(drop);
        }
        settled.await;
        self.connected().map(drop)
    }

    /// Begins to connect if it is time; whether an attempt is under way.
    fn begin(self: &Rc<Self>) -> bool {
        let mut state = self.state.borrow_mut();
        match &*state {
            State::Connected(connection) if !connection.wire.is_closed() => false,
            State::Connecting { .. } => true,
            State::Idle { retry_at, .. } if Instant::now() < *retry_at => false,
            State::Idle { pause, .. } => {
                *state = State::Connecting { pause: *pause };
                tokio::task::spawn_local(Rc::clone(self).run());
                true
            }
            State::Connected(_) => {
                *state = State::Connecting {
                    pause: RECONNECT_PAUSE.0,
                };
                tokio::task::spawn_local(Rc::clone(self).run());
                true
            }
        }
    }

    /// One attempt, and the life of the connection if it succeeds.
    async fn run(self: Rc<Self>) {
        let attempt = timeout(PEER_HANDSHAKE_TIME_MAX, self.dial()).await;
        let attempt = attempt.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        let pause = match &*self.state.borrow() {
            State::Connecting { pause } => *pause,
            _ => RECONNECT_PAUSE.0,
        };
        match attempt {
            Ok(stream) => {
                let connection = Rc::new(Connection {
                    wire: Wire::default(),
                    waiting: Waiting::default(),
                    heard: Cell::new(Instant::now()),
                });
                *self.state.borrow_mut() = State::Connected(Rc::clone(&connection));
                self.settle();
                let why = self.carry(stream, &connection).await;
                tracing::debug!(peer = self.peer, class = ?self.class, why, "connection ended");
                self.idle(RECONNECT_PAUSE.0, why);
            }
            Err(why) => {
                tracing::debug!(peer = self.peer, class = ?self.class, why, "cannot connect");
                self.idle(pause, why);
            }
        }
    }

    fn idle(&self, pause: Duration, why: String) {
        let retry_at = Instant::now() + pause;
        let pause = (pause * 2).min(RECONNECT_PAUSE.1);
        *self.state.borrow_mut() = State::Idle {
            retry_at,
            pause,
            why,
        };
        self.settle();
    }

    fn settle(&self) {
        self.settled.notify_waiters();
        self.dialer.changed.notify_waiters();
    }

    /// Tries the addresses of the member in turn.
    async fn dial(&self) -> Result<TlsStream<TcpStream>, String> {
        let urls = self.dialer.view.peer_urls(self.peer);
        let mut why = "it has no peer URL that can be used".to_owned();
        for url in &urls {
            let Some(address) = Address::parse(url) else {
                continue;
            };
            match self.dial_one(&address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => why = format!("{url}: {error}"),
            }
        }
        Err(why)
    }

    async fn dial_one(&self, address: &Address) -> Result<TlsStream<TcpStream>, String> {
        let text = |error: std::io::Error| error.to_string();
        let name = rustls::pki_types::ServerName::try_from(address.host.clone())
            .map_err(|error| error.to_string())?;
        let stream = TcpStream::connect((address.host.as_str(), address.port));
        let stream = stream.await.map_err(text)?;
        socket::prepare(&stream, self.dialer.silence).map_err(text)?;
        let mut stream = self.dialer.tls.connect(name, stream).await.map_err(text)?;
        let view = &self.dialer.view;
        let url = view
            .own_url()
            .and_then(|url| Some((u8::try_from(url.len()).ok()?, url)));
        let hello = Hello {
            class: self.class,
            cluster_id: view.cluster_id,
            from: view.member_id,
            to: self.peer,
            member_since: view.member_since(),
            votes: view.votes(self.peer),
        };
        let mut greeting = hello.encode().to_vec();
        let (length, url) = url.unwrap_or_default();
        greeting.push(length);
        greeting.extend_from_slice(url.as_bytes());
        stream.write_all(&greeting).await.map_err(text)?;
        stream.flush().await.map_err(text)?;
        let mut verdict = [0; VERDICT_BYTES];
        stream.read_exact(&mut verdict).await.map_err(text)?;
        match Verdict::decode(&verdict) {
            Some(Verdict::Welcome) => Ok(stream),
            Some(Verdict::Removed) => {
                view.removed();
                Err("this member was removed from the cluster".into())
            }
            Some(Verdict::OtherCluster) => Err("it is of another cluster".into()),
            Some(Verdict::OtherMember) => Err("another member is there".into()),
            Some(Verdict::OtherVersion) => Err("it speaks another version".into()),
            Some(Verdict::Busy) => Err("it is busy".into()),
            Some(Verdict::Empty) => {
                tracing::error!(
                    member = self.peer,
                    "a voter has lost its data: remove it and let it join as a new member"
                );
                Err("it has lost its data".into())
            }
            None => Err("it answers in another protocol".into()),
        }
    }

    /// Carries frames both ways until the connection ends; says why it did.
    async fn carry(&self, stream: TlsStream<TcpStream>, connection: &Connection) -> String {
        let (mut incoming, outgoing) = tokio::io::split(stream);
        let why = tokio::select! {
            why = self.receive(&mut incoming, connection) => why,
            written = connection.wire.write(outgoing) => match written {
                Ok(()) => "it was closed".to_owned(),
                Err(error) => error.to_string(),
            },
            () = connection.wire.closed() => "it was closed".to_owned(),
        };
        connection.wire.close();
        for (_, waiting) in connection.waiting.take() {
            let _ = waiting.send(Err(LinkError::Lost { peer: self.peer }));
        }
        why
    }

    async fn receive(
        &self,
        stream: &mut (impl tokio::io::AsyncRead + Unpin),
        connection: &Connection,
    ) -> String {
        loop {
            let frame = match frame::read(stream).await {
                Ok(Some(frame)) => frame,
                Ok(None) => return "the other side ended it".into(),
                Err(error) => return error.to_string(),
            };
            connection.heard.set(Instant::now());
            let answer = match frame.kind {
                frame::ANSWER => Ok(frame.body),
                frame::FAILED => {
                    let why = String::from_utf8_lossy(&frame.body).into_owned();
                    Err(LinkError::Failed {
                        peer: self.peer,
                        why,
                    })
                }
                frame::REJECTED => {
                    let on_rejected = self.dialer.on_rejected.borrow().clone();
                    if let Some(on_rejected) = on_rejected {
                        on_rejected(frame.request);
                    }
                    continue;
                }
                kind => return format!("a frame of kind {kind:#x} where an answer was due"),
            };
            if let Some(waiting) = connection.waiting.borrow_mut().remove(&frame.request) {
                let _ = waiting.send(answer);
            }
        }
    }
}

impl Call {
    /// Waits for the answer. A connection on which nothing was heard all the while is given up.
    pub(crate) async fn answer(mut self, time: Duration) -> Result<Bytes, LinkError> {
        match timeout(time, &mut self.answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(LinkError::Lost { peer: self.peer }),
            Err(_) => {
                if self.connection.heard.get() <= self.sent {
                    self.connection.wire.close();
                }
                Err(LinkError::Timeout {
                    peer: self.peer,
                    time,
                })
            }
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.connection.waiting.borrow_mut().remove(&self.request);
    }
}

fn encode(request: &Request, number: u64) -> Bytes {
    Frame::encode(request.kind(), number, request.size_hint(), |out| {
        request.encode(out)
    })
}
