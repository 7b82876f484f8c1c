//! Who is a member: the list, and its changes on the leader.
//!
//! The rules are etcd's (strict reconfiguration), but that a new voter is a learner until it has
//! caught up. Knows nothing about sockets. Invariants: one change at a time; an id is never used
//! twice.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::raft::ClientWriteResponse;
use openraft::{ChangeMembers, Instant as _};
use skerry_proto::command::{MemberAttributes, MemberIdAllocate, command::Operation};
use skerry_store::Reply;
use tokio::time::Instant;

use super::{Node, transfer};
use crate::limits::{LEARNERS_MAX, MEMBERS_MAX};
use crate::peer::message::{MemberChange, Members, Refusal};
use crate::raft::record;
use crate::raft::types::{Membership, Metrics, Peer, TypeConfig, voters};
use crate::{Member, ProposeError};

/// Pause before a change is tried again that found the leader busy with another.
const RETRY: Duration = Duration::from_millis(20);

/// A learner may be promoted when it has this part of the leader's log, as in etcd.
const READY_PERCENT: u64 = 90;

/// What members published of themselves.
pub(crate) type Attributes = BTreeMap<u64, MemberAttributes>;

/// Where each member is reached.
pub(crate) fn peer_urls(membership: &Membership) -> BTreeMap<u64, Vec<String>> {
    membership
        .nodes()
        .map(|(id, peer)| (*id, peer.member.peer_urls.clone()))
        .collect()
}

/// All members that are committed, by id: what is known of each, and whether it is a learner.
pub(crate) fn list(node: &Node) -> Vec<(u64, Member, bool)> {
    list_of(
        node.view.committed().membership(),
        &node.attributes.borrow(),
    )
}

fn list_of(membership: &Membership, attributes: &Attributes) -> Vec<(u64, Member, bool)> {
    // Whoever votes in one half of a joint membership only is on its way in or out.
    let votes = |id: &u64| {
        membership
            .get_joint_config()
            .iter()
            .all(|half| half.contains(id))
    };
    let one = |(id, peer): (&u64, &Peer)| {
        let mut member = peer.member.clone();
        if let Some(published) = attributes.get(id) {
            member.name.clone_from(&published.name);
            member.client_urls.clone_from(&published.client_urls);
        } else if member.client_urls.is_empty() {
            // It was given a name, and has not started: etcd's clients tell that by its having none.
            member.name.clear();
        }
        (*id, member, !votes(id))
    };
    membership.nodes().map(one).collect()
}

/// Reads what the members have published of themselves.
pub(crate) fn read_attributes(reader: &skerry_store::Reader) -> Attributes {
    let members = reader.view().and_then(|view| view.members());
    match members {
        Ok(members) => members.into_iter().map(|one| (one.id, one)).collect(),
        Err(error) => {
            tracing::error!(%error, "cannot read the names of the members");
            Attributes::default()
        }
    }
}

/// Changes the membership; only the leader can.
pub(crate) async fn change(node: &Rc<Node>, change: MemberChange) -> Result<Members, Refusal> {
    let deadline = Instant::now() + node.shared.request_timeout;
    let work = async {
        let _one_at_a_time = node.changing.lock().await;
        change_alone(node, change, deadline).await
    };
    tokio::time::timeout_at(deadline, work)
        .await
        .unwrap_or(Err(Refusal::Timeout))
}

async fn change_alone(
    node: &Rc<Node>,
    change: MemberChange,
    deadline: Instant,
) -> Result<Members, Refusal> {
    if !node.view.leads() {
        return Err(Refusal::NotLeader);
    }
    let metrics = node.raft.metrics().borrow_watched().clone();
    let membership = metrics.membership_config.membership().clone();
    match change {
        MemberChange::Add {
            member,
            auto_promote,
        } => {
            may_add(node, &metrics, &member, auto_promote)?;
            let id = allocate(node, &membership).await?;
            let nodes = BTreeMap::from([(
                id,
                Peer {
                    member,
                    auto_promote,
                },
            )]);
            finish(node, id, ChangeMembers::AddNodes(nodes), deadline).await
        }
        MemberChange::Remove(id) | MemberChange::RemoveSilent(id) => {
            if matches!(change, MemberChange::RemoveSilent(_)) && may_live(node, &metrics, id) {
                return Err(Refusal::MemberHeard);
            }
            settled(node, deadline, |metrics| may_remove(node, metrics, id)).await?;
            if id == node.view.member_id && transfer::run(node, None).await.is_ok() {
                // Whoever leads now is asked, and nobody waits for an election.
                return Err(Refusal::NotLeader);
            }
            let is_voter = voters(&membership).contains(&id);
            let ids = BTreeSet::from([id]);
            let change = if is_voter {
                ChangeMembers::RemoveVoters(ids)
            } else {
                ChangeMembers::RemoveNodes(ids)
            };
            let members = finish(node, id, change, deadline).await?;
            node.say_farewell(id);
            Ok(members)
        }
        MemberChange::Update { id, peer_urls } => {
            let mut peer = membership
                .get_node(&id)
                .cloned()
                .ok_or(Refusal::MemberNotFound)?;
            if has_url(&membership, &peer_urls, Some(id)) {
                return Err(Refusal::PeerUrlExists);
            }
            peer.member.peer_urls = peer_urls;
            finish(
                node,
                id,
                ChangeMembers::SetNodes(BTreeMap::from([(id, peer)])),
                deadline,
            )
            .await
        }
        MemberChange::Promote(id) => {
            may_promote(node, &metrics, id)?;
            finish(
                node,
                id,
                ChangeMembers::AddVoterIds(BTreeSet::from([id])),
                deadline,
            )
            .await
        }
    }
}

