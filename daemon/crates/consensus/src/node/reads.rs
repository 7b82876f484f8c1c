//! Linearizable reads: one round for all that wait.
//!
//! The leader makes sure that it still leads and says how far its log is committed; whoever asked
//! waits until that much is applied on its own member. Knows nothing about what is read.
//! Invariant: a position is given only to reads that were waiting before its round began.

use std::rc::Rc;
use std::time::{Duration, Instant};

use openraft::raft::ReadPolicy;

use super::Node;
use crate::ReadError;
use crate::peer::Class;
use crate::peer::message::{Refusal, Request, answer};

/// Pause before a leader is asked again that could not answer.
const RETRY: Duration = Duration::from_millis(20);

/// Time that the leader gets for one answer, as in etcd.
const ROUND: Duration = Duration::from_millis(500);

/// Serves rounds for as long as the member lives.
pub(crate) async fn run(node: Rc<Node>) {
    loop {
        let waiting = node.shared.reads.take();
        if waiting.is_empty() {
            node.shared.reads.filled.notified().await;
            continue;
        }
        let outcome = round(&node).await;
        for reply in waiting {
            let _ = reply.send(outcome.clone());
        }
    }
}

/// The index before which all must be applied for a read that was asked for before this call.
async fn round(node: &Rc<Node>) -> Result<u64, ReadError> {
    let started = Instant::now();
    let deadline = started + node.shared.request_timeout;
    loop {
        let changed = node.view.changed.notified();
        if node.view.fatal().is_some() {
            return Err(ReadError::Stopped);
        }
        if node.view.out_of_reach() {
            return Err(ReadError::NoLeader);
        }
        // As in etcd: a read during which a leader appears is to be asked again.
        if node
            .view
            .elected_at()
            .is_some_and(|elected| elected > started)
        {
            return Err(ReadError::LeaderChanged);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ReadError::Timeout);
        }
        let attempt = async {
            let end = match node.view.leader() {
                Some(leader) if leader == node.view.member_id => lead(node).await,
                Some(leader) => follow(node, leader, left.min(ROUND)).await,
                None => None,
            };
            if end.is_none() {
                tokio::time::sleep(RETRY).await;
            }
            end
        };
        tokio::select! {
            end = attempt => if let Some(end) = end {
                return Ok(end);
            },
            () = changed => {}
            () = tokio::time::sleep(left) => {}
        }
    }
}

async fn lead(node: &Rc<Node>) -> Option<u64> {
    let confirmed = node
        .raft
        .get_read_linearizer(ReadPolicy::ReadIndex)
        .await
        .ok()?;
    Some(confirmed.read_log_id().index() + 1)
}

async fn follow(node: &Rc<Node>, leader: u64, time: Duration) -> Option<u64> {
    let link = node.links.get(leader, Class::Control);
    let body = link.ask(Request::ReadIndex, time).await.ok()?;
    let end: Result<u64, Refusal> = answer::decode(&body).ok()?;
    end.ok()
}
