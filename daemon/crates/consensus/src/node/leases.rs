//! Leases: the leader's rounds, and what clients of any member want of the leader's clock.
//!
//! Invariants: only the member that leads lets leases expire, and only while a quorum has
//! confirmed it lately does it renew them; a lease is renewed only if its revocation has not been
//! proposed.

use std::rc::Rc;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use openraft::Instant as _;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::raft::ReadPolicy;
use prost::Message;
use skerry_proto::command::{
    Command, LeaseCheckpoint, LeaseRevoke, command::Operation, lease_checkpoint::Remaining,
};
use skerry_store::ApplyError;

use super::Node;
use crate::ProposeError;
use crate::lessor::{Lessor, Renewal};
use crate::limits::{LEASE_CHECKPOINT_LEASES_MAX, LEASE_EXPIRIES_PER_ROUND_MAX, LEASE_ROUND};
use crate::peer::Class;
use crate::peer::message::{Refusal, Request, answer};
use crate::raft::types::Data;

/// Pause before the leader is asked again.
const RETRY: Duration = Duration::from_millis(50);

/// Time that the leader gets to answer for a lease before it is asked again.
const ASK: Duration = Duration::from_secs(1);

pub(crate) fn lessor(node: &Node) -> MutexGuard<'_, Lessor> {
    node.lessor.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Follows leadership and lets leases expire, for as long as the member lives.
pub(crate) async fn run(node: Rc<Node>) {
    let mut leading: Option<u64> = None;
    loop {
        let view_changed = node.view.changed.notified();
        let leases_changed = node.leases_changed.notified();
        let leadership = node.view.leadership();
        let now_leading =
            (node.view.leads() && !node.handing_over.get()).then_some(leadership.term);
        if now_leading != leading {
            leading = now_leading;
            match leading {
                Some(term) => {
                    lessor(&node).expect(term);
                    node.store.promote(term);
                }
                None => lessor(&node).demote(),
            }
        }
        let next = lessor(&node).next_look();
        let now = Instant::now();
        let due = next.is_some_and(|next| next <= now);
        if due {
            round(&node, now).await;
            tokio::time::sleep(LEASE_ROUND).await;
            continue;
        }
        let wait = next.map(|next| next.saturating_duration_since(now));
        tokio::select! {
            () = view_changed => {}
            () = leases_changed => {}
            () = node.lease_duty.notified() => {}
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
        }
    }
}

async fn round(node: &Node, now: Instant) {
    let expired = lessor(node).expired(now, LEASE_EXPIRIES_PER_ROUND_MAX);
    if !expired.is_empty() {
        tracing::debug!(count = expired.len(), "leases have expired");
    }
    for id in expired {
        write(
            node,
            Operation::LeaseRevoke(LeaseRevoke { id, expired: true }),
        )
        .await;
    }
    let notes = lessor(node).checkpoints(now, LEASE_CHECKPOINT_LEASES_MAX);
    if !notes.is_empty() {
        write(node, checkpoint(&notes)).await;
    }
}

fn checkpoint(notes: &[(i64, i64)]) -> Operation {
    let leases = notes
        .iter()
        .map(|&(id, seconds)| Remaining { id, seconds })
        .collect();
    Operation::LeaseCheckpoint(LeaseCheckpoint { leases })
}

/// Writes to the log as this leader or not at all; what comes of it is seen in the state.
async fn write(node: &Node, operation: Operation) {
    let command = Command {
        operation: Some(operation),
        ..Command::default()
    };
    let data = Data(Bytes::from(command.encode_to_vec()));
    if let Err(error) = node.raft.client_write_ff(data, None).await {
        tracing::debug!(%error, "a lease cannot be looked after");
    }
}

/// Notes what is left of all leases, before leadership goes.
pub(crate) async fn checkpoint_all(node: &Node) {
    let notes = lessor(node).all_remaining(Instant::now());
    for piece in notes.chunks(LEASE_CHECKPOINT_LEASES_MAX) {
        if let Err(error) = node.shared.propose_internally(checkpoint(piece)).await {
            tracing::warn!(%error, "the next leader will give some leases their whole life again");
            return;
        }
    }
}

/// Gives a lease its whole life again, here or at the leader.
pub(crate) async fn keep_alive(node: &Rc<Node>, id: i64) -> Result<i64, ProposeError> {
    let deadline = Instant::now() + node.shared.request_timeout;
    loop {
        let left = time_left(node, deadline)?;
        let settled = match node.view.leader() {
            Some(leader) if leader == node.view.member_id => match renew_here(node, id).await {
                Err(Refusal::LeaseNotFound) => Err(ApplyError::LeaseNotFound),
                Ok(ttl) => Ok(ttl),
                Err(_) => {
                    pause(node, left).await;
                    continue;
                }
            },
            Some(leader) => {
                let asked = ask::<i64>(node, leader, Request::KeepAlive(id), left).await;
                let Some(answer) = asked else { continue };
                answer
            }
            None => {
                pause(node, left).await;
                continue;
            }
        };
        return settled.map_err(ProposeError::Refused);
    }
}

