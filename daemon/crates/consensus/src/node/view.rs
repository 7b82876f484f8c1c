//! What this member knows of the cluster right now, for the tasks of the consensus thread.
//!
//! Fed from openraft's metrics and from what the peers send. Knows nothing about sockets.
//! Invariant: a leader that has not been heard of for an election timeout, or has not heard of a
//! quorum for as long, is no leader here; nor is there one for a member that has no connection to
//! a quorum.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use openraft::{Instant as _, ServerState};
use tokio::sync::Notify;

use super::members;
use crate::limits::MEMBER_TEXT_BYTES_MAX;
use crate::peer::address::Address;
use crate::raft::types::{Metrics, StoredMembership};
use crate::{Member, Role};

/// The part of the picture that decides where requests go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leadership {
    pub(crate) leader: Option<u64>,
    pub(crate) term: u64,
    pub(crate) role: Role,
}

/// The picture.
pub(crate) struct View {
    pub(crate) cluster_id: u64,
    pub(crate) member_id: u64,
    election: Duration,
    leadership: Cell<Leadership>,
    /// When the last leader appeared.
    elected_at: Cell<Option<Instant>>,
    /// When this member last heard of the leader.
    heard: Cell<Instant>,
    /// Too many members cannot be connected to.
    out_of_reach: Cell<bool>,
    effective: RefCell<std::sync::Arc<StoredMembership>>,
    committed: RefCell<std::sync::Arc<StoredMembership>>,
    urls: RefCell<BTreeMap<u64, Vec<String>>>,
    /// Where members that have moved say they are, until the membership says so.
    moved: RefCell<BTreeMap<u64, String>>,
    places: Places,
    fatal: RefCell<Option<String>>,
    /// Something of this has changed.
    pub(crate) changed: Rc<Notify>,
}

/// What this member was told about places when it was started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    /// Its own peer URLs.
    pub(crate) own: Vec<String>,
    /// Where other members may be, if they are nowhere else.
    pub(crate) hints: Vec<String>,
}

impl View {
    pub(crate) fn new(
        cluster_id: u64,
        member_id: u64,
        election: Duration,
        places: Places,
    ) -> Rc<Self> {
        let leadership = Leadership {
            leader: None,
            term: 0,
            role: Role::Learner,
        };
        Rc::new(Self {
            cluster_id,
            member_id,
            election,
            leadership: Cell::new(leadership),
            elected_at: Cell::new(None),
            heard: Cell::new(Instant::now()),
            out_of_reach: Cell::new(false),
            effective: RefCell::default(),
            committed: RefCell::default(),
            urls: RefCell::default(),
            moved: RefCell::default(),
            places,
            fatal: RefCell::default(),
            changed: Rc::default(),
        })
    }

    pub(crate) fn leadership(&self) -> Leadership {
        self.leadership.get()
    }

    pub(crate) fn leader(&self) -> Option<u64> {
        self.leadership.get().leader
    }

    pub(crate) fn leads(&self) -> bool {
        self.leader() == Some(self.member_id)
    }

    pub(crate) fn elected_at(&self) -> Option<Instant> {
        self.elected_at.get()
    }

    /// The leader has sent something that was accepted.
    /// Whether the leader was heard of within this time.
    pub(crate) fn heard_lately(&self, time: Duration) -> bool {
        self.heard.get().elapsed() < time
    }

    /// Whether there is no quorum to be had, whatever anybody does here.
    pub(crate) fn out_of_reach(&self) -> bool {
        self.out_of_reach.get()
    }

    pub(crate) fn set_out_of_reach(&self, out: bool) {
        if self.out_of_reach.replace(out) != out {
            match out {
                true => tracing::warn!("no connection to a quorum of the members"),
                false => tracing::info!("connected to a quorum of the members again"),
            }
            self.changed.notify_waiters();
        }
    }

    pub(crate) fn heard_of_leader(&self) {
        self.heard.set(Instant::now());
    }

