//! The commands that change users, roles and the switch.
//!
//! Pure: no clock, no randomness, and no hashing of passwords, which is the proposer's work. Each
//! function takes the state to the next one or refuses with etcd's error and leaves it untouched.

use bytes::Bytes;
use prost::Message;
use skerry_proto::authpb;
use skerry_proto::command::Authenticate;
use skerry_proto::command::command::Operation;
use skerry_proto::etcdserverpb as pb;

use super::limits::AUTH_STATE_BYTES_MAX;
use super::ranges;
use super::state::{AuthState, ROOT, Role, User};
use super::tables::Changes;
use crate::{ApplyError, Reply};

/// What a change means for tokens, which live outside of the replicated state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthChange {
    /// A token was given to a user who showed the password.
    Token {
        /// Whose token it is.
        user: String,
        /// The whole token.
        token: String,
    },
    /// The user was deleted or has a new password: earlier tokens end.
    UserChanged(String),
    /// Authentication was turned off: all tokens end.
    Disabled,
}

/// A command on its way through.
pub(super) struct Step<'a> {
    pub(super) state: &'a mut AuthState,
    pub(super) changes: Changes,
    pub(super) announce: Option<AuthChange>,
    /// Index of the entry in the log.
    pub(super) index: u64,
    pub(super) header: pb::ResponseHeader,
}

/// Whether an operation is of this module.
pub(super) fn concerns(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::AuthEnable(_)
            | Operation::AuthDisable(_)
            | Operation::Authenticate(_)
            | Operation::AuthUserAdd(_)
            | Operation::AuthUserGet(_)
            | Operation::AuthUserList(_)
            | Operation::AuthUserDelete(_)
            | Operation::AuthUserChangePassword(_)
            | Operation::AuthUserGrantRole(_)
            | Operation::AuthUserRevokeRole(_)
            | Operation::AuthRoleAdd(_)
            | Operation::AuthRoleGet(_)
            | Operation::AuthRoleList(_)
            | Operation::AuthRoleDelete(_)
            | Operation::AuthRoleGrantPermission(_)
            | Operation::AuthRoleRevokePermission(_)
    )
}

