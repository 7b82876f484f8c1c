//! Who may do what: the questions that are asked of an [`AuthState`] before a read is answered and
//! before a command is applied.
//!
//! Pure. Invariant: with authentication off everything is permitted; with it on, nothing is
//! without a caller. The order of the checks, and so which error comes first, is etcd's.

use bytes::Bytes;
use skerry_proto::command::{Command, command::Operation};
use skerry_proto::etcdserverpb as pb;
use skerry_proto::etcdserverpb::request_op::Request;

use super::ranges;
use super::state::{AuthState, ROOT};
use crate::ApplyError;

/// The authenticated caller of a request. Nobody: an empty name at revision 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The user's name.
    pub user: &'a str,
    /// The auth revision at which the caller's token was good.
    pub revision: u64,
}

#[derive(Clone, Copy)]
enum Access {
    Read,
    Write,
}

impl AuthState {
    /// Whether the caller may read a key (`range_end` empty) or all keys of a range.
    pub fn permit_range(
        &self,
        who: Identity<'_>,
        key: &[u8],
        range_end: &[u8],
    ) -> Result<(), ApplyError> {
        self.permit_access(who, key, range_end, Access::Read)
    }

    /// Whether the caller may write a key.
    pub fn permit_put(&self, who: Identity<'_>, key: &[u8]) -> Result<(), ApplyError> {
        self.permit_access(who, key, &[], Access::Write)
    }

    /// Whether the caller may delete a key (`range_end` empty) or all keys of a range.
    pub fn permit_delete_range(
        &self,
        who: Identity<'_>,
        key: &[u8],
        range_end: &[u8],
    ) -> Result<(), ApplyError> {
        self.permit_access(who, key, range_end, Access::Write)
    }

    /// Whether the caller has the role `root`.
    pub fn permit_admin(&self, who: Identity<'_>) -> Result<(), ApplyError> {
        if !self.enabled {
            return Ok(());
        }
        if who.user.is_empty() {
            return Err(ApplyError::UserEmpty);
        }
        let user = self.user(who.user).ok_or(ApplyError::UserNotFound)?;
        if user.has_role(ROOT) {
            Ok(())
        } else {
            Err(ApplyError::PermissionDenied)
        }
    }

    /// Whether the caller may see a user: an administrator, or that user.
    pub fn permit_user_get(&self, who: Identity<'_>, name: &str) -> Result<(), ApplyError> {
        match self.permit_admin(who) {
            Err(_) if name == who.user => Ok(()),
            other => other,
        }
    }

    /// Whether the caller may see a role: an administrator, or a user who has it.
    pub fn permit_role_get(&self, who: Identity<'_>, role: &str) -> Result<(), ApplyError> {
        let granted = || self.user(who.user).is_some_and(|user| user.has_role(role));
        match self.permit_admin(who) {
            Err(_) if granted() => Ok(()),
            other => other,
        }
    }

    /// Whether the caller may write all keys of a lease, as ending it, renewing it or attaching
    /// one more key to it needs.
    pub fn permit_lease_write(&self, who: Identity<'_>, keys: &[Bytes]) -> Result<(), ApplyError> {
        if self.permit_admin(who).is_ok() {
            return Ok(());
        }
        keys.iter().try_for_each(|key| self.permit_put(who, key))
    }

    /// Whether the caller may read all keys of a lease, as listing them needs.
    pub fn permit_lease_read(&self, who: Identity<'_>, keys: &[Bytes]) -> Result<(), ApplyError> {
        if self.permit_admin(who).is_ok() {
            return Ok(());
        }
        keys.iter()
            .try_for_each(|key| self.permit_range(who, key, &[]))
    }

    /// Whether the caller may make all comparisons of a transaction and all requests of both its
    /// branches. `keys_of` gives the keys that a lease holds, and is asked only where it matters.
    pub fn permit_txn<E: From<ApplyError>>(
        &self,
        who: Identity<'_>,
        txn: &pb::TxnRequest,
        keys_of: &mut impl FnMut(i64) -> Result<Vec<Bytes>, E>,
    ) -> Result<(), E> {
        if !self.enabled {
            return Ok(());
        }
        for compare in &txn.compare {
            self.permit_range(who, &compare.key, &compare.range_end)?;
        }
        for operation in txn.success.iter().chain(&txn.failure) {
            match &operation.request {
                Some(Request::RequestRange(range)) => {
                    self.permit_range(who, &range.key, &range.range_end)?;
                }
                Some(Request::RequestPut(put)) => {
                    self.permit_put_request(who, put, keys_of)?;
                }
                Some(Request::RequestDeleteRange(delete)) => {
                    if delete.prev_kv {
                        self.permit_range(who, &delete.key, &delete.range_end)?;
                    }
                    self.permit_delete_range(who, &delete.key, &delete.range_end)?;
                }
                Some(Request::RequestTxn(nested)) => self.permit_txn(who, nested, keys_of)?,
                None => {}
            }
        }
        Ok(())
    }

