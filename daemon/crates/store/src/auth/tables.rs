//! Users, roles and the switch in redb.
//!
//! | table | key | value |
//! |---|---|---|
//! | `auth` | `enabled` | `[1]` or `[0]` |
//! | `auth` | `revision` | 8 bytes, big-endian |
//! | `auth_users` | name | `authpb.User` |
//! | `auth_roles` | name | `authpb.Role` |
//!
//! Knows nothing about what the records mean. A record that does not decode is corruption.

use std::path::Path;
use std::sync::Arc;

use prost::Message;
use redb::{ReadTransaction, ReadableTable, TableDefinition, TableError, WriteTransaction};
use skerry_proto::authpb;

use super::state::{AuthState, Role, User};
use crate::StoreError;

/// The switch and the revision.
pub(crate) const AUTH: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("auth");
/// User name -> `authpb.User`.
pub(crate) const AUTH_USERS: TableDefinition<'static, &[u8], &[u8]> =
    TableDefinition::new("auth_users");
/// Role name -> `authpb.Role`.
pub(crate) const AUTH_ROLES: TableDefinition<'static, &[u8], &[u8]> =
    TableDefinition::new("auth_roles");

const ENABLED: &[u8] = b"enabled";
const REVISION: &[u8] = b"revision";

/// Reads all of it. Tables that were never written are empty.
pub(super) fn load(path: &Path, txn: &ReadTransaction) -> Result<AuthState, StoreError> {
    let mut state = AuthState::default();
    each(path, txn, AUTH, |key, value| {
        match key {
            ENABLED => state.enabled = value == [1],
            REVISION => {
                let revision = value
                    .try_into()
                    .map_err(|_| "auth revision is not 8 bytes")?;
                state.revision = u64::from_be_bytes(revision);
            }
            _ => return Err("unknown key in table auth".to_owned()),
        }
        Ok(())
    })?;
    each(path, txn, AUTH_USERS, |key, value| {
        let name = text(key)?;
        let record = authpb::User::decode(value).map_err(|e| format!("user {name}: {e}"))?;
        state.put_user(&name, User::from_record(record));
        Ok(())
    })?;
    each(path, txn, AUTH_ROLES, |key, value| {
        let name = text(key)?;
        let record = authpb::Role::decode(value).map_err(|e| format!("role {name}: {e}"))?;
        state.put_role(&name, Role::new(record.key_permission));
        Ok(())
    })?;
    Ok(state)
}

/// What one command changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// The switch was turned.
    pub(super) enabled: bool,
    /// The revision moved.
    pub(super) revision: bool,
    /// Users that were written or deleted.
    pub(super) users: Vec<String>,
    /// Roles that were written or deleted.
    pub(super) roles: Vec<String>,
}

/// Writes what changed, as `state` now has it.
pub(super) fn save(
    path: &Path,
    txn: &WriteTransaction,
    state: &AuthState,
    changes: &Changes,
) -> Result<(), StoreError> {
    save_to(txn, state, changes).map_err(|source| StoreError::Redb {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

fn save_to(
    txn: &WriteTransaction,
    state: &AuthState,
    changes: &Changes,
) -> Result<(), redb::Error> {
    if changes.enabled || changes.revision {
        let mut table = txn.open_table(AUTH)?;
        table.insert(ENABLED, [u8::from(state.enabled)].as_slice())?;
        table.insert(REVISION, state.revision.to_be_bytes().as_slice())?;
    }
    if !changes.users.is_empty() {
        let mut table = txn.open_table(AUTH_USERS)?;
        for name in &changes.users {
            match state.users.get(name).map(Arc::as_ref) {
                Some(user) => {
                    let record = user.to_record(name).encode_to_vec();
                    table.insert(name.as_bytes(), record.as_slice())?;
                }
                None => {
                    table.remove(name.as_bytes())?;
                }
            }
        }
    }
    if !changes.roles.is_empty() {
        let mut table = txn.open_table(AUTH_ROLES)?;
        for name in &changes.roles {
            match state.roles.get(name).map(Arc::as_ref) {
                Some(role) => {
                    let record = role.to_record(name).encode_to_vec();
                    table.insert(name.as_bytes(), record.as_slice())?;
                }
                None => {
                    table.remove(name.as_bytes())?;
                }
            }
        }
    }
    Ok(())
}

fn each(
    path: &Path,
    txn: &ReadTransaction,
    definition: TableDefinition<'static, &[u8], &[u8]>,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), String>,
) -> Result<(), StoreError> {
    let failed = |source: redb::Error| StoreError::Redb {
        path: path.to_owned(),
        source: Box::new(source),
    };
    let table = match txn.open_table(definition) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(()),
        Err(error) => return Err(failed(error.into())),
    };
    for item in table.iter().map_err(|e| failed(e.into()))? {
        let (key, value) = item.map_err(|e| failed(e.into()))?;
        visit(key.value(), value.value()).map_err(|what| StoreError::Corrupt {
            path: path.to_owned(),
            what,
        })?;
    }
    Ok(())
}

fn text(key: &[u8]) -> Result<String, String> {
    String::from_utf8(key.to_vec()).map_err(|_| "a name in the auth tables is not UTF-8".to_owned())
}