/// Whether another member (or any, without `but`) has one of these URLs.
fn has_url(membership: &Membership, urls: &[String], but: Option<u64>) -> bool {
    membership
        .nodes()
        .filter(|(id, _)| Some(**id) != but)
        .any(|(_, peer)| peer.member.peer_urls.iter().any(|url| urls.contains(url)))
}

/// Who has a name, or will have it once it has started.
fn holder(node: &Node, membership: &Membership, name: &str) -> Option<u64> {
    let attributes = node.attributes.borrow();
    let mut members = membership.nodes().filter(|_| !name.is_empty());
    let of = |id: &u64, peer: &Peer| match attributes.get(id) {
        Some(published) => published.name == name,
        None => peer.member.name == name,
    };
    let found = members.find(|(id, peer)| of(id, peer));
    found.map(|(id, _)| *id)
}

fn may_add(
    node: &Node,
    metrics: &Metrics,
    member: &Member,
    auto_promote: bool,
) -> Result<(), Refusal> {
    let membership = metrics.membership_config.membership();
    if has_url(membership, &member.peer_urls, None) {
        return Err(Refusal::PeerUrlExists);
    }
    if let Some(id) = holder(node, membership, &member.name) {
        return Err(Refusal::MemberName(id));
    }
    let sound = record::is_sound(&Peer {
        member: member.clone(),
        auto_promote,
    });
    if membership.nodes().count() >= MEMBERS_MAX || !sound {
        return Err(Refusal::TooManyLearners);
    }
    if auto_promote {
        let started = started_voters(node, membership, None);
        let others = voters(membership).len();
        if !(started == 1 && others == 1) && started < quorum(others + 1) {
            return Err(Refusal::NotEnoughStartedMembers);
        }
    } else {
        let voters = voters(membership);
        let plain = |(id, peer): &(&u64, &Peer)| !voters.contains(*id) && !peer.auto_promote;
        if membership.nodes().filter(plain).count() >= LEARNERS_MAX {
            return Err(Refusal::TooManyLearners);
        }
    }
    if active_voters(node, metrics) < quorum(voters(membership).len()) {
        return Err(Refusal::Unhealthy);
    }
    Ok(())
}

fn may_remove(node: &Node, metrics: &Metrics, id: u64) -> Result<(), Refusal> {
    let membership = metrics.membership_config.membership();
    membership.get_node(&id).ok_or(Refusal::MemberNotFound)?;
    let voters = voters(membership);
    if !voters.contains(&id) {
        return Ok(());
    }
    let left = voters.len() - 1;
    if started_voters(node, membership, Some(id)) < quorum(left) {
        return Err(Refusal::NotEnoughStartedMembers);
    }
    let others = voters.iter().filter(|voter| **voter != id);
    let active = others.filter(|voter| is_active(node, metrics, **voter));
    if may_live(node, metrics, id) && active.count() < quorum(left) {
        return Err(Refusal::Unhealthy);
    }
    Ok(())
}

/// A leader that is new is given the time to hear of the others before it finds too few of them.
async fn settled(
    node: &Node,
    deadline: Instant,
    check: impl Fn(&Metrics) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    loop {
        let metrics = node.raft.metrics().borrow_watched().clone();
        match check(&metrics) {
            Err(Refusal::Unhealthy) if is_new(node) && Instant::now() + RETRY < deadline => {
                tokio::time::sleep(RETRY).await;
            }
            done => return done,
        }
    }
}

