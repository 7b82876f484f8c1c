//! The network as openraft wants to see it, over the links.
//!
//! Invariant: answers to appended entries come in the order of the requests, and the stream ends
//! at the first that is not a whole success.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, Stream, StreamExt};
use openraft::OptionalSend;
use openraft::entry::RaftEntry;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, v2::RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::SnapshotOf;

use super::Class;
use super::link::{Dialer, Link, LinkError};
use super::message::{Request, answer};
use super::retry::Retries;
use super::snapshot;
use crate::limits::APPENDS_IN_FLIGHT_MAX;
use crate::raft::record::Malformed;
use crate::raft::state_machine::SnapshotData;
use crate::raft::types::{LogId, Peer, TypeConfig, Vote};

type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + 'a>>;
type BoxStream<'a, T> = std::pin::Pin<Box<dyn Stream<Item = T> + 'a>>;
type Rpc<T> = Result<T, RPCError<TypeConfig>>;

/// The links to all members, made as they are needed.
pub(crate) struct Links {
    dialer: Rc<Dialer>,
    links: RefCell<HashMap<(u64, Class), Rc<Link>>>,
    /// A member whose disk is full is not sent the state over and over.
    snapshots: RefCell<Retries>,
}

impl Links {
    pub(crate) fn new(dialer: Rc<Dialer>) -> Rc<Self> {
        Rc::new(Self {
            dialer,
            links: RefCell::default(),
            snapshots: RefCell::default(),
        })
    }

    /// The link to a member for a class of messages.
    pub(crate) fn get(&self, peer: u64, class: Class) -> Rc<Link> {
        let mut links = self.links.borrow_mut();
        let link = links
            .entry((peer, class))
            .or_insert_with(|| Link::new(peer, class, Rc::clone(&self.dialer)));
        Rc::clone(link)
    }

    /// Ends the connections to all who are not members.
    pub(crate) fn retain(&self, is_member: impl Fn(u64) -> bool) {
        self.links.borrow_mut().retain(|(peer, _), link| {
            let keep = is_member(*peer);
            if !keep {
                link.close();
            }
            keep
        });
    }
}

/// Makes the connections that openraft asks for.
pub(crate) struct Factory {
    pub(crate) links: Rc<Links>,
    /// Time that a follower has for writing entries to its disk.
    pub(crate) append_time: Duration,
}

impl Factory {
    fn network(&self, target: u64, node: &Peer, class: Class) -> Network {
        self.links.dialer.view.learn_peer(target, &node.member);
        Network {
            target,
            links: Rc::clone(&self.links),
            data: self.links.get(target, class),
            control: self.links.get(target, Class::Control),
            append_time: self.append_time,
        }
    }
}

impl RaftNetworkFactory<TypeConfig> for Factory {
    type Network = Network;

    async fn new_client(&mut self, target: u64, node: &Peer) -> Network {
        self.network(target, node, Class::Append)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &Peer) -> Network {
        self.network(target, node, Class::Control)
    }

    async fn new_snapshot_client(&mut self, target: u64, node: &Peer) -> Network {
        self.network(target, node, Class::Snapshot)
    }
}

/// One member, as one of openraft's tasks sees it.
pub(crate) struct Network {
    target: u64,
    links: Rc<Links>,
    data: Rc<Link>,
    control: Rc<Link>,
    append_time: Duration,
}

fn failed(error: &LinkError) -> RPCError<TypeConfig> {
    match error {
        LinkError::Unreachable { .. } => RPCError::Unreachable(Unreachable::new(error)),
        _ => RPCError::Network(NetworkError::new(error)),
    }
}

fn malformed(error: Malformed) -> RPCError<TypeConfig> {
    RPCError::Network(NetworkError::new(&error))
}

/// Position before the entries, and of the last of them.
fn span(request: &AppendEntriesRequest<TypeConfig>) -> (Option<LogId>, Option<LogId>) {
    let last = request.entries.last().map(RaftEntry::log_id);
    (request.prev_log_id, last.or(request.prev_log_id))
}

