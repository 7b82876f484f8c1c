//! What all services share: the way into consensus, the state, and who asks.

use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use prost::Message;
use skerry_archive::Describe;
pub(crate) use skerry_consensus::Caller;
use skerry_consensus::Handle;
use skerry_consensus::{ProposeError, Status as ClusterStatus};
use skerry_proto::command::command::Operation;
use skerry_proto::etcdserverpb as pb;
use skerry_store::{Reader, Reply, View};
use tokio::sync::{Semaphore, watch};
use tonic::{Code, Status};

use crate::auth::Authority;
use crate::errors;
use crate::grpc::{Answers, Body, Room};
use crate::method::Method;
use crate::metrics::Metrics;
use crate::quota::Quota;
use crate::watch::Hub;
use crate::who::Who;
use skerry_listen::Stop;

/// Asked before whatever a client may change something with: why it is not to be done here, where
/// it is not.
#[derive(Clone)]
pub struct Gate(pub Arc<dyn Fn() -> Option<&'static str> + Send + Sync>);

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gate")
    }
}

/// Settings of the API.
#[derive(Debug, Clone)]
pub struct Options {
    /// Space that the state may take before writes are refused with
    /// `etcdserver: mvcc: database space exceeded`.
    pub quota_bytes: u64,
    /// The election timeout: streams that asked for a leader end after three without one, and a
    /// lease lives at least one and a half.
    pub election_timeout: Duration,
    /// How often a watcher that asked for it hears that nothing has happened.
    pub progress_notify_interval: Duration,
    /// Writes what `/metrics` tells besides: what the server that this is part of measures.
    pub more_metrics: fn(&mut skerry_metrics::Text),
    /// Says where the snapshots that clients take are from; without it they name the members only.
    pub describe: Option<Describe>,
    /// None: everything is done.
    pub gate: Option<Gate>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            quota_bytes: 2 << 30,
            election_timeout: Duration::from_secs(5),
            progress_notify_interval: Duration::from_secs(600),
            more_metrics: |_| {},
            describe: None,
            gate: None,
        }
    }
}

/// The services, as one value; each implements its methods in a file of its own.
pub(crate) struct Api {
    pub(crate) handle: Handle,
    pub(crate) reader: Reader,
    pub(crate) auth: Authority,
    pub(crate) options: Options,
    pub(crate) metrics: Metrics,
    pub(crate) quota: Quota,
    pub(crate) watches: Arc<Hub>,
    pub(crate) stop: Stop,
    /// Room for messages that arrive in pieces.
    pub(crate) room: Room,
    /// Room for answers that may be large.
    pub(crate) large_answers: Arc<Semaphore>,
    /// Room for clients that take snapshots.
    pub(crate) snapshots: Arc<Semaphore>,
    /// Whether no leader has been known for so long that streams which need one have to end.
    pub(crate) leaderless: watch::Receiver<bool>,
}

impl Api {
    /// What this member knows of the cluster.
    pub(crate) fn status(&self) -> Arc<ClusterStatus> {
        self.handle.status()
    }

    /// A consistent picture of the state.
    pub(crate) fn view(&self) -> Result<View, Status> {
        self.reader.view().map_err(|error| errors::store(&error))
    }

    /// Returns once reads from [`Api::view`] see all that was acknowledged before the call.
    pub(crate) async fn linearize(&self) -> Result<(), Status> {
        self.handle.linearize().await.map_err(|error| {
            self.metrics.reads_failed.increment();
            errors::read(&error)
        })
    }

    /// Proposes an operation for a client and waits until it is applied here.
    pub(crate) async fn propose(&self, who: &Who, operation: Operation) -> Result<Reply, Status> {
        let caller = self.caller(who).await?;
        self.propose_for(caller, operation).await
    }

    /// Proposes what this member does of itself.
    pub(crate) async fn propose_as_member(&self, operation: Operation) -> Result<Reply, Status> {
        self.propose_for(Caller::default(), operation).await
    }

    async fn propose_for(&self, caller: Caller, operation: Operation) -> Result<Reply, Status> {
        self.metrics.proposals_pending.add(1);
        let _pending = Pending(&self.metrics);
        self.handle
            .propose(caller, operation)
            .await
            .map_err(|error| {
                if !matches!(error, ProposeError::Refused(_)) {
                    self.metrics.proposals_failed.increment();
                }
                errors::propose(&error)
            })
    }

    /// Who asks, once it has proved it; nobody where authentication is off.
    pub(crate) async fn caller(&self, who: &Who) -> Result<Caller, Status> {
        self.auth.caller(who).await
    }

    /// Whether this member only listens.
    pub(crate) fn is_learner(&self, status: &ClusterStatus) -> bool {
        status
            .members
            .iter()
            .any(|(id, _, learner)| *id == status.member_id && *learner)
    }

    /// Fills in who answers; the revision is left as it is.
    pub(crate) fn fill(&self, header: &mut Option<pb::ResponseHeader>) {
        let status = self.status();
        let header = header.get_or_insert_default();
        header.cluster_id = status.cluster_id;
        header.member_id = status.member_id;
        header.raft_term = status.term;
    }

    /// A header at a revision.
    pub(crate) fn header_at(&self, revision: i64) -> pb::ResponseHeader {
        let status = self.status();
        pb::ResponseHeader {
            cluster_id: status.cluster_id,
            member_id: status.member_id,
            raft_term: status.term,
            revision,
        }
    }

    /// A header at the newest revision.
    pub(crate) fn header(&self) -> pb::ResponseHeader {
        self.header_at(self.reader.ring().newest())
    }

    /// The body of a streaming answer, which ends with the server or with the leader.
    pub(crate) fn answers<S, M>(self: &Arc<Self>, method: Method, who: Who, messages: S) -> Body
    where
        S: Stream<Item = Result<M, Status>> + Send + 'static,
        M: Message + 'static,
    {
        let (api, counting) = (Arc::clone(self), Arc::clone(self));
        let ends = async move { api.stream_ends(&who).await };
        let on_end = move |status: Option<&Status>| {
            counting
                .metrics
                .handled(method, status.map_or(Code::Cancelled, Status::code));
        };
        Body::stream(Answers::new(messages, ends, on_end))
    }

    /// Returns with the reason for which the server ends a stream.
    pub(crate) async fn stream_ends(&self, who: &Who) -> Status {
        let mut leaderless = self.leaderless.clone();
        let requires_leader = who.requires_leader();
        let leader_lost = async {
            if !requires_leader || leaderless.wait_for(|lost| *lost).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = self.stop.requested() => errors::STOPPED.into(),
            () = leader_lost => errors::NO_LEADER.into(),
        }
    }
}

/// Takes a proposal off the gauge also where the client went away.
struct Pending<'a>(&'a Metrics);

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.proposals_pending.subtract(1);
    }
}