    /// Whether a command may be applied for the caller that it names. Commands of the cluster
    /// itself (an expired lease, checkpoints, members) have no caller and need none; compaction and alarms are
    /// checked by the member that was asked.
    pub(crate) fn permit_command<E: From<ApplyError>>(
        &self,
        command: &Command,
        keys_of: &mut impl FnMut(i64) -> Result<Vec<Bytes>, E>,
    ) -> Result<(), E> {
        if !self.enabled {
            return Ok(());
        }
        let who = Identity {
            user: &command.user,
            revision: command.auth_revision,
        };
        match &command.operation {
            Some(Operation::Put(put)) => self.permit_put_request(who, put, keys_of)?,
            Some(Operation::DeleteRange(delete)) => {
                self.permit_delete_range(who, &delete.key, &delete.range_end)?;
                if delete.prev_kv {
                    self.permit_range(who, &delete.key, &delete.range_end)?;
                }
            }
            Some(Operation::Txn(txn)) => self.permit_txn(who, txn, keys_of)?,
            Some(Operation::LeaseRevoke(revoke)) if !revoke.expired => {
                self.permit_lease(who, revoke.id, keys_of)?;
            }
            Some(Operation::AuthUserGet(get)) => self.permit_user_get(who, &get.name)?,
            Some(Operation::AuthRoleGet(get)) => self.permit_role_get(who, &get.role)?,
            Some(
                Operation::AuthEnable(_)
                | Operation::AuthDisable(_)
                | Operation::AuthUserAdd(_)
                | Operation::AuthUserDelete(_)
                | Operation::AuthUserChangePassword(_)
                | Operation::AuthUserGrantRole(_)
                | Operation::AuthUserRevokeRole(_)
                | Operation::AuthUserList(_)
                | Operation::AuthRoleAdd(_)
                | Operation::AuthRoleDelete(_)
                | Operation::AuthRoleGrantPermission(_)
                | Operation::AuthRoleRevokePermission(_)
                | Operation::AuthRoleList(_),
            ) => self.permit_admin(who)?,
            Some(
                Operation::LeaseRevoke(_)
                | Operation::Compaction(_)
                | Operation::LeaseGrant(_)
                | Operation::LeaseCheckpoint(_)
                | Operation::Alarm(_)
                | Operation::MemberIdAllocate(_)
                | Operation::MemberAttributes(_)
                | Operation::Authenticate(_),
            )
            | None => {}
        }
        Ok(())
    }

    /// Writing the key, joining its lease, and reading what was there before, where that is asked.
    fn permit_put_request<E: From<ApplyError>>(
        &self,
        who: Identity<'_>,
        put: &pb::PutRequest,
        keys_of: &mut impl FnMut(i64) -> Result<Vec<Bytes>, E>,
    ) -> Result<(), E> {
        self.permit_put(who, &put.key)?;
        // A lease that holds keys which the caller may not write is one that it may not end.
        self.permit_lease(who, put.lease, keys_of)?;
        if put.prev_kv {
            self.permit_range(who, &put.key, &[])?;
        }
        Ok(())
    }

    fn permit_lease<E: From<ApplyError>>(
        &self,
        who: Identity<'_>,
        lease: i64,
        keys_of: &mut impl FnMut(i64) -> Result<Vec<Bytes>, E>,
    ) -> Result<(), E> {
        if lease == 0 || self.permit_admin(who).is_ok() {
            return Ok(());
        }
        let keys = keys_of(lease)?;
        Ok(self.permit_lease_write(who, &keys)?)
    }

    fn permit_access(
        &self,
        who: Identity<'_>,
        key: &[u8],
        range_end: &[u8],
        access: Access,
    ) -> Result<(), ApplyError> {
        if !self.enabled {
            return Ok(());
        }
        if who.revision == 0 {
            return Err(ApplyError::UserEmpty);
        }
        if who.revision < self.revision {
            return Err(ApplyError::AuthOldRevision);
        }
        let user = self.user(who.user).ok_or(ApplyError::PermissionDenied)?;
        if user.has_role(ROOT) {
            return Ok(());
        }
        let mut sets = user
            .roles
            .iter()
            .filter_map(|name| self.roles.get(name))
            .map(|role| match access {
                Access::Read => &role.read,
                Access::Write => &role.write,
            });
        let permitted = if range_end.is_empty() {
            sets.any(|set| set.holds(key))
        } else {
            ranges::covered(sets, key, range_end)
        };
        if permitted {
            Ok(())
        } else {
            Err(ApplyError::PermissionDenied)
        }
    }
}
