//! Leases as the state knows them: granted life, the rest at the last checkpoint, attached keys.
//!
//! Knows nothing about time: that a lease has run out is decided by the leader's clock and comes
//! as a command. Invariant: a lease ends together with its keys, in one revision.

use bytes::Bytes;
use redb::ReadableTable;
use skerry_proto::command::{LeaseCheckpoint, LeaseRevoke};
use skerry_proto::etcdserverpb as pb;

use super::Batch;
use crate::fault::Fault;
use crate::keyspace::Keyspace;
use crate::lease::{self, LeaseRow};
use crate::limits::LEASE_TTL_SECONDS_MAX;
use crate::{ApplyError, LeaseChange, Reply, tables};

impl Batch<'_> {
    pub(super) fn lease_grant(&mut self, grant: &pb::LeaseGrantRequest) -> Result<Reply, Fault> {
        if grant.id == 0 {
            return Err(ApplyError::LeaseNotFound.into());
        }
        if grant.ttl > LEASE_TTL_SECONDS_MAX {
            return Err(ApplyError::LeaseTtlTooLarge.into());
        }
        if self.lease(grant.id)?.is_some() {
            return Err(ApplyError::LeaseExists.into());
        }
        // The least life that the cluster grants is set by who proposes; this one only keeps a
        // lease from having none.
        let ttl = grant.ttl.max(1);
        self.put_lease(grant.id, LeaseRow { ttl, remaining: 0 })?;
        self.lease_changes.push(LeaseChange::Granted {
            id: grant.id,
            ttl_seconds: ttl,
        });
        Ok(Reply::LeaseGrant(pb::LeaseGrantResponse {
            header: Some(pb::ResponseHeader::default()),
            id: grant.id,
            ttl,
            error: String::new(),
        }))
    }

    pub(super) fn lease_revoke(&mut self, revoke: &LeaseRevoke) -> Result<Reply, Fault> {
        let reply = Reply::LeaseRevoke(pb::LeaseRevokeResponse {
            header: Some(pb::ResponseHeader::default()),
        });
        if self.lease(revoke.id)?.is_none() {
            // The leader's clock proposes again what it has not seen applied.
            return match revoke.expired {
                true => Ok(reply),
                false => Err(ApplyError::LeaseNotFound.into()),
            };
        }
        for key in self.keys_of_lease(revoke.id)? {
            let live = self.live(&key)?;
            let live = live.ok_or_else(|| Fault::corrupt("a lease holds a key that is gone"))?;
            self.delete(&key, live)?;
        }
        self.leases()?.remove(&tables::lease_row(revoke.id)[..])?;
        self.lease_changes
            .push(LeaseChange::Revoked { id: revoke.id });
        Ok(reply)
    }

    pub(super) fn lease_checkpoint(
        &mut self,
        checkpoint: &LeaseCheckpoint,
    ) -> Result<Reply, Fault> {
        for rest in &checkpoint.leases {
            let Some(mut row) = self.lease(rest.id)? else {
                continue;
            };
            row.remaining = rest.seconds.max(0);
            self.put_lease(rest.id, row)?;
            self.lease_changes.push(LeaseChange::Checkpointed {
                id: rest.id,
                remaining_seconds: row.remaining,
            });
        }
        Ok(Reply::LeaseCheckpoint)
    }

    /// Refuses a lease that does not exist; 0 is no lease.
    pub(super) fn check_lease(&mut self, id: i64) -> Result<(), Fault> {
        if id != 0 && self.lease(id)?.is_none() {
            return Err(ApplyError::LeaseNotFound.into());
        }
        Ok(())
    }

    /// The keys of a lease, in order; none where it does not exist.
    pub(super) fn keys_of_lease(&mut self, id: i64) -> Result<Vec<Bytes>, Fault> {
        lease::keys(self.lease_keys()?, id)
    }

    fn lease(&mut self, id: i64) -> Result<Option<LeaseRow>, Fault> {
        let table = self.leases()?;
        match table.get(&tables::lease_row(id)[..])? {
            Some(row) => lease::decode(id, row.value()).map(Some),
            None => Ok(None),
        }
    }

    fn put_lease(&mut self, id: i64, row: LeaseRow) -> Result<(), Fault> {
        let table = self.leases()?;
        table.insert(&tables::lease_row(id)[..], &row.encode(id)[..])?;
        Ok(())
    }
}
