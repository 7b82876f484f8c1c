//! What the rest of the process holds of a member.
//!
//! May be used from any thread with a tokio runtime. Invariants: every call ends within the request
//! timeout; what is under way is bounded; when the last handle goes without a shutdown the member
//! ends at once, as if the power had gone.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use bytes::Bytes;
use prost::Message;
use skerry_proto::command::{Command, command::Operation};
use skerry_store::{Reader, Reply};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use crate::apply::{Closing, StoreHandle};
use crate::lessor::Lessor;
use crate::node::dispatch::Proposal;
use crate::node::requests::{Reply as RequestReply, Request};
use crate::peer::message::{MemberChange, Members};
use crate::shared::{Pulse, Shared};
use crate::{Abandoned, Member, ProposeError, ReadError, Status};

/// On whose behalf a command is proposed; empty where authentication is off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// The authenticated user.
    pub user: String,
    /// The revision of users and roles at which the user was authenticated.
    pub auth_revision: u64,
    /// The member itself asks, for an API that has decided by rules of its own.
    pub of_member: bool,
}

impl Caller {
    /// The member itself.
    #[must_use]
    pub fn member() -> Self {
        Self {
            of_member: true,
            ..Self::default()
        }
    }
}

/// A running member. Clones are handles to the same one.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
    ends: Arc<Ends>,
}

/// What it takes to end the member's threads.
pub(crate) struct Ends {
    pub(crate) shared: Arc<Shared>,
    pub(crate) store: StoreHandle,
    pub(crate) log: skerry_log::Log,
    pub(crate) lessor: Arc<Mutex<Lessor>>,
    pub(crate) consensus: Mutex<Option<JoinHandle<()>>>,
    pub(crate) workers: Mutex<Vec<JoinHandle<()>>>,
}

impl Handle {
    pub(crate) fn new(ends: Ends) -> Self {
        Self {
            shared: Arc::clone(&ends.shared),
            ends: Arc::new(ends),
        }
    }

    /// Has the cluster apply a command, and waits until this member has applied it.
    pub async fn propose(
        &self,
        caller: Caller,
        operation: Operation,
    ) -> Result<Reply, ProposeError> {
        let operation = self.shared.settle(operation);
        let Caller {
            user,
            auth_revision,
            of_member,
        } = caller;
        let waiter = self.shared.waiters.register();
        let command = Command {
            origin: self.shared.member_id,
            request: waiter.request,
            user,
            auth_revision,
            of_member,
            operation: Some(operation),
        };
        if command.encoded_len() > self.shared.command_bytes_max {
            return Err(ProposeError::TooLarge);
        }
        let command = Bytes::from(command.encode_to_vec());
        let Some(_share) = self.shared.budget.share(command.len()) else {
            return Err(ProposeError::TooManyRequests);
        };
        self.shared.submit(waiter, command).await
    }

    /// Returns once everything that was acknowledged anywhere before this call is applied here.
    pub async fn linearize(&self) -> Result<(), ReadError> {
        let work = async {
            let (reply, end) = oneshot::channel();
            if self.shared.is_stopping() {
                return Err(ReadError::Stopped);
            }
            if !self.shared.reads.put(reply) {
                return Err(ReadError::Timeout);
            }
            let end = end.await.unwrap_or(Err(ReadError::Stopped))?;
            let mut applied = self.shared.applied_end.clone();
            match applied.wait_for(|applied| *applied >= end).await {
                Ok(_) => Ok(()),
                Err(_) => Err(ReadError::Stopped),
            }
        };
        timeout(self.shared.request_timeout, work)
            .await
            .unwrap_or(Err(ReadError::Timeout))
    }

