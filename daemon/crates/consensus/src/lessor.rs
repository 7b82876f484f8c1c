//! The leader's clock over the leases.
//!
//! Knows nothing about Raft or threads; time comes in from outside. Invariants: on a member that
//! does not lead there are no deadlines; a lease is proposed for revocation only after its life is
//! over, and only the state's word that it was revoked removes it here.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use skerry_store::{Lease, LeaseChange};

use crate::limits::LEASE_CHECKPOINT_INTERVAL;

/// Time after which a revocation that has not happened is proposed again, as in etcd.
const REVOKE_RETRY: Duration = Duration::from_secs(3);

#[derive(Debug)]
struct Life {
    ttl_seconds: i64,
    /// As the state has it; 0 where there was no checkpoint since the last renewal.
    checkpointed_seconds: i64,
    deadline: Instant,
    /// When to look at it again: the deadline, or later while its revocation is under way.
    look_at: Instant,
    checkpoint_at: Option<Instant>,
}

/// What came of a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// The lease lives for so many seconds from now. The state still has a shorter life noted if
    /// `clear_checkpoint`.
    Renewed {
        ttl_seconds: i64,
        clear_checkpoint: bool,
    },
    /// There is no such lease.
    NotFound,
    /// Its life is over, but it has not been revoked yet.
    Expired,
    /// This member does not lead.
    NotPrimary,
}

/// All leases, while this member leads.
#[derive(Debug, Default)]
pub(crate) struct Lessor {
    /// The term in which this member leads.
    term: Option<u64>,
    loaded: bool,
    leases: HashMap<i64, Life>,
    looks: BTreeSet<(Instant, i64)>,
    checkpoints: BTreeSet<(Instant, i64)>,
}

fn seconds(count: i64) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap_or(0))
}

/// Whole seconds that are left, rounded up.
fn left(deadline: Instant, now: Instant) -> i64 {
    let left = deadline.saturating_duration_since(now);
    let up = u64::from(left.subsec_nanos() > 0);
    i64::try_from(left.as_secs() + up).unwrap_or(i64::MAX)
}

impl Lessor {
    /// This member leads from now on; the leases follow with [`Lessor::load`].
    pub(crate) fn expect(&mut self, term: u64) {
        self.demote();
        self.term = Some(term);
    }

    /// Takes all leases of the state. Each gets its whole life, or what the last checkpoint left
    /// of it, and `extend` on top: nobody could renew while there was no leader.
    pub(crate) fn load(&mut self, term: u64, leases: Vec<Lease>, extend: Duration, now: Instant) {
        if self.term != Some(term) {
            return;
        }
        self.clear();
        self.loaded = true;
        for lease in leases {
            let Lease {
                id,
                ttl_seconds,
                remaining_seconds,
            } = lease;
            let life = if remaining_seconds > 0 {
                remaining_seconds
            } else {
                ttl_seconds
            };
            self.insert(
                id,
                ttl_seconds,
                remaining_seconds,
                now + extend + seconds(life),
                now,
            );
        }
    }

    /// This member leads no more.
    pub(crate) fn demote(&mut self) {
        self.term = None;
        self.loaded = false;
        self.clear();
    }

    fn clear(&mut self) {
        self.leases.clear();
        self.looks.clear();
        self.checkpoints.clear();
    }

    /// What became of leases in the state.
    pub(crate) fn changed(&mut self, changes: &[LeaseChange], now: Instant) {
        if !self.loaded {
            return;
        }
        for change in changes {
            match *change {
                LeaseChange::Granted { id, ttl_seconds } => {
                    self.remove(id);
                    self.insert(id, ttl_seconds, 0, now + seconds(ttl_seconds), now);
                }
                LeaseChange::Revoked { id } => self.remove(id),
                LeaseChange::Checkpointed {
                    id,
                    remaining_seconds,
                } => {
                    if let Some(life) = self.leases.get_mut(&id) {
                        life.checkpointed_seconds = remaining_seconds;
                    }
                    self.plan_checkpoint(id, now);
                }
            }
        }
    }

    fn insert(&mut self, id: i64, ttl: i64, checkpointed: i64, deadline: Instant, now: Instant) {
        let life = Life {
            ttl_seconds: ttl,
            checkpointed_seconds: checkpointed,
            deadline,
            look_at: deadline,
            checkpoint_at: None,
        };
        self.looks.insert((deadline, id));
        self.leases.insert(id, life);
        self.plan_checkpoint(id, now);
    }

