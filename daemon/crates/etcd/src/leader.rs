//! Watches whether there is a leader, for the streams of clients that would rather fail without.

use std::sync::Arc;
use std::time::Duration;

use skerry_consensus::Status;
use tokio::sync::watch;

use crate::api::Api;

/// Election timeouts without a leader after which streams end: a stream costs its client more to
/// open again than a call.
const ELECTIONS_WITHOUT_LEADER: u32 = 3;

/// Says through `leaderless` whether no leader has been known for some elections, and counts
/// changes of the leader. Ends with the status.
pub(crate) async fn watch(
    api: Arc<Api>,
    mut status: watch::Receiver<Arc<Status>>,
    leaderless: watch::Sender<bool>,
) {
    let patience: Duration = api.options.election_timeout * ELECTIONS_WITHOUT_LEADER;
    let mut known = None;
    loop {
        let leader = status.borrow_and_update().leader;
        if leader.is_some() {
            if known != leader {
                known = leader;
                api.metrics.leader_changes.increment();
            }
            leaderless.send_replace(false);
            if status.changed().await.is_err() {
                return;
            }
            continue;
        }
        let mut there = found(&mut status, Some(patience)).await;
        if there == Some(false) {
            leaderless.send_replace(true);
            there = found(&mut status, None).await;
        }
        if there.is_none() {
            return;
        }
    }
}

/// Waits for a leader: whether there is one in time; `None` once nobody tells any more.
async fn found(
    status: &mut watch::Receiver<Arc<Status>>,
    patience: Option<Duration>,
) -> Option<bool> {
    let found = status.wait_for(|status| status.leader.is_some());
    let found = match patience {
        Some(patience) => tokio::time::timeout(patience, found).await,
        None => Ok(found.await),
    };
    match found {
        Ok(Ok(_)) => Some(true),
        Ok(Err(_)) => None,
        Err(_) => Some(false),
    }
}
