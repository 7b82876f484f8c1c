//! What the leader does for the members by itself.
//!
//! A learner that is to become a voter is promoted once it has caught up, and removed if it makes
//! no progress for a long time; a change that an earlier leader left half done is finished.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use openraft::ChangeMembers;
use openraft::async_runtime::watch::WatchReceiver;
use tokio::time::Instant;

use super::reach::Reach;
use super::{Node, members};
use crate::Abandoned;
use crate::peer::Class;
use crate::peer::message::{MemberChange, Request};
use crate::raft::types::{Metrics, Peer, voters};

/// Time between two looks, at most; with short heartbeats more often.
const LOOK: Duration = Duration::from_secs(1);

/// How a learner fares.
#[derive(Debug, Clone, Copy)]
struct Progress {
    matched: u64,
    /// When `matched` moved last, or the learner was seen first.
    moved: Instant,
}

/// What is to be done with a learner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Promote,
    Remove,
    Wait,
}

/// The learners that are to become voters.
#[derive(Debug)]
struct Learners {
    seen: BTreeMap<u64, Progress>,
    /// Index of the last entry when the leader looked before.
    last_log: Option<u64>,
    /// How long one may make no progress.
    stall: Duration,
}

impl Learners {
    fn new(stall: Duration) -> Self {
        Self {
            seen: BTreeMap::new(),
            last_log: None,
            stall,
        }
    }

    /// `matched` is the number of entries that it holds.
    fn judge(&mut self, id: u64, matched: u64, active: bool, now: Instant) -> Verdict {
        let first = Progress {
            matched,
            moved: now,
        };
        let progress = self.seen.entry(id).or_insert(first);
        if progress.matched != matched {
            *progress = first;
        }
        // It holds all that there was when we last looked: it keeps up.
        let keeps_up = self.last_log.is_some_and(|last| matched > last);
        if keeps_up && active {
            Verdict::Promote
        } else if now.duration_since(progress.moved) > self.stall {
            Verdict::Remove
        } else {
            Verdict::Wait
        }
    }
}

/// Looks after the members for as long as this member lives.
pub(crate) async fn run(node: Rc<Node>) {
    let mut learners = Learners::new(node.timing.learner_stall);
    let mut knock_at = Instant::now() + node.timing.election;
    let mut reach = Reach::default();
    loop {
        tokio::time::sleep(LOOK.min(2 * node.timing.heartbeat)).await;
        node.dispatch.forget_settled();
        reach.look(&node);
        pass_on_places(&node);
        if !node.view.leads() {
            learners = Learners::new(node.timing.learner_stall);
            // Whoever has moved is looked for in vain until it has told where it is.
            let lost = node.view.has_moved() || Instant::now() > knock_at;
            if node.view.leader().is_none() && lost {
                knock_at = Instant::now() + node.timing.election;
                knock(&node);
            }
            continue;
        }
        let metrics = node.raft.metrics().borrow_watched().clone();
        finish_joint(&node, &metrics).await;
        look_at_learners(&node, &metrics, &mut learners).await;
        learners.last_log = metrics.last_log_index;
    }
}

/// A member of which no leader takes notice may have been removed while it was away. A voter
/// learns of it when it campaigns, a learner when it knocks at the others' doors.
fn knock(node: &Node) {
    let membership = node.view.membership();
    for (id, _) in membership.membership().nodes() {
        if *id != node.view.member_id {
            let _ = node.links.get(*id, Class::Control).is_connected();
        }
    }
}

/// Members that have moved know the places of those that stayed, but not of each other.
fn pass_on_places(node: &Node) {
    let moved = node.view.moved();
    if moved.is_empty() {
        return;
    }
    let membership = node.view.membership();
    for (to, _) in membership.membership().nodes() {
        let link = node.links.get(*to, Class::Control);
        if *to == node.view.member_id || !link.is_connected() {
            continue;
        }
        for (id, url) in moved.iter().filter(|(id, _)| id != to) {
            // Said again at the next look, if it is lost.
            let _ = link.tell(&Request::Moved(*id, url.clone()));
        }
    }
}

