//! Writes to a foreign etcd, and barriers for reads of the replica.
//!
//! Knows nothing about Kubernetes. Invariant: what was answered is in the replica; while etcd does
//! not answer, the replica shows what it held last.

use std::collections::VecDeque;
use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use skerry_consensus::{ProposeError, ReadError};
use skerry_etcd::rpc::etcdserverpb::kv_client::KvClient;
use skerry_etcd::rpc::etcdserverpb::lease_client::LeaseClient;
use skerry_etcd::rpc::etcdserverpb::watch_client::WatchClient;
use skerry_proto::command::command::Operation;
use skerry_proto::etcdserverpb as pb;
use skerry_store::{ApplyError, Mirror, Options, Reader, Reply, StoreError};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

use crate::channel::Members;
use crate::errors::{Broken, of_read, of_write, reason};
use crate::limits::{
    DOUBT_PAUSE, HISTORY_PAUSE, HISTORY_TIME, MESSAGE_BYTES_MAX, NUDGE_PAUSE, PROBE_PAUSE,
    PROBE_TIME_MAX, REQUEST_TIME_MAX,
};

/// A foreign etcd.
#[derive(Debug)]
pub struct Foreign {
    members: Members,
    pub(crate) mirror: Arc<Mutex<Mirror>>,
    reader: Reader,
    /// The revision that the replica shows; 0 before the first base.
    pub(crate) applied: watch::Sender<i64>,
    /// Somebody waits for a revision that no event may come for.
    pub(crate) nudge: Notify,
    /// The member that the watch is open at is asked no more.
    pub(crate) moved: Notify,
    /// 0 before etcd was heard of.
    pub(crate) cluster_id: AtomicU64,
    /// etcd no longer remembers what comes after the replica.
    pub(crate) lost: AtomicBool,
    reachable: AtomicBool,
    /// It was not, by somebody who asked for something.
    doubted: Notify,
    /// How often etcd was asked whether it is there.
    probes: AtomicU64,
    /// This server's; 0 without one.
    pub(crate) lease: AtomicI64,
    pub(crate) led_at: Mutex<Option<Instant>>,
}

impl Foreign {
    /// With an empty replica at `path`; nothing is asked before [`Foreign::run`].
    pub fn new(members: Members, path: &Path, options: Options) -> Result<Foreign, StoreError> {
        let mirror = Mirror::create(path, options)?;
        Ok(Foreign {
            members,
            reader: mirror.reader(),
            mirror: Arc::new(Mutex::new(mirror)),
            applied: watch::Sender::new(0),
            nudge: Notify::new(),
            moved: Notify::new(),
            cluster_id: AtomicU64::new(0),
            lost: AtomicBool::new(false),
            reachable: AtomicBool::new(false),
            doubted: Notify::new(),
            probes: AtomicU64::new(0),
            lease: AtomicI64::new(0),
            led_at: Mutex::new(None),
        })
    }

    /// Follows etcd for as long as that is right; ends with why it no longer is.
    pub async fn run(&self) -> Broken {
        tokio::select! {
            broken = self.follow() => broken,
            broken = self.forget() => broken,
            () = self.probe() => unreachable!("a loop without an end"),
        }
    }

    /// Returns once the replica holds all that etcd does.
    pub async fn ready(&self) {
        let mut applied = self.applied.subscribe();
        // The sender is this one's own.
        let _ = applied.wait_for(|applied| *applied > 0).await;
    }