/// The outcome of one append in a stream, and whether the stream goes on after it.
fn outcome(
    answer: AppendEntriesResponse<TypeConfig>,
    prev: Option<LogId>,
    last: Option<LogId>,
) -> (Rpc<StreamAppendResult<TypeConfig>>, bool) {
    if answer.is_conflict() && prev.is_none() {
        // The start of the log conflicts with nothing.
        return (Err(malformed(Malformed("answer to an append"))), false);
    }
    let whole = answer.is_success() || answer == AppendEntriesResponse::PartialSuccess(last);
    (Ok(answer.into_stream_result(prev, last)), whole)
}

impl Network {
    async fn ask(&self, request: Request, time: Duration) -> Rpc<bytes::Bytes> {
        self.control
            .ask(request, time)
            .await
            .map_err(|error| failed(&error))
    }
}

impl RaftNetworkV2<TypeConfig> for Network {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Rpc<AppendEntriesResponse<TypeConfig>> {
        let answer = self
            .data
            .ask(Request::Append(request), self.append_time)
            .await;
        let body = answer.map_err(|error| failed(&error))?;
        answer::decode_append(&body).map_err(malformed)
    }

    fn stream_append<'s, S>(
        &'s mut self,
        mut input: S,
        _option: RPCOption,
    ) -> BoxFuture<'s, Rpc<BoxStream<'s, Rpc<StreamAppendResult<TypeConfig>>>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        Box::pin(async move {
            // The pause after an error is inside the input: it comes before another attempt.
            let first = input.next().await;
            let link = Rc::clone(&self.data);
            link.connect().await.map_err(|error| failed(&error))?;
            let input = stream::iter(first).chain(input);
            let time = self.append_time;
            // Sent in the order of the input; the answers are awaited together and kept in order.
            let answers = input
                .then(move |request| {
                    let link = Rc::clone(&link);
                    async move {
                        let (prev, last) = span(&request);
                        let room = link.room().await;
                        let call = room.and_then(|()| link.send(&Request::Append(request)));
                        (call, prev, last)
                    }
                })
                .map(move |(call, prev, last)| async move {
                    let answer = match call {
                        Ok(call) => call.answer(time).await,
                        Err(error) => Err(error),
                    };
                    let answer = answer.map_err(|error| failed(&error));
                    match answer.and_then(|body| answer::decode_append(&body).map_err(malformed)) {
                        Ok(answer) => outcome(answer, prev, last),
                        Err(error) => (Err(error), false),
                    }
                })
                .buffered(APPENDS_IN_FLIGHT_MAX);
            let answers: BoxStream<'s, _> = Box::pin(answers);
            let until_broken = stream::unfold(Some(answers), |answers| async move {
                let mut answers = answers?;
                let (result, goes_on) = answers.next().await?;
                Some((result, goes_on.then_some(answers)))
            });
            let until_broken: BoxStream<'s, _> = Box::pin(until_broken);
            Ok(until_broken)
        })
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<VoteResponse<TypeConfig>> {
        let body = self.ask(Request::Vote(request), option.hard_ttl()).await?;
        answer::decode_vote(&body).map_err(malformed)
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<VoteResponse<TypeConfig>> {
        let body = self
            .ask(Request::PreVote(request), option.hard_ttl())
            .await?;
        answer::decode_vote(&body).map_err(malformed)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<TypeConfig, SnapshotData>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let target = self.target;
        let snapshots = &self.links.snapshots;
        let pause = snapshots.borrow().pause(target, Instant::now());
        let sending = async {
            if !pause.is_zero() {
                // A view that nobody reads would keep old pages from being used again.
                drop(snapshot);
                tokio::time::sleep(pause).await;
                let again = std::io::Error::other("the last attempt failed; now comes another");
                return Err(StreamingError::Unreachable(Unreachable::new(&again)));
            }
            let sent = snapshot::send(Rc::clone(&self.data), target, vote, snapshot).await;
            match &sent {
                Ok(_) => snapshots.borrow_mut().succeeded(target),
                Err(_) => snapshots.borrow_mut().failed(target, Instant::now()),
            }
            sent
        };
        tokio::select! {
            sent = sending => sent,
            closed = cancel => Err(StreamingError::Closed(closed)),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<TransferLeaderResponse<TypeConfig>> {
        self.ask(Request::TransferLeader(request), option.hard_ttl())
            .await?;
        Ok(Ok(()))
    }
}