/// An earlier leader may have gone between the two steps of a change.
async fn finish_joint(node: &Rc<Node>, metrics: &Metrics) {
    if metrics
        .membership_config
        .membership()
        .get_joint_config()
        .len()
        < 2
    {
        return;
    }
    let Ok(_one_at_a_time) = node.changing.try_lock() else {
        return;
    };
    tracing::info!("finishing a change of the membership that was left half done");
    let deadline = Instant::now() + node.timing.election;
    let flatten = ChangeMembers::AddVoterIds(BTreeSet::new());
    let done = tokio::time::timeout_at(deadline, members::apply(node, flatten, deadline)).await;
    if let Ok(Err(refusal)) = done {
        tracing::warn!(?refusal, "the change cannot be finished yet");
    }
}

async fn look_at_learners(node: &Rc<Node>, metrics: &Metrics, learners: &mut Learners) {
    let membership = metrics.membership_config.membership();
    let voters = voters(membership);
    let waiting: BTreeMap<u64, Peer> = membership
        .nodes()
        .filter(|(id, peer)| !voters.contains(id) && peer.auto_promote)
        .map(|(id, peer)| (*id, peer.clone()))
        .collect();
    learners.seen.retain(|id, _| waiting.contains_key(id));
    for (id, peer) in waiting {
        let matched = metrics
            .replication
            .as_ref()
            .and_then(|all| all.get(&id).copied().flatten());
        let matched = matched.map_or(0, |id| id.index() + 1);
        let active = members::is_active(node, metrics, id);
        let name = &peer.member.name;
        match learners.judge(id, matched, active, Instant::now()) {
            Verdict::Wait => continue,
            Verdict::Promote => match members::change(node, MemberChange::Promote(id)).await {
                Ok(_) => tracing::info!(member = id, name, "the member has caught up: it votes"),
                Err(refusal) => {
                    tracing::info!(member = id, name, ?refusal, "the member cannot vote yet");
                }
            },
            Verdict::Remove => {
                let urls = &peer.member.peer_urls;
                let seconds = node.timing.learner_stall.as_secs();
                tracing::warn!(
                    member = id,
                    name,
                    ?urls,
                    seconds,
                    "removing a new member that made no progress for too long"
                );
                match members::change(node, MemberChange::Remove(id)).await {
                    Ok(_) => {
                        let peer_urls = peer.member.peer_urls.clone();
                        let abandoned = Abandoned { id, peer_urls };
                        node.shared.abandoned.send_replace(Some(abandoned));
                    }
                    Err(refusal) => {
                        tracing::warn!(member = id, ?refusal, "the member cannot be removed");
                    }
                }
            }
        }
        // The metrics are those of before the change.
        return;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL: Duration = crate::limits::LEARNER_STALL_TIME_DEFAULT;

    #[test]
    fn a_learner_is_promoted_once_it_holds_what_there_was_at_the_last_look() {
        let now = Instant::now();
        let mut learners = Learners::new(STALL);
        assert_eq!(
            learners.judge(4, 100, true, now),
            Verdict::Wait,
            "no look before this one"
        );
        learners.last_log = Some(99);
        assert_eq!(learners.judge(4, 99, true, now), Verdict::Wait);
        assert_eq!(
            learners.judge(4, 100, false, now),
            Verdict::Wait,
            "it is not heard of"
        );
        assert_eq!(learners.judge(4, 100, true, now), Verdict::Promote);
    }

    #[test]
    fn a_learner_is_removed_only_after_a_long_time_without_any_progress() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut learners = Learners {
            last_log: Some(1_000),
            ..Learners::new(STALL)
        };
        assert_eq!(learners.judge(4, 0, false, start), Verdict::Wait);
        let almost = start + STALL;
        assert_eq!(
            learners.judge(4, 1, false, almost),
            Verdict::Wait,
            "it has moved"
        );
        assert_eq!(learners.judge(4, 1, false, almost + STALL), Verdict::Wait);
        let over = almost + STALL + second;
        assert_eq!(learners.judge(4, 1, false, over), Verdict::Remove);
        assert_eq!(
            learners.judge(5, 1, false, over),
            Verdict::Wait,
            "another one"
        );
    }
}