    fn remove(&mut self, id: i64) {
        if let Some(life) = self.leases.remove(&id) {
            self.looks.remove(&(life.look_at, id));
            if let Some(at) = life.checkpoint_at {
                self.checkpoints.remove(&(at, id));
            }
        }
    }

    fn look_at(&mut self, id: i64, at: Instant) {
        if let Some(life) = self.leases.get_mut(&id) {
            self.looks.remove(&(life.look_at, id));
            life.look_at = at;
            self.looks.insert((at, id));
        }
    }

    fn plan_checkpoint(&mut self, id: i64, now: Instant) {
        let Some(life) = self.leases.get_mut(&id) else {
            return;
        };
        if let Some(at) = life.checkpoint_at.take() {
            self.checkpoints.remove(&(at, id));
        }
        if life.deadline.saturating_duration_since(now) > LEASE_CHECKPOINT_INTERVAL {
            let at = now + LEASE_CHECKPOINT_INTERVAL;
            life.checkpoint_at = Some(at);
            self.checkpoints.insert((at, id));
        }
    }

    /// Gives a lease its whole life again.
    pub(crate) fn renew(&mut self, id: i64, now: Instant) -> Renewal {
        if !self.loaded {
            return Renewal::NotPrimary;
        }
        let Some(life) = self.leases.get_mut(&id) else {
            return Renewal::NotFound;
        };
        if life.deadline <= now {
            return Renewal::Expired;
        }
        let (ttl_seconds, clear_checkpoint) = (life.ttl_seconds, life.checkpointed_seconds > 0);
        let deadline = now + seconds(ttl_seconds);
        life.deadline = deadline;
        self.look_at(id, deadline);
        self.plan_checkpoint(id, now);
        Renewal::Renewed {
            ttl_seconds,
            clear_checkpoint,
        }
    }

    /// When a lease ends, where this member leads and the lease is known.
    pub(crate) fn deadline(&self, id: i64) -> Option<Instant> {
        self.leases.get(&id).map(|life| life.deadline)
    }

    /// Whole seconds that a lease still has, rounded down, and the life it was granted.
    pub(crate) fn remaining(&self, id: i64, now: Instant) -> Result<(i64, i64), Renewal> {
        if !self.loaded {
            return Err(Renewal::NotPrimary);
        }
        let life = self.leases.get(&id).ok_or(Renewal::NotFound)?;
        let left = life.deadline.saturating_duration_since(now).as_secs();
        Ok((i64::try_from(left).unwrap_or(i64::MAX), life.ttl_seconds))
    }

    /// Leases to be revoked now, at most `max`.
    pub(crate) fn expired(&mut self, now: Instant, max: usize) -> Vec<i64> {
        let due: Vec<i64> = self
            .looks
            .iter()
            .take(max)
            .take_while(|(at, _)| *at <= now)
            .map(|(_, id)| *id)
            .collect();
        for id in &due {
            self.look_at(*id, now + REVOKE_RETRY);
        }
        due
    }

    /// When [`Lessor::expired`] or [`Lessor::checkpoints`] has something next.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        let looks = self.looks.first().map(|(at, _)| *at);
        let checkpoints = self.checkpoints.first().map(|(at, _)| *at);
        match (looks, checkpoints) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        }
    }

    /// Long lives that should be noted in the state now, at most `max`: id and seconds left.
    pub(crate) fn checkpoints(&mut self, now: Instant, max: usize) -> Vec<(i64, i64)> {
        let due: Vec<(Instant, i64)> = self
            .checkpoints
            .iter()
            .take(max)
            .take_while(|(at, _)| *at <= now)
            .copied()
            .collect();
        let mut notes = Vec::with_capacity(due.len());
        for (_, id) in due {
            let Some(life) = self.leases.get(&id) else {
                continue;
            };
            if life.deadline > now {
                notes.push((id, left(life.deadline, now)));
            }
            self.plan_checkpoint(id, now);
        }
        notes
    }

    /// What is left of every lease, before leadership is handed over.
    pub(crate) fn all_remaining(&self, now: Instant) -> Vec<(i64, i64)> {
        let mut notes: Vec<(i64, i64)> = self
            .leases
            .iter()
            .filter(|(_, life)| life.deadline > now)
            .map(|(id, life)| (*id, left(life.deadline, now).min(life.ttl_seconds)))
            .collect();
        notes.sort_unstable();
        notes
    }
}

#[cfg(test)]
#[path = "lessor_test.rs"]
mod tests;