impl Step<'_> {
    /// Runs one operation; `None` for one that is not of this module.
    pub(super) fn run(&mut self, operation: &Operation) -> Option<Result<Reply, ApplyError>> {
        let header = Some(self.header);
        let reply = match operation {
            Operation::AuthEnable(_) => self
                .enable()
                .map(|()| Reply::AuthEnable(pb::AuthEnableResponse { header })),
            Operation::AuthDisable(_) => {
                self.disable();
                Ok(Reply::AuthDisable(pb::AuthDisableResponse { header }))
            }
            Operation::Authenticate(request) => self
                .authenticate(request)
                .map(|token| Reply::Authenticate(pb::AuthenticateResponse { header, token })),
            Operation::AuthUserAdd(request) => self
                .user_add(request)
                .map(|()| Reply::AuthUserAdd(pb::AuthUserAddResponse { header })),
            Operation::AuthUserGet(request) => self
                .state
                .user_roles(&request.name)
                .map(|roles| Reply::AuthUserGet(pb::AuthUserGetResponse { header, roles })),
            Operation::AuthUserList(_) => Ok(Reply::AuthUserList(pb::AuthUserListResponse {
                header,
                users: self.state.user_names(),
            })),
            Operation::AuthUserDelete(request) => self
                .user_delete(&request.name)
                .map(|()| Reply::AuthUserDelete(pb::AuthUserDeleteResponse { header })),
            Operation::AuthUserChangePassword(request) => {
                self.user_change_password(request).map(|()| {
                    Reply::AuthUserChangePassword(pb::AuthUserChangePasswordResponse { header })
                })
            }
            Operation::AuthUserGrantRole(request) => self
                .user_grant_role(&request.user, &request.role)
                .map(|()| Reply::AuthUserGrantRole(pb::AuthUserGrantRoleResponse { header })),
            Operation::AuthUserRevokeRole(request) => self
                .user_revoke_role(&request.name, &request.role)
                .map(|()| Reply::AuthUserRevokeRole(pb::AuthUserRevokeRoleResponse { header })),
            Operation::AuthRoleAdd(request) => self
                .role_add(&request.name)
                .map(|()| Reply::AuthRoleAdd(pb::AuthRoleAddResponse { header })),
            Operation::AuthRoleGet(request) => self
                .state
                .role_permissions(&request.role)
                .map(|perm| Reply::AuthRoleGet(pb::AuthRoleGetResponse { header, perm })),
            Operation::AuthRoleList(_) => Ok(Reply::AuthRoleList(pb::AuthRoleListResponse {
                header,
                roles: self.state.role_names(),
            })),
            Operation::AuthRoleDelete(request) => self
                .role_delete(&request.role)
                .map(|()| Reply::AuthRoleDelete(pb::AuthRoleDeleteResponse { header })),
            Operation::AuthRoleGrantPermission(request) => {
                self.role_grant_permission(request).map(|()| {
                    Reply::AuthRoleGrantPermission(pb::AuthRoleGrantPermissionResponse { header })
                })
            }
            Operation::AuthRoleRevokePermission(request) => {
                self.role_revoke_permission(request).map(|()| {
                    Reply::AuthRoleRevokePermission(pb::AuthRoleRevokePermissionResponse { header })
                })
            }
            _ => return None,
        };
        Some(reply)
    }

    fn enable(&mut self) -> Result<(), ApplyError> {
        if self.state.enabled {
            return Ok(());
        }
        let root = self.state.user(ROOT).ok_or(ApplyError::RootUserNotExist)?;
        if !root.has_role(ROOT) {
            return Err(ApplyError::RootRoleNotExist);
        }
        self.state.enabled = true;
        self.changes.enabled = true;
        Ok(())
    }

    fn disable(&mut self) {
        if !self.state.enabled {
            return;
        }
        self.state.enabled = false;
        self.changes.enabled = true;
        self.announce = Some(AuthChange::Disabled);
        self.next_revision();
    }

    /// The password was checked by the proposer, against a revision that it compares afterwards.
    fn authenticate(&mut self, request: &Authenticate) -> Result<String, ApplyError> {
        if !self.state.enabled {
            return Err(ApplyError::AuthNotEnabled);
        }
        match self.state.user(&request.name) {
            Some(user) if !user.no_password => {}
            _ => return Err(ApplyError::AuthFailed),
        }
        let token = format!("{}.{}", request.token, self.index);
        self.announce = Some(AuthChange::Token {
            user: request.name.clone(),
            token: token.clone(),
        });
        Ok(token)
    }

    fn user_add(&mut self, request: &pb::AuthUserAddRequest) -> Result<(), ApplyError> {
        if request.name.is_empty() {
            return Err(ApplyError::UserEmpty);
        }
        if self.state.user(&request.name).is_some() {
            return Err(ApplyError::UserAlreadyExists);
        }
        let no_password = request.options.is_some_and(|options| options.no_password);
        let password = if no_password {
            Bytes::new()
        } else {
            decode_hash(&request.hashed_password)?
        };
        let user = User {
            password,
            roles: Vec::new(),
            no_password,
        };
        self.put_user(&request.name, user)
    }

    fn user_delete(&mut self, name: &str) -> Result<(), ApplyError> {
        if self.state.enabled && name == ROOT {
            return Err(ApplyError::InvalidAuthManagement);
        }
        self.state.user(name).ok_or(ApplyError::UserNotFound)?;
        self.state.delete_user(name);
        self.changes.users.push(name.to_owned());
        self.announce = Some(AuthChange::UserChanged(name.to_owned()));
        self.next_revision();
        Ok(())
    }

    fn user_change_password(
        &mut self,
        request: &pb::AuthUserChangePasswordRequest,
    ) -> Result<(), ApplyError> {
        let mut user = self.existing_user(&request.name)?;
        user.password = if user.no_password {
            Bytes::new()
        } else {
            decode_hash(&request.hashed_password)?
        };
        self.put_user(&request.name, user)?;
        self.announce = Some(AuthChange::UserChanged(request.name.clone()));
        Ok(())
    }

    fn user_grant_role(&mut self, name: &str, role: &str) -> Result<(), ApplyError> {
        let mut user = self.existing_user(name)?;
        // The role `root` means what it means without a record.
        if role != ROOT && !self.state.roles.contains_key(role) {
            return Err(ApplyError::RoleNotFound);
        }
        let Err(place) = user
            .roles
            .binary_search_by(|granted| granted.as_str().cmp(role))
        else {
            return Ok(());
        };
        user.roles.insert(place, role.to_owned());
        self.put_user(name, user)
    }

    fn user_revoke_role(&mut self, name: &str, role: &str) -> Result<(), ApplyError> {
        if self.state.enabled && name == ROOT && role == ROOT {
            return Err(ApplyError::InvalidAuthManagement);
        }
        let mut user = self.existing_user(name)?;
        if !user.has_role(role) {
            return Err(ApplyError::RoleNotGranted);
        }
        user.roles.retain(|granted| granted != role);
        self.put_user(name, user)
    }

    fn role_add(&mut self, name: &str) -> Result<(), ApplyError> {
        if name.is_empty() {
            return Err(ApplyError::RoleEmpty);
        }
        if self.state.roles.contains_key(name) {
            return Err(ApplyError::RoleAlreadyExists);
        }
        self.put_role(name, Vec::new())
    }

    fn role_delete(&mut self, name: &str) -> Result<(), ApplyError> {
        if self.state.enabled && name == ROOT {
            return Err(ApplyError::InvalidAuthManagement);
        }
        if !self.state.roles.contains_key(name) {
            return Err(ApplyError::RoleNotFound);
        }
        self.state.delete_role(name);
        self.changes.roles.push(name.to_owned());
        let holders: Vec<(String, User)> = self
            .state
            .users
            .iter()
            .filter(|(_, user)| user.has_role(name))
            .map(|(holder, user)| (holder.clone(), User::clone(user)))
            .collect();
        for (holder, mut user) in holders {
            user.roles.retain(|granted| granted != name);
            self.state.put_user(&holder, user);
            self.changes.users.push(holder);
        }
        self.next_revision();
        Ok(())
    }

    fn role_grant_permission(
        &mut self,
        request: &pb::AuthRoleGrantPermissionRequest,
    ) -> Result<(), ApplyError> {
        let given = request
            .perm
            .as_ref()
            .ok_or(ApplyError::PermissionNotGiven)?;
        if !ranges::is_valid(&given.key, &given.range_end) {
            return Err(ApplyError::InvalidAuthManagement);
        }
        let mut permissions = self.state.role_permissions(&request.name)?;
        // As etcd: only the first permission of this key is replaced; others of the same range
        // that stand behind it stay beside the new one.
        let first = permissions.partition_point(|have| have.key < given.key);
        match permissions.get_mut(first) {
            Some(have) if have.key == given.key && have.range_end == given.range_end => {
                have.perm_type = given.perm_type;
            }
            _ => {
                let place = permissions.partition_point(|have| have.key <= given.key);
                permissions.insert(place, given.clone());
            }
        }
        self.put_role(&request.name, permissions)
    }

    fn role_revoke_permission(
        &mut self,
        request: &pb::AuthRoleRevokePermissionRequest,
    ) -> Result<(), ApplyError> {
        let mut permissions = self.state.role_permissions(&request.role)?;
        let before = permissions.len();
        permissions.retain(|have| have.key != request.key || have.range_end != request.range_end);
        if permissions.len() == before {
            return Err(ApplyError::PermissionNotGranted);
        }
        self.put_role(&request.role, permissions)
    }

    fn existing_user(&self, name: &str) -> Result<User, ApplyError> {
        self.state
            .user(name)
            .cloned()
            .ok_or(ApplyError::UserNotFound)
    }

    fn put_user(&mut self, name: &str, user: User) -> Result<(), ApplyError> {
        let new_bytes = user.to_record(name).encoded_len();
        let old_bytes = self
            .state
            .user(name)
            .map_or(0, |old| old.to_record(name).encoded_len());
        self.permit_growth(old_bytes, new_bytes)?;
        self.state.put_user(name, user);
        self.changes.users.push(name.to_owned());
        self.next_revision();
        Ok(())
    }

    fn put_role(
        &mut self,
        name: &str,
        permissions: Vec<authpb::Permission>,
    ) -> Result<(), ApplyError> {
        let role = Role::new(permissions);
        let new_bytes = role.to_record(name).encoded_len();
        let old_bytes = self
            .state
            .roles
            .get(name)
            .map_or(0, |old| old.to_record(name).encoded_len());
        self.permit_growth(old_bytes, new_bytes)?;
        self.state.put_role(name, role);
        self.changes.roles.push(name.to_owned());
        self.next_revision();
        Ok(())
    }

    fn permit_growth(&self, old_bytes: usize, new_bytes: usize) -> Result<(), ApplyError> {
        let total = self.state.bytes - old_bytes + new_bytes;
        if new_bytes > old_bytes && total > AUTH_STATE_BYTES_MAX {
            return Err(ApplyError::NoSpace);
        }
        Ok(())
    }

    fn next_revision(&mut self) {
        self.state.revision += 1;
        self.changes.revision = true;
    }
}

/// Reads the hash as the proposer put it into the request: base64 with padding.
fn decode_hash(hashed: &str) -> Result<Bytes, ApplyError> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD
        .decode(hashed)
        .map(Bytes::from)
        .map_err(|_| ApplyError::NoPasswordUser)
}
