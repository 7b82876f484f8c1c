//! Users, roles, the switch and the revision of authentication, as one value in memory.
//!
//! Knows nothing about tables or commands: it is what the tables say, ready to be asked. Readers
//! hold it as an `Arc`, so that one request sees one state. Memory is linear in what is stored,
//! and that is bounded by [`limits::AUTH_STATE_BYTES_MAX`](super::limits::AUTH_STATE_BYTES_MAX).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use skerry_proto::authpb;
use skerry_proto::authpb::permission::Type;

use super::ranges::RangeSet;
use crate::ApplyError;

/// The user, and the role, that may do everything.
pub const ROOT: &str = "root";

/// What authentication says at one moment.
#[derive(Debug, Clone)]
pub struct AuthState {
    pub(super) enabled: bool,
    pub(super) revision: u64,
    pub(super) users: BTreeMap<String, Arc<User>>,
    pub(super) roles: BTreeMap<String, Arc<Role>>,
    /// Encoded size of all users and roles.
    pub(super) bytes: usize,
}

/// A user as it is stored, decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// The bcrypt hash; empty where the user has no password.
    pub password: Bytes,
    /// Granted roles, in order.
    pub roles: Vec<String>,
    /// Made without a password: can only come with a certificate.
    pub no_password: bool,
}

/// A role as it is stored, with its permissions ready to be asked.
#[derive(Debug, Clone)]
pub(super) struct Role {
    pub(super) permissions: Vec<authpb::Permission>,
    pub(super) read: RangeSet,
    pub(super) write: RangeSet,
}

impl Default for AuthState {
    fn default() -> Self {
        AuthState {
            enabled: false,
            // etcd counts its first start as a change.
            revision: 1,
            users: BTreeMap::new(),
            roles: BTreeMap::new(),
            bytes: 0,
        }
    }
}

impl AuthState {
    /// Whether requests need a caller.
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// Counts the changes to users, roles and the switch; never 0.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The user of this name.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.get(name).map(Arc::as_ref)
    }

    /// The roles of a user, in order.
    pub fn user_roles(&self, name: &str) -> Result<Vec<String>, ApplyError> {
        let user = self.user(name).ok_or(ApplyError::UserNotFound)?;
        Ok(user.roles.clone())
    }

    /// The names of all users, in order.
    pub fn user_names(&self) -> Vec<String> {
        self.users.keys().cloned().collect()
    }

    /// The permissions of a role, ordered by key.
    pub fn role_permissions(&self, name: &str) -> Result<Vec<authpb::Permission>, ApplyError> {
        let role = self.roles.get(name).ok_or(ApplyError::RoleNotFound)?;
        Ok(role.permissions.clone())
    }

    /// The names of all roles, in order.
    pub fn role_names(&self) -> Vec<String> {
        self.roles.keys().cloned().collect()
    }

    pub(super) fn put_user(&mut self, name: &str, user: User) {
        self.bytes += user.to_record(name).encoded_len();
        if let Some(old) = self.users.insert(name.to_owned(), Arc::new(user)) {
            self.bytes -= old.to_record(name).encoded_len();
        }
    }

    pub(super) fn delete_user(&mut self, name: &str) {
        if let Some(old) = self.users.remove(name) {
            self.bytes -= old.to_record(name).encoded_len();
        }
    }

    pub(super) fn put_role(&mut self, name: &str, role: Role) {
        self.bytes += role.to_record(name).encoded_len();
        if let Some(old) = self.roles.insert(name.to_owned(), Arc::new(role)) {
            self.bytes -= old.to_record(name).encoded_len();
        }
    }

    pub(super) fn delete_role(&mut self, name: &str) {
        if let Some(old) = self.roles.remove(name) {
            self.bytes -= old.to_record(name).encoded_len();
        }
    }
}

impl User {
    pub(super) fn from_record(record: authpb::User) -> User {
        User {
            password: record.password,
            roles: record.roles,
            no_password: record.options.is_some_and(|options| options.no_password),
        }
    }

    pub(super) fn to_record(&self, name: &str) -> authpb::User {
        authpb::User {
            name: Bytes::copy_from_slice(name.as_bytes()),
            password: self.password.clone(),
            roles: self.roles.clone(),
            options: Some(authpb::UserAddOptions {
                no_password: self.no_password,
            }),
        }
    }

    pub(super) fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|granted| granted == role)
    }
}

impl Role {
    pub(super) fn new(permissions: Vec<authpb::Permission>) -> Role {
        let allowing = |types: [Type; 2]| {
            RangeSet::new(
                permissions
                    .iter()
                    .filter(|permission| types.iter().any(|t| *t as i32 == permission.perm_type))
                    .map(|permission| (&permission.key, &permission.range_end)),
            )
        };
        let read = allowing([Type::Read, Type::Readwrite]);
        let write = allowing([Type::Write, Type::Readwrite]);
        Role {
            permissions,
            read,
            write,
        }
    }

    pub(super) fn to_record(&self, name: &str) -> authpb::Role {
        authpb::Role {
            name: Bytes::copy_from_slice(name.as_bytes()),
            key_permission: self.permissions.clone(),
        }
    }
}