    /// Reads the replica.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Whether etcd answered when it was last asked.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        self.reachable.load(Ordering::Acquire)
    }

    /// etcd's; 0 before it was heard of.
    #[must_use]
    pub fn cluster_id(&self) -> u64 {
        self.cluster_id.load(Ordering::Acquire)
    }

    /// The revision that the replica shows.
    #[must_use]
    pub fn revision(&self) -> i64 {
        *self.applied.borrow()
    }

    /// A counter that moves for as long as this one lives, whether etcd answers or not.
    #[must_use]
    pub fn pulse(&self) -> u64 {
        self.probes.load(Ordering::Relaxed)
    }

    /// Has etcd do something, and waits until the replica shows it.
    pub async fn propose(&self, operation: Operation) -> Result<Reply, ProposeError> {
        let (reply, header) = self
            .write(operation)
            .await
            .map_err(|refusal| match refusal {
                Refusal::Etcd(status) => of_write(&status),
                Refusal::Unknown => {
                    ApplyError::UnknownCommand("not for a foreign etcd".into()).into()
                }
            })?;
        self.caught_up(header.map_or(0, |header| header.revision))
            .await
            .map_err(|Late| ProposeError::Timeout)?;
        Ok(reply)
    }

    /// Returns once everything acknowledged before is in the replica.
    pub async fn linearize(&self) -> Result<(), ReadError> {
        let header = self.header(REQUEST_TIME_MAX).await;
        let header = header.map_err(|status| of_read(&status))?;
        let caught_up = self.caught_up(header.revision).await;
        caught_up.map_err(|Late| ReadError::Timeout)
    }

    async fn write(
        &self,
        operation: Operation,
    ) -> Result<(Reply, Option<pb::ResponseHeader>), Refusal> {
        let mut keys = self.keys();
        Ok(match operation {
            Operation::Put(put) => {
                let answer = self.asked(keys.put(put)).await?;
                let header = answer.header;
                (Reply::Put(answer), header)
            }
            Operation::DeleteRange(delete) => {
                let answer = self.asked(keys.delete_range(delete)).await?;
                let header = answer.header;
                (Reply::DeleteRange(answer), header)
            }
            Operation::Txn(txn) => {
                let answer = self.asked(keys.txn(txn)).await?;
                let header = answer.header;
                (Reply::Txn(answer), header)
            }
            Operation::Compaction(compaction) => {
                let answer = self.asked(keys.compact(compaction)).await?;
                (Reply::Compaction(answer), None)
            }
            Operation::LeaseGrant(grant) => {
                let mut leases = self.leases();
                let answer = self.asked(leases.lease_grant(grant)).await?;
                (Reply::LeaseGrant(answer), None)
            }
            _ => return Err(Refusal::Unknown),
        })
    }

    /// Waits until the replica shows a revision. What happened to keys that are not followed comes
    /// with no event: the watch is asked how far it is.
    async fn caught_up(&self, revision: i64) -> Result<(), Late> {
        let mut applied = self.applied.subscribe();
        let deadline = Instant::now() + REQUEST_TIME_MAX;
        while *applied.borrow_and_update() < revision {
            match timeout(NUDGE_PAUSE, applied.changed()).await {
                Ok(_) => {}
                Err(_) if Instant::now() > deadline => return Err(Late),
                Err(_) => self.nudge.notify_one(),
            }
        }
        Ok(())
    }

    /// What etcd's quorum is at.
    pub(crate) async fn header(&self, time_max: Duration) -> Result<pb::ResponseHeader, Status> {
        let nothing = pb::RangeRequest {
            key: Bytes::from_static(b"/"),
            count_only: true,
            ..pb::RangeRequest::default()
        };
        let mut keys = self.keys();
        let answer = self.within(time_max, keys.range(nothing)).await?;
        self.reachable.store(true, Ordering::Release);
        let header = answer.header;
        header.ok_or_else(|| Status::internal("an answer without a header"))
    }

    async fn probe(&self) {
        let mut told = None;
        loop {
            let answers = self.header(PROBE_TIME_MAX).await;
            let reachable = answers.is_ok();
            self.probes.fetch_add(1, Ordering::Relaxed);
            self.reachable.store(reachable, Ordering::Release);
            if told.replace(reachable) != Some(reachable) {
                match &answers {
                    Ok(_) => tracing::info!("the datastore answers"),
                    Err(status) => {
                        let reason = reason(status);
                        tracing::warn!(reason, "the datastore does not answer: read-only");
                    }
                }
            }
            if !reachable {
                self.members.move_on();
                self.moved.notify_one();
            }
            tokio::select! {
                () = sleep(PROBE_PAUSE) => {}
                () = self.doubted.notified() => sleep(DOUBT_PAUSE).await,
            }
        }
    }

    /// Forgets what is old, which also gives redb its room back.
    async fn forget(&self) -> Broken {
        let mut seen = VecDeque::new();
        loop {
            sleep(HISTORY_PAUSE).await;
            let now = Instant::now();
            let applied = *self.applied.borrow();
            if applied > 0 {
                seen.push_back((now, applied));
            }
            while let Some((at, revision)) = seen.front().copied()
                && now.duration_since(at) >= HISTORY_TIME
            {
                seen.pop_front();
                if let Err(broken) = self.change(move |mirror| mirror.forget(revision)).await {
                    return broken;
                }
            }
        }
    }

    pub(crate) async fn asked<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Status> {
        self.within(REQUEST_TIME_MAX, call).await
    }

    pub(crate) async fn within<T>(
        &self,
        time_max: Duration,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Status> {
        let answer = match timeout(time_max, call).await {
            Ok(answer) => answer.map(Response::into_inner),
            Err(_) => Err(Status::deadline_exceeded("the datastore did not answer")),
        };
        let lost =
            |status: &Status| matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded);
        if answer.as_ref().is_err_and(lost) && self.is_reachable() {
            self.doubted.notify_one();
        }
        answer
    }

    pub(crate) fn keys(&self) -> KvClient<Channel> {
        KvClient::new(self.members.channel()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(crate) fn leases(&self) -> LeaseClient<Channel> {
        LeaseClient::new(self.members.channel())
    }

    pub(crate) fn watches(&self) -> WatchClient<Channel> {
        WatchClient::new(self.members.channel()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }
}

/// Puts a key that is not there; reads it where it is.
pub(crate) fn absent_then_put(key: Bytes, value: Bytes, lease: i64) -> pb::TxnRequest {
    use pb::request_op::Request;
    let op = |request| pb::RequestOp {
        request: Some(request),
    };
    let put = pb::PutRequest {
        key: key.clone(),
        value,
        lease,
        ..pb::PutRequest::default()
    };
    let read = pb::RangeRequest {
        key: key.clone(),
        ..pb::RangeRequest::default()
    };
    let absent = pb::Compare {
        result: pb::compare::CompareResult::Equal.into(),
        target: pb::compare::CompareTarget::Create.into(),
        key,
        target_union: Some(pb::compare::TargetUnion::CreateRevision(0)),
        ..pb::Compare::default()
    };
    pb::TxnRequest {
        compare: vec![absent],
        success: vec![op(Request::RequestPut(put))],
        failure: vec![op(Request::RequestRange(read))],
    }
}

pub(crate) fn range_in(response: pb::ResponseOp) -> Option<pb::RangeResponse> {
    match response.response? {
        pb::response_op::Response::ResponseRange(range) => Some(range),
        _ => None,
    }
}

/// The replica did not follow in time.
struct Late;

enum Refusal {
    Etcd(Status),
    Unknown,
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Refusal {
        Refusal::Etcd(status)
    }
}
