//! Watches whether there is a leader, for the streams of clients that would rather fail without.

use std::sync::Arc;
use std::time::Duration;

use skerry_consensus::Status;
use tokio::sync::watch;

/// Election timeouts without a leader after which streams end: a stream costs its client more to
/// open again than a call.
pub(crate) const ELECTIONS_WITHOUT_LEADER: u32 = 3;

/// Says through `leaderless` whether no leader has been known for longer than `patience`, and
/// calls `changed` with every new leader. Ends with the status.
pub(crate) async fn watch(
    mut status: watch::Receiver<Arc<Status>>,
    patience: Duration,
    leaderless: watch::Sender<bool>,
    changed: impl Fn(u64) + Send,
) {
    let mut known = None;
    loop {
        let leader = status.borrow_and_update().leader;
        let goes_on = match leader {
            Some(leader) => {
                if known.replace(leader) != Some(leader) {
                    changed(leader);
                }
                leaderless.send_replace(false);
                status.changed().await.is_ok()
            }
            None => wait_for_leader(&mut status, patience, &leaderless).await,
        };
        if !goes_on {
            return;
        }
    }
}

/// Returns with a leader; false once nobody tells any more.
async fn wait_for_leader(
    status: &mut watch::Receiver<Arc<Status>>,
    patience: Duration,
    leaderless: &watch::Sender<bool>,
) -> bool {
    let found = status.wait_for(|status| status.leader.is_some());
    if let Ok(found) = tokio::time::timeout(patience, found).await {
        return found.is_ok();
    }
    leaderless.send_replace(true);
    let found = status.wait_for(|status| status.leader.is_some());
    found.await.is_ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use skerry_consensus::Role;

    use super::*;

    fn status(leader: Option<u64>) -> Arc<Status> {
        Arc::new(Status {
            cluster_id: 1,
            member_id: 1,
            role: Role::Follower,
            leader,
            term: 1,
            committed_index: 0,
            applied_index: 0,
            members: Vec::new(),
            out_of_reach: false,
            fatal: None,
        })
    }

    #[tokio::test]
    async fn streams_end_when_no_leader_comes_back_in_time_and_leaders_are_counted() {
        let (known, receiver) = watch::channel(status(Some(1)));
        let (sender, mut leaderless) = watch::channel(false);
        let leaders = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&leaders);
        let patience = Duration::from_millis(20);
        let watching = tokio::spawn(watch(receiver, patience, sender, move |leader| {
            seen.lock().unwrap().push(leader);
        }));
        tokio::task::yield_now().await;
        known.send_replace(status(None));
        assert!(*leaderless.wait_for(|lost| *lost).await.unwrap());
        known.send_replace(status(Some(2)));
        assert!(!*leaderless.wait_for(|lost| !*lost).await.unwrap());
        drop(known);
        watching.await.unwrap();
        assert_eq!(*leaders.lock().unwrap(), [1, 2]);
    }
}
