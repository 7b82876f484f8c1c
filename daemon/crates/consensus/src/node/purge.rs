//! Purges the log behind what is durable in the state.
//!
//! Invariant: openraft is first told how much is durable («snapshot»), and only then to purge.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use openraft::async_runtime::watch::WatchReceiver;

use super::Node;

/// Purges whenever the store thread says that it is worth it.
pub(crate) async fn run(node: Rc<Node>) {
    loop {
        node.purge_due.notified().await;
        let before = node.purge_before.load(Ordering::Acquire);
        let Some(upto) = before.checked_sub(1) else {
            continue;
        };
        if let Err(error) = purge(&node, upto).await {
            tracing::debug!(%error, "the log is not purged");
        }
    }
}

async fn purge(node: &Node, upto: u64) -> Result<(), Box<dyn std::error::Error>> {
    let mut metrics = node.raft.metrics();
    let covered = |metrics: &crate::raft::types::Metrics| {
        metrics
            .snapshot
            .is_some_and(|snapshot| snapshot.index() >= upto)
    };
    if !covered(&metrics.borrow_watched()) {
        node.raft.trigger().snapshot().await?;
    }
    while !covered(&metrics.borrow_watched()) {
        let changed = tokio::time::timeout(node.timing.election, metrics.changed()).await;
        changed?.map_err(|error| error.to_string())?;
    }
    node.raft.trigger().purge_log(upto).await?;
    Ok(())
}