/// Seconds that a lease still has and those it was granted, here or at the leader.
pub(crate) async fn remaining(node: &Rc<Node>, id: i64) -> Result<(i64, i64), ProposeError> {
    let deadline = Instant::now() + node.shared.request_timeout;
    loop {
        let left = time_left(node, deadline)?;
        let settled = match node.view.leader() {
            Some(leader) if leader == node.view.member_id => match remaining_here(node, id).await {
                Err(Refusal::LeaseNotFound) => Err(ApplyError::LeaseNotFound),
                Ok(seconds) => Ok(seconds),
                Err(_) => {
                    pause(node, left).await;
                    continue;
                }
            },
            Some(leader) => {
                let asked = ask::<(i64, i64)>(node, leader, Request::Remaining(id), left).await;
                let Some(answer) = asked else { continue };
                answer
            }
            None => {
                pause(node, left).await;
                continue;
            }
        };
        return settled.map_err(ProposeError::Refused);
    }
}

fn time_left(node: &Node, deadline: Instant) -> Result<Duration, ProposeError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        let leader = node.view.leader();
        return Err(leader.map_or(ProposeError::NoLeader, |_| ProposeError::Timeout));
    }
    Ok(left)
}

async fn pause(node: &Node, left: Duration) {
    let changed = node.leases_changed.notified();
    let _ = tokio::time::timeout(left.min(RETRY), changed).await;
}

/// The leader's answer, or nothing where it should be asked again.
async fn ask<T: serde::de::DeserializeOwned>(
    node: &Rc<Node>,
    leader: u64,
    request: Request,
    left: Duration,
) -> Option<Result<T, ApplyError>> {
    let link = node.links.get(leader, Class::Forward);
    let body = link.ask(request, left.min(ASK)).await;
    let answered = body.ok().and_then(|body| answer::decode::<T>(&body).ok());
    match answered {
        Some(Ok(value)) => Some(Ok(value)),
        Some(Err(Refusal::LeaseNotFound)) => Some(Err(ApplyError::LeaseNotFound)),
        _ => {
            pause(node, left).await;
            None
        }
    }
}

/// Makes sure that this member still leads and that its state holds all leases granted so far,
/// those that an earlier leader granted included.
async fn confirm(node: &Node) -> Result<(), Refusal> {
    let metrics = node.raft.metrics().borrow_watched().clone();
    // Within this time of a quorum's word nobody else can have been elected.
    let fresh = node.timing.election / 2;
    let acked = metrics.last_quorum_acked;
    let policy = if acked.is_some_and(|at| at.elapsed() < fresh) {
        ReadPolicy::LeaseRead
    } else {
        ReadPolicy::ReadIndex
    };
    let confirmed = node.raft.get_read_linearizer(policy);
    let confirmed = tokio::time::timeout(node.timing.election, confirmed).await;
    let Ok(Ok(confirmed)) = confirmed else {
        return Err(Refusal::NotLeader);
    };
    // Not what is known to be committed: that is behind until this leader has committed an entry
    // of its own, and a lease that was acknowledged would seem not to exist.
    let end = confirmed.read_log_id().index() + 1;
    let mut applied = node.shared.applied_end.clone();
    let caught_up = applied.wait_for(|applied| *applied >= end);
    match tokio::time::timeout(ASK, caught_up).await {
        Ok(Ok(_)) => Ok(()),
        _ => Err(Refusal::Timeout),
    }
}

/// Renews a lease on the leader.
pub(crate) async fn renew_here(node: &Rc<Node>, id: i64) -> Result<i64, Refusal> {
    confirm(node).await?;
    let renewal = lessor(node).renew(id, Instant::now());
    match renewal {
        Renewal::NotFound => Err(Refusal::LeaseNotFound),
        Renewal::Expired => Err(Refusal::Busy),
        Renewal::NotPrimary => Err(Refusal::NotLeader),
        Renewal::Renewed {
            ttl_seconds,
            clear_checkpoint,
        } => {
            if clear_checkpoint {
                let operation = checkpoint(&[(id, 0)]);
                let cleared = node.shared.propose_internally(operation).await;
                cleared.map_err(|_| Refusal::Timeout)?;
            }
            Ok(ttl_seconds)
        }
    }
}

/// What is left of a lease on the leader.
pub(crate) async fn remaining_here(node: &Rc<Node>, id: i64) -> Result<(i64, i64), Refusal> {
    confirm(node).await?;
    let remaining = lessor(node).remaining(id, Instant::now());
    remaining.map_err(|why| match why {
        Renewal::NotFound => Refusal::LeaseNotFound,
        _ => Refusal::NotLeader,
    })
}