    /// Reads this member's state.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.shared.reader.clone()
    }

    /// What this member knows of the cluster.
    #[must_use]
    pub fn status(&self) -> Arc<Status> {
        self.shared.status.borrow().clone()
    }

    /// As [`Handle::status`], and every change of it.
    #[must_use]
    pub fn watch_status(&self) -> watch::Receiver<Arc<Status>> {
        self.shared.status.clone()
    }

    /// New members that this one, as the leader, removes because they make no progress.
    #[must_use]
    pub fn watch_abandoned(&self) -> watch::Receiver<Option<Abandoned>> {
        self.shared.abandoned.subscribe()
    }

    /// Index of the last entry applied here, as of now.
    #[must_use]
    pub fn applied_index(&self) -> u64 {
        self.shared.applied_end.borrow().saturating_sub(1)
    }

    /// Index of the last entry known to be committed, as of now.
    #[must_use]
    pub fn committed_index(&self) -> u64 {
        let committed = self.shared.committed_end.load(Ordering::Acquire);
        committed
            .max(*self.shared.applied_end.borrow())
            .saturating_sub(1)
    }

    /// Adds a member. One that is not to stay a learner becomes a voter by itself as soon as it
    /// has caught up. Returns its id and all members.
    pub async fn member_add(
        &self,
        peer_urls: Vec<String>,
        learner: bool,
    ) -> Result<Members, ProposeError> {
        let member = Member {
            peer_urls,
            ..Member::default()
        };
        self.change(MemberChange::Add {
            member,
            auto_promote: !learner,
        })
        .await
    }

    /// As [`Handle::member_add`] for a future voter whose name and URLs are known: nobody else gets
    /// that name. Without URLs for clients it counts as not started until it says otherwise.
    pub async fn member_join(&self, member: Member) -> Result<Members, ProposeError> {
        self.change(MemberChange::Add {
            member,
            auto_promote: true,
        })
        .await
    }

    /// Removes a member. Returns its id and the members that are left.
    pub async fn member_remove(&self, id: u64) -> Result<Members, ProposeError> {
        self.change(MemberChange::Remove(id)).await
    }

    /// As [`Handle::member_remove`], for a member that the leader has not heard of within an election
    /// timeout.
    pub async fn member_remove_silent(&self, id: u64) -> Result<Members, ProposeError> {
        self.change(MemberChange::RemoveSilent(id)).await
    }

    /// Changes where a member is reached. Returns its id and all members.
    pub async fn member_update(
        &self,
        id: u64,
        peer_urls: Vec<String>,
    ) -> Result<Members, ProposeError> {
        self.change(MemberChange::Update { id, peer_urls }).await
    }

    /// Makes a learner a voter. Returns its id and all members.
    pub async fn member_promote(&self, id: u64) -> Result<Members, ProposeError> {
        self.change(MemberChange::Promote(id)).await
    }

    async fn change(&self, change: MemberChange) -> Result<Members, ProposeError> {
        self.ask(|reply| Request::Member(change, reply)).await
    }

    /// Hands leadership over, to a certain voter or to the one that has the most of the log;
    /// only the leader can. Returns who leads.
    pub async fn transfer_leader(&self, target: Option<u64>) -> Result<u64, ProposeError> {
        let leader = self.ask(|reply| Request::Transfer(target, reply)).await?;
        match target {
            Some(target) if target != leader => Err(ProposeError::Timeout),
            _ => Ok(leader),
        }
    }

    /// Gives a lease its whole life again. Returns its seconds.
    pub async fn lease_keep_alive(&self, id: i64) -> Result<i64, ProposeError> {
        self.ask(|reply| Request::KeepAlive(id, reply)).await
    }

    /// Seconds that a lease still has, and those it was granted.
    pub async fn lease_remaining(&self, id: i64) -> Result<(i64, i64), ProposeError> {
        self.ask(|reply| Request::Remaining(id, reply)).await
    }

    /// Copies the state into a file without free space, and goes on with that. Writes are not
    /// applied meanwhile, and room for the copy is needed; a copy that fails changes nothing.
    pub async fn defragment(&self) -> Result<(), std::io::Error> {
        self.ends.store.defragment().await
    }

    /// Puts leases in the order in which they end. Only the leader keeps the time: elsewhere they
    /// stay as they are.
    pub fn sort_by_lease_end(&self, ids: &mut [i64]) {
        let lessor = &self.ends.lessor;
        let lessor = lessor.lock().unwrap_or_else(PoisonError::into_inner);
        ids.sort_by_key(|id| lessor.deadline(*id));
    }

    /// Counters that move while the member's threads live.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        let pulses = &self.shared.pulses;
        Pulse {
            consensus: pulses.consensus.load(Ordering::Relaxed),
            log: pulses.log.load(Ordering::Relaxed),
            store: pulses.store.load(Ordering::Relaxed),
        }
    }

    /// Hands leadership over where somebody can take it, makes everything durable and ends the
    /// member's threads.
    pub async fn shutdown(&self) {
        let prepared = self.ask(Request::HandOver).await;
        if let Err(error) = prepared {
            tracing::debug!(%error, "stopping without handing leadership over");
        }
        self.ends.stop();
        let ends = Arc::clone(&self.ends);
        let joined = tokio::task::spawn_blocking(move || ends.join(Closing::Flush)).await;
        if let Err(error) = joined {
            tracing::error!(%error, "the member did not end cleanly");
        }
    }

    /// Ends the member as if the power had gone, but for what the system still writes. Blocks.
    #[doc(hidden)]
    pub fn abandon(self) {
        self.ends.stop();
        self.ends.join(Closing::Abandon);
    }

    /// Asks the consensus thread.
    async fn ask<T>(
        &self,
        request: impl FnOnce(RequestReply<T>) -> Request,
    ) -> Result<T, ProposeError> {
        if self.shared.is_stopping() {
            return Err(ProposeError::Stopped);
        }
        let (reply, answer) = oneshot::channel();
        use tokio::sync::mpsc::error::TrySendError;
        match self.shared.requests.try_send(request(reply)) {
            Ok(()) => answer.await.unwrap_or(Err(ProposeError::Stopped)),
            Err(TrySendError::Full(_)) => Err(ProposeError::TooManyRequests),
            Err(TrySendError::Closed(_)) => Err(ProposeError::Stopped),
        }
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle")
            .field("status", &*self.shared.status.borrow())
            .finish()
    }
}