    /// The membership in force, committed or not.
    pub(crate) fn membership(&self) -> std::sync::Arc<StoredMembership> {
        self.effective.borrow().clone()
    }

    /// The last membership known to be committed.
    pub(crate) fn committed(&self) -> std::sync::Arc<StoredMembership> {
        self.committed.borrow().clone()
    }

    /// Where a member is reached: where it says, where the membership has it, and where anybody may
    /// be. Who answers at a place says which member it is, so a wrong one is only tried in vain.
    pub(crate) fn peer_urls(&self, peer: u64) -> Vec<String> {
        let mut urls: Vec<String> = self
            .moved
            .borrow()
            .get(&peer)
            .cloned()
            .into_iter()
            .collect();
        let known = self.urls.borrow().get(&peer).cloned().unwrap_or_default();
        for url in known.into_iter().chain(self.places.hints.iter().cloned()) {
            if !urls.contains(&url) && !self.places.own.contains(&url) {
                urls.push(url);
            }
        }
        urls
    }

    /// Where this member is reached.
    pub(crate) fn own_url(&self) -> Option<&str> {
        self.places.own.first().map(String::as_str)
    }

    /// Whether the membership has this member somewhere else.
    pub(crate) fn has_moved(&self) -> bool {
        let effective = self.effective.borrow();
        let known = effective.membership().get_node(&self.member_id);
        known.is_some_and(|peer| peer.member.peer_urls != self.places.own)
    }

    /// Another member passes on where a member is. What that has said itself counts more.
    pub(crate) fn said_to_be_at(&self, peer: u64, url: &str) {
        if peer != self.member_id && !self.moved.borrow().contains_key(&peer) {
            self.reached_at(peer, url.as_bytes());
        }
    }

    /// Members that have moved, and where they say they are.
    pub(crate) fn moved(&self) -> Vec<(u64, String)> {
        let moved = self.moved.borrow();
        moved.iter().map(|(id, url)| (*id, url.clone())).collect()
    }

    /// A member has said where it is.
    pub(crate) fn reached_at(&self, peer: u64, url: &[u8]) {
        let known = self.urls.borrow().get(&peer).cloned();
        let mut moved = self.moved.borrow_mut();
        let url = std::str::from_utf8(url).ok();
        let sound =
            |url: &&str| url.len() <= MEMBER_TEXT_BYTES_MAX && Address::parse(url).is_some();
        match (url.filter(sound), known) {
            (Some(url), Some(known)) if !known.iter().any(|known| known == url) => {
                let before = moved.insert(peer, url.to_owned());
                if before.as_deref() != Some(url) {
                    tracing::info!(member = peer, url, "a member has moved");
                }
            }
            _ => _ = moved.remove(&peer),
        }
    }

    /// openraft speaks of a member before the metrics do.
    pub(crate) fn learn_peer(&self, peer: u64, member: &Member) {
        self.urls
            .borrow_mut()
            .entry(peer)
            .or_insert_with(|| member.peer_urls.clone());
    }

    /// Whether a member votes, as far as this one knows.
    pub(crate) fn votes(&self, member: u64) -> bool {
        let effective = self.effective.borrow();
        effective.membership().voter_ids().any(|id| id == member)
    }

    /// Position, plus 1, of the membership by which this member is one; 0 where it is not.
    pub(crate) fn member_since(&self) -> u64 {
        let effective = self.effective.borrow();
        let known = effective.membership().get_node(&self.member_id).is_some();
        let position = effective.log_id().map(|id| id.index().saturating_add(1));
        position.filter(|_| known).unwrap_or(0)
    }

    /// Whether a member that knows itself as such since `member_since` has been removed after
    /// that. Where this member knows less than the other, it cannot tell.
    pub(crate) fn was_removed(&self, member: u64, member_since: u64) -> bool {
        let committed = self.committed.borrow();
        let position = committed
            .log_id()
            .map_or(0, |id| id.index().saturating_add(1));
        member_since > 0
            && position > member_since
            && committed.membership().get_node(&member).is_none()
    }

