//! Serves what another member asks on one of its connections.
//!
//! Knows nothing about how the connection came to be. Invariants: entries are given to openraft in
//! the order they came; what cannot be decoded ends the connection; requests under way are bounded,
//! and so are the entries that wait for this member's disks.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use bytes::BytesMut;
use openraft::raft::AppendEntriesRequest;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use super::frame::{self, ANSWER, FAILED, Frame};
use super::greeting::Hello;
use super::message::{Refusal, Request, answer};
use super::snapshot::Incoming;
use super::wire::Wire;
use crate::limits::{APPLY_LAG_ENTRIES_MAX, PEER_REQUESTS_MAX};
use crate::node::{Node, leases, members};
use crate::raft::types::TypeConfig;

/// Serves until the connection ends or breaks.
pub(crate) async fn run(
    node: &Rc<Node>,
    stream: TlsStream<TcpStream>,
    hello: Hello,
) -> io::Result<()> {
    let wire = Rc::new(Wire::default());
    let (mut incoming, outgoing) = tokio::io::split(stream);
    let writer = Rc::clone(&wire);
    let outcome = tokio::select! {
        served = serve(node, &mut incoming, &wire, hello) => served,
        written = writer.write(outgoing) => written,
        () = removal(node, hello) => Ok(()),
    };
    wire.close();
    outcome
}

/// Returns once the other side is no member any more: it learns why when it connects again.
async fn removal(node: &Node, hello: Hello) {
    loop {
        let changed = node.view.changed.notified();
        if node.view.was_removed(hello.from, hello.member_since) {
            return;
        }
        changed.await;
    }
}

async fn serve(
    node: &Rc<Node>,
    stream: &mut (impl tokio::io::AsyncRead + Unpin),
    wire: &Rc<Wire>,
    hello: Hello,
) -> io::Result<()> {
    let permits = Arc::new(Semaphore::new(PEER_REQUESTS_MAX));
    // A state that this connection is bringing.
    let mut receiving: Option<Incoming> = None;
    while let Some(Frame {
        kind,
        request: number,
        body,
    }) = frame::read(stream).await?
    {
        let request = Request::decode(kind, body);
        let request = request.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        // A peer that does not take its answers is not served.
        wire.room().await;
        let permit = Arc::clone(&permits)
            .acquire_owned()
            .await
            .map_err(io::Error::other)?;
        let context = Context {
            node: Rc::clone(node),
            wire: Rc::clone(wire),
            number,
            permit,
        };
        match request {
            Request::Append(append) => {
                room_for(node, &append).await;
                tokio::task::spawn_local(context.append(append));
            }
            Request::SnapshotBegin { vote, meta } => {
                drop(receiving.take());
                let only_one = Arc::clone(&node.receiving).lock_owned().await;
                let path = node.incoming.clone();
                receiving = Some(Incoming::begin(vote, meta, path, only_one).await?);
            }
            Request::SnapshotChunk(chunk) => {
                let Some(incoming) = receiving.take() else {
                    return Err(io::Error::other("a piece of no snapshot"));
                };
                receiving = Some(incoming.write(chunk).await?);
            }
            Request::SnapshotEnd => {
                let Some(incoming) = receiving.take() else {
                    return Err(io::Error::other("the end of no snapshot"));
                };
                let installed = incoming.install(node.raft.clone()).await;
                context.finish(installed, answer::encode_snapshot);
            }
            Request::Moved(member, url) => node.view.said_to_be_at(member, &url),
            Request::Propose(commands) => {
                node.dispatch.take_forwarded(commands, wire).await;
            }
            other => {
                tokio::task::spawn_local(context.answer(other, hello));
            }
        }
    }
    Ok(())
}

