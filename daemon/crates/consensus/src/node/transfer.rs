//! Handing leadership to another member.
//!
//! openraft's own transfer leaves a leader that takes no more writes if the other member does not
//! take over, so the request to campaign is sent by us: nothing goes into the log until the other
//! has it all and has won, or its time is over and everything goes on as before.

use std::rc::Rc;
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use openraft::raft::TransferLeaderRequest;
use tokio::time::{Instant, sleep};

use super::{Node, leases, members};
use crate::ProposeError;
use crate::peer::Class;
use crate::peer::message::Request;
use crate::raft::types::{LogId, Metrics, voters};

/// Time between two looks at whether the other member has all of the log.
const LOOK: Duration = Duration::from_millis(5);

/// Hands leadership to `target`, or to the voter that has the most of the log. Returns who leads.
pub(crate) async fn run(node: &Rc<Node>, target: Option<u64>) -> Result<u64, ProposeError> {
    if !node.view.leads() {
        return Err(ProposeError::NotLeader);
    }
    let metrics = metrics(node);
    let voters = voters(metrics.membership_config.membership());
    let target = match target {
        Some(target) if !voters.contains(&target) => return Err(ProposeError::BadTransferee),
        Some(target) if target == node.view.member_id => return Ok(target),
        Some(target) => target,
        None => best(node, &metrics).ok_or(ProposeError::Unhealthy)?,
    };
    tracing::info!(target, "handing leadership over");
    leases::checkpoint_all(node).await;
    node.handing_over.set(true);
    node.lease_duty.notify_one();
    node.dispatch.pause();
    let outcome = hand_over(node, target).await;
    node.handing_over.set(false);
    node.lease_duty.notify_one();
    node.dispatch.resume();
    match &outcome {
        Ok(leader) => tracing::info!(leader, "leadership was handed over"),
        Err(error) => tracing::warn!(target, %error, "leadership was not taken over"),
    }
    outcome
}

fn metrics(node: &Node) -> Metrics {
    node.raft.metrics().borrow_watched().clone()
}

fn matched(metrics: &Metrics, id: u64) -> Option<LogId> {
    metrics
        .replication
        .as_ref()
        .and_then(|all| all.get(&id).copied().flatten())
}

/// The voter that was heard of lately and has the most of the log.
fn best(node: &Node, metrics: &Metrics) -> Option<u64> {
    voters(metrics.membership_config.membership())
        .into_iter()
        .filter(|id| *id != node.view.member_id && members::is_active(node, metrics, *id))
        .max_by_key(|id| matched(metrics, *id))
}

async fn hand_over(node: &Rc<Node>, target: u64) -> Result<u64, ProposeError> {
    let deadline = Instant::now() + node.timing.election;
    // What openraft had been given before the pause is in its log now: the metrics do not say so
    // yet, and whoever lacks an entry gets no vote.
    let end = node
        .raft
        .with_raft_state(|state| state.log_ids.last().copied());
    let end = end.await.map_err(|_| ProposeError::Stopped)?;
    let (vote, last) = loop {
        let metrics = metrics(node);
        if !node.view.leads() {
            return settled(node);
        }
        let matched = matched(&metrics, target);
        if matched >= end {
            break (metrics.vote, matched);
        }
        if Instant::now() > deadline {
            return Err(ProposeError::Timeout);
        }
        sleep(LOOK).await;
    };
    let request = Request::TransferLeader(TransferLeaderRequest::new(vote, target, last));
    let link = node.links.get(target, Class::Control);
    let left = deadline.saturating_duration_since(Instant::now());
    if let Err(error) = link.ask(request, left).await {
        tracing::warn!(target, %error, "the member did not take the request to lead");
        return Err(ProposeError::Timeout);
    }
    let deadline = Instant::now() + node.timing.election;
    loop {
        let changed = node.view.changed.notified();
        let leadership = node.view.leadership();
        if leadership
            .leader
            .is_some_and(|leader| leader != node.view.member_id)
        {
            return settled(node);
        }
        if tokio::time::timeout_at(deadline, changed).await.is_err() {
            return Err(ProposeError::Timeout);
        }
    }
}

fn settled(node: &Node) -> Result<u64, ProposeError> {
    node.view.leader().ok_or(ProposeError::TimeoutLeaderFailure)
}