    /// A peer says that the committed membership at this position is without this member.
    pub(crate) fn farewell(&self, position: u64) {
        // Whoever was never told of a membership was given up before it could be.
        if position.saturating_add(1) > self.member_since() {
            self.removed();
        }
    }

    /// This member is none any more.
    pub(crate) fn removed(&self) {
        self.fail("removed from the cluster");
    }

    /// This member cannot go on; the first reason stays.
    pub(crate) fn fail(&self, reason: &str) {
        let mut fatal = self.fatal.borrow_mut();
        if fatal.is_none() {
            tracing::error!(reason, "this member cannot go on");
            *fatal = Some(reason.to_owned());
            drop(fatal);
            self.changed.notify_waiters();
        }
    }

    pub(crate) fn fatal(&self) -> Option<String> {
        self.fatal.borrow().clone()
    }

    /// Takes what openraft says. Returns whether who leads, or the members, have changed.
    pub(crate) fn update(&self, metrics: &Metrics) -> bool {
        let mut changed = self.update_members(metrics);
        changed |= self.update_leadership(metrics);
        if changed {
            self.changed.notify_waiters();
        }
        changed
    }

    fn update_members(&self, metrics: &Metrics) -> bool {
        let mut changed = false;
        let committed = &metrics.committed_membership_config;
        if *self.committed.borrow() != *committed {
            let was = self
                .effective
                .borrow()
                .membership()
                .get_node(&self.member_id)
                .is_some()
                || self
                    .committed
                    .borrow()
                    .membership()
                    .get_node(&self.member_id)
                    .is_some();
            let is = committed.membership().get_node(&self.member_id).is_some();
            *self.committed.borrow_mut() = committed.clone();
            if was && !is && self.member_since() <= position(committed) {
                self.removed();
            }
            changed = true;
        }
        let effective = &metrics.membership_config;
        if *self.effective.borrow() == *effective {
            return changed;
        }
        *self.urls.borrow_mut() = members::peer_urls(effective.membership());
        *self.effective.borrow_mut() = effective.clone();
        true
    }

    fn update_leadership(&self, metrics: &Metrics) -> bool {
        let old = self.leadership.get();
        let role = match metrics.state {
            ServerState::Leader => Role::Leader,
            ServerState::Follower => Role::Follower,
            ServerState::Candidate => Role::Candidate,
            ServerState::Learner | ServerState::Shutdown => Role::Learner,
        };
        let now = Instant::now();
        let stale = match metrics.current_leader {
            Some(leader) if leader == self.member_id => {
                let alone = metrics.membership_config.voter_ids().eq([self.member_id]);
                let acked = metrics.last_quorum_acked;
                !alone && acked.is_none_or(|acked| acked.elapsed() > self.election)
            }
            Some(leader) => {
                if old.term != metrics.current_term || old.leader.is_some_and(|old| old != leader) {
                    self.heard.set(now);
                }
                self.heard.get().elapsed() > self.election
            }
            None => true,
        };
        let stale = stale || self.out_of_reach.get();
        let leader = metrics.current_leader.filter(|_| !stale);
        // A leader that hears of no quorum can do nothing for anybody.
        let role = if role == Role::Leader && stale {
            Role::Candidate
        } else {
            role
        };
        let new = Leadership {
            leader,
            term: metrics.current_term,
            role,
        };
        if new.leader.is_some() && (new.leader, new.term) != (old.leader, old.term) {
            self.elected_at.set(Some(now));
            tracing::info!(leader = new.leader, term = new.term, "leader");
        }
        if new.leader.is_none() && old.leader.is_some() {
            tracing::warn!(term = new.term, "no leader");
        }
        self.leadership.set(new);
        new != old
    }
}

fn position(membership: &StoredMembership) -> u64 {
    membership
        .log_id()
        .map_or(0, |id| id.index().saturating_add(1))
}