/// Waits while this member's disks are too far behind to take more entries.
async fn room_for(node: &Node, append: &AppendEntriesRequest<TypeConfig>) {
    if append.entries.is_empty() {
        return;
    }
    while !node.log.has_room() {
        let (ready, room) = oneshot::channel();
        node.log.when_room(Box::new(move || {
            let _ = ready.send(());
        }));
        let _ = room.await;
        // A log that has failed is always «ready»; openraft is about to notice.
        tokio::task::yield_now().await;
    }
    let end = node.log.next_index();
    let mut applied = node.shared.applied_end.clone();
    let enough = end.saturating_sub(APPLY_LAG_ENTRIES_MAX);
    let caught_up = applied.wait_for(|applied| *applied >= enough);
    // Never for longer than this: what the state waits for may be in these very entries.
    let _ = timeout(node.timing.heartbeat, caught_up).await;
}

/// One request that is being served.
struct Context {
    node: Rc<Node>,
    wire: Rc<Wire>,
    number: u64,
    permit: OwnedSemaphorePermit,
}

impl Context {
    async fn append(self, append: AppendEntriesRequest<TypeConfig>) {
        let vote = append.vote;
        let outcome = self.node.raft.append_entries(append).await;
        // Whoever's entries are accepted leads.
        if outcome
            .as_ref()
            .is_ok_and(|answer| answer.is_success() || answer.is_conflict())
        {
            self.node.view.heard_of_leader();
            tracing::trace!(leader = vote.leader_id.node_id, "heard of the leader");
        }
        self.finish(outcome, answer::encode_append);
    }

    async fn answer(self, request: Request, hello: Hello) {
        let node = Rc::clone(&self.node);
        match request {
            Request::Vote(vote) => self.finish(node.raft.vote(vote).await, answer::encode_vote),
            Request::PreVote(vote) => {
                self.finish(node.raft.pre_vote(vote).await, answer::encode_vote);
            }
            Request::TransferLeader(request) => {
                let done = node.raft.handle_transfer_leader(request).await;
                let done = done.map_err(|error| error.to_string());
                let done = done.and_then(|done| done.map_err(|error| error.to_string()));
                self.finish(done, |(), _: &mut BytesMut| {});
            }
            Request::ReadIndex => self.answer_client(read_index(&node).await),
            Request::KeepAlive(id) => self.answer_client(leases::renew_here(&node, id).await),
            Request::Remaining(id) => self.answer_client(leases::remaining_here(&node, id).await),
            Request::Member(change) => self.answer_client(members::change(&node, change).await),
            Request::Farewell(position) => {
                tracing::info!(from = hello.from, position, "a member says farewell");
                node.view.farewell(position);
                self.finish(Ok::<(), io::Error>(()), |(), _: &mut BytesMut| {});
            }
            Request::Append(_)
            | Request::Propose(_)
            | Request::Moved(..)
            | Request::SnapshotBegin { .. }
            | Request::SnapshotChunk(_)
            | Request::SnapshotEnd => {
                self.finish(Err::<(), _>("served in order"), |(), _: &mut BytesMut| {});
            }
        }
    }

    fn answer_client<T: serde::Serialize>(self, result: Result<T, Refusal>) {
        self.finish(Ok::<_, io::Error>(result), |result, out| {
            answer::encode(result, out)
        });
    }

    /// Sends the answer, or why there is none.
    fn finish<T, E: std::fmt::Display>(
        self,
        outcome: Result<T, E>,
        encode: impl FnOnce(&T, &mut BytesMut),
    ) {
        let frame = match outcome {
            Ok(value) => Frame::encode(ANSWER, self.number, 64, |out| encode(&value, out)),
            Err(error) => {
                let why = error.to_string();
                Frame::encode(FAILED, self.number, why.len(), |out| {
                    out.extend_from_slice(why.as_bytes());
                })
            }
        };
        self.wire.send(frame);
        drop(self.permit);
    }
}

/// How far a linearizable read must wait; only the leader says.
async fn read_index(node: &Node) -> Result<u64, Refusal> {
    if !node.view.leads() {
        return Err(Refusal::NotLeader);
    }
    let (reply, end) = oneshot::channel();
    if !node.shared.reads.put(reply) {
        return Err(Refusal::Busy);
    }
    match end.await {
        Ok(Ok(end)) => Ok(end),
        Ok(Err(_)) => Err(Refusal::NotLeader),
        Err(_) => Err(Refusal::Stopped),
    }
}