impl Shared {
    /// What apply() must not choose by itself is chosen here.
    fn settle(&self, mut operation: Operation) -> Operation {
        if let Operation::LeaseGrant(grant) = &mut operation {
            // As in etcd: no lease is so short that an election could end it.
            grant.ttl = grant.ttl.max(self.lease_ttl_seconds_min);
            while grant.id == 0 {
                grant.id = self.waiters.random_id();
            }
        }
        operation
    }

    /// Proposes on behalf of the member itself, whatever its clients have under way.
    pub(crate) async fn propose_internally(
        self: &Arc<Self>,
        operation: Operation,
    ) -> Result<Reply, ProposeError> {
        let waiter = self.waiters.register();
        let command = Command {
            origin: self.member_id,
            request: waiter.request,
            operation: Some(operation),
            ..Command::default()
        };
        self.submit(waiter, Bytes::from(command.encode_to_vec()))
            .await
    }

    async fn submit(
        &self,
        mut waiter: crate::waiters::Waiter,
        command: Bytes,
    ) -> Result<Reply, ProposeError> {
        if self.is_stopping() {
            return Err(ProposeError::Stopped);
        }
        let started = Instant::now();
        let deadline = started + self.request_timeout;
        self.inbox.put(Proposal {
            command,
            request: waiter.request,
            deadline,
        });
        match timeout(self.request_timeout, &mut waiter.outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(ProposeError::Stopped),
            Err(_) => Err(self.why_so_long(started)),
        }
    }

    /// As etcd tells its clients.
    fn why_so_long(&self, started: Instant) -> ProposeError {
        let elected = *self
            .elected_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let status = self.status.borrow();
        if status.fatal.is_some() {
            return ProposeError::Stopped;
        }
        if let Some((elected, election)) = elected
            && started < elected
            && started + 2 * election > elected
        {
            return ProposeError::TimeoutLeaderFailure;
        }
        ProposeError::Timeout
    }
}

impl Ends {
    /// Tells the consensus thread to end.
    fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.stop.notify_one();
    }

    /// Ends the threads, consensus first: nothing may be applied or logged after it.
    fn join(&self, how: Closing) {
        if how == Closing::Abandon {
            self.store.close(how);
        }
        let consensus = self
            .consensus
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = consensus {
            let _ = thread.join();
        }
        self.store.close(how);
        self.log.close();
        let workers =
            std::mem::take(&mut *self.workers.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in workers {
            let _ = thread.join();
        }
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.stop();
        self.store.close(Closing::Abandon);
        self.log.close();
    }
}