fn may_promote(node: &Node, metrics: &Metrics, id: u64) -> Result<(), Refusal> {
    let membership = metrics.membership_config.membership();
    membership.get_node(&id).ok_or(Refusal::MemberNotFound)?;
    if voters(membership).contains(&id) {
        return Err(Refusal::MemberNotLearner);
    }
    let matched = metrics
        .replication
        .as_ref()
        .and_then(|all| all.get(&id).copied().flatten());
    let matched = matched.map_or(0, |id| id.index());
    let last = metrics.last_log_index.unwrap_or(0);
    if matched.saturating_mul(100) < last.saturating_mul(READY_PERCENT) {
        return Err(Refusal::LearnerNotReady);
    }
    if started_voters(node, membership, None) + 1 < quorum(voters(membership).len() + 1) {
        return Err(Refusal::NotEnoughStartedMembers);
    }
    Ok(())
}

fn quorum(voters: usize) -> usize {
    voters / 2 + 1
}

/// Voters that have published their name: they have run.
fn started_voters(node: &Node, membership: &Membership, but: Option<u64>) -> usize {
    let attributes = node.attributes.borrow();
    let started = |id: &u64| *id == node.view.member_id || attributes.contains_key(id);
    voters(membership)
        .iter()
        .filter(|id| Some(**id) != but && started(id))
        .count()
}

fn active_voters(node: &Node, metrics: &Metrics) -> usize {
    let voters = voters(metrics.membership_config.membership());
    voters
        .iter()
        .filter(|id| is_active(node, metrics, **id))
        .count()
}

/// Whether a member may be alive: a leader that is new has not had the time to hear of anybody.
fn may_live(node: &Node, metrics: &Metrics, id: u64) -> bool {
    is_new(node) || is_active(node, metrics, id)
}

fn is_new(node: &Node) -> bool {
    let elected = node.view.elected_at();
    elected.is_none_or(|at| at.elapsed() < node.timing.election)
}

/// Whether the leader has heard of a member within an election timeout.
pub(crate) fn is_active(node: &Node, metrics: &Metrics, id: u64) -> bool {
    let heard = metrics
        .heartbeat
        .as_ref()
        .and_then(|all| all.get(&id).copied().flatten());
    id == node.view.member_id || heard.is_some_and(|at| at.elapsed() < node.timing.election)
}

/// Has the cluster hand out an id that no member ever had.
async fn allocate(node: &Rc<Node>, membership: &Membership) -> Result<u64, Refusal> {
    loop {
        let operation = Operation::MemberIdAllocate(MemberIdAllocate {});
        match node.shared.propose_internally(operation).await {
            Ok(Reply::MemberId(id)) if membership.get_node(&id).is_none() => return Ok(id),
            Ok(_) => {}
            Err(ProposeError::Stopped) => return Err(Refusal::Stopped),
            Err(error) => {
                tracing::warn!(%error, "no id for a new member");
                return Err(Refusal::Timeout);
            }
        }
    }
}

async fn finish(
    node: &Rc<Node>,
    id: u64,
    change: ChangeMembers<u64, Peer>,
    deadline: Instant,
) -> Result<Members, Refusal> {
    tracing::info!(member = id, %change, "changing the membership");
    let done = apply(node, change, deadline).await?;
    // Whoever asks this member next sees the change.
    let end = done.log_id.index() + 1;
    let mut applied = node.shared.applied_end.clone();
    let _ = applied.wait_for(|applied| *applied >= end).await;
    let membership = done.membership.as_ref().ok_or(Refusal::Timeout)?;
    Ok((id, list_of(membership, &node.attributes.borrow())))
}

/// Has openraft make a change, once it is not busy with another.
pub(crate) async fn apply(
    node: &Rc<Node>,
    change: ChangeMembers<u64, Peer>,
    deadline: Instant,
) -> Result<ClientWriteResponse<TypeConfig>, Refusal> {
    loop {
        let changed = node.raft.change_membership(change.clone(), false).await;
        let error = match changed {
            Ok(done) => return Ok(done),
            Err(RaftError::Fatal(_)) => return Err(Refusal::Stopped),
            Err(RaftError::APIError(error)) => error,
        };
        match error {
            ClientWriteError::ForwardToLeader(_) if !node.view.leads() => {
                return Err(Refusal::NotLeader);
            }
            // No quorum right now, or a change that is not committed yet.
            ClientWriteError::ForwardToLeader(_) | ClientWriteError::ChangeMembershipError(_) => {}
            ClientWriteError::LogEntryDiscarded(_) | ClientWriteError::PreconditionFailed(_) => {
                return Err(Refusal::Timeout);
            }
        }
        if Instant::now() + RETRY > deadline {
            tracing::warn!(%error, "the membership cannot be changed");
            return Err(Refusal::Timeout);
        }
        tokio::time::sleep(RETRY).await;
    }
}
