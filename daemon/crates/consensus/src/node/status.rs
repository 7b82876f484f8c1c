//! Publishes what this member knows of the cluster.
//!
//! Invariant: who leads, the members and a fatal reason are published as soon as they are known;
//! mere progress of the log at most ten times a second.

use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use openraft::type_config::alias::WatchReceiverOf;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Node, members};
use crate::raft::types::{Metrics, TypeConfig};
use crate::{Role, Status};

/// Least time between two pictures that differ only in progress.
const PROGRESS: Duration = Duration::from_millis(100);

/// The picture of a member that has just begun.
pub(crate) fn initial(cluster_id: u64, member_id: u64) -> Arc<Status> {
    Arc::new(Status {
        cluster_id,
        member_id,
        role: Role::Learner,
        leader: None,
        term: 0,
        committed_index: 0,
        applied_index: 0,
        members: Vec::new(),
        out_of_reach: false,
        fatal: None,
    })
}

/// Publishes for as long as the member lives.
pub(crate) async fn run(node: Rc<Node>, sender: watch::Sender<Arc<Status>>) {
    let mut metrics = node.raft.metrics();
    let mut failure = node.store_failure.clone();
    loop {
        let changed = node.view.changed.notified();
        let attributes_read = node.attributes_read.notified();
        observe(&node, &metrics.borrow_watched());
        if let Some(reason) = failure.borrow_and_update().as_ref() {
            node.view.fail(reason);
        }
        let lags = publish(&node, &sender);
        tokio::select! {
            () = news(&node, &mut metrics, lags) => {}
            () = changed => {}
            () = attributes_read => {}
            Ok(()) = failure.changed() => {}
            // A leader that falls silent makes no news.
            () = sleep(node.timing.election / 4) => {}
        }
    }
}

/// Returns at once when who leads or the members change, and a little later on mere progress.
async fn news(node: &Node, metrics: &mut WatchReceiverOf<TypeConfig, Metrics>, lags: bool) {
    let published = node.shared.committed_end.load(Ordering::Acquire);
    let mut publish_at = lags.then(|| Instant::now() + PROGRESS);
    loop {
        let due = sleep_until(publish_at.unwrap_or_else(Instant::now));
        tokio::select! {
            gone = metrics.changed() => {
                if gone.is_err() {
                    // The core is gone; its last words were heard.
                    std::future::pending::<()>().await;
                }
                if observe(node, &metrics.borrow_watched()) {
                    return;
                }
                // Signs of life change the metrics, too, and nobody need be woken for them.
                if node.shared.committed_end.load(Ordering::Acquire) != published {
                    publish_at.get_or_insert_with(|| Instant::now() + PROGRESS);
                }
            }
            () = due, if publish_at.is_some() => return,
        }
    }
}

fn observe(node: &Node, metrics: &Metrics) -> bool {
    let committed = metrics.local_committed.map_or(0, |id| id.index() + 1);
    node.shared
        .committed_end
        .store(committed, Ordering::Release);
    let changed = node.view.update(metrics);
    if let Err(error) = &metrics.running_state
        && !node.shared.is_stopping()
    {
        node.view.fail(&error.to_string());
    }
    if changed && let Some(elected) = node.view.elected_at() {
        let mut known = node
            .shared
            .elected_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *known = Some((elected, node.timing.election));
    }
    changed
}

/// Returns whether the state lags behind the log.
fn publish(node: &Node, sender: &watch::Sender<Arc<Status>>) -> bool {
    let leadership = node.view.leadership();
    let committed = node.shared.committed_end.load(Ordering::Acquire);
    let applied = *node.shared.applied_end.borrow();
    let status = Status {
        cluster_id: node.view.cluster_id,
        member_id: node.view.member_id,
        role: leadership.role,
        leader: leadership.leader,
        term: leadership.term,
        committed_index: committed.max(applied).saturating_sub(1),
        applied_index: applied.saturating_sub(1),
        members: members::list(node),
        out_of_reach: node.view.out_of_reach(),
        fatal: node.view.fatal(),
    };
    sender.send_if_modified(|old| {
        let differs = **old != status;
        if differs {
            *old = Arc::new(status);
        }
        differs
    });
    applied < committed
}
