//! The Auth service: passwords are hashed and checked here, all else is for the replicated rules.

use skerry_proto::command::Authenticate;
use skerry_proto::command::command::Operation;
use skerry_proto::etcdserverpb as pb;
use skerry_store::auth::AuthState;
use skerry_store::{ApplyError, Reply};
use tonic::Status;

use super::jwt::Claims;
use super::limits::NAME_BYTES_MAX;
use super::simple;
use super::tokens::Tokens;
use crate::access::identity;
use crate::api::{Api, Caller};
use crate::errors;
use crate::service::unexpected;
use crate::who::Who;

/// How often a password is checked anew because the rules changed meanwhile.
const AUTHENTICATE_ATTEMPTS_MAX: usize = 8;

/// Proposes an operation whose answer has the same name.
macro_rules! proposed {
    ($api:ident, $who:ident, $name:ident, $request:expr) => {
        match $api.propose($who, Operation::$name($request)).await? {
            Reply::$name(mut response) => {
                $api.fill(&mut response.header);
                Ok(response)
            }
            other => Err(unexpected(&other)),
        }
    };
}

impl Api {
    pub(crate) async fn auth_enable(
        &self,
        who: &Who,
        request: pb::AuthEnableRequest,
    ) -> Result<pb::AuthEnableResponse, Status> {
        proposed!(self, who, AuthEnable, request)
    }

    pub(crate) async fn auth_disable(
        &self,
        who: &Who,
        request: pb::AuthDisableRequest,
    ) -> Result<pb::AuthDisableResponse, Status> {
        proposed!(self, who, AuthDisable, request)
    }

    pub(crate) async fn auth_status(
        &self,
        who: &Who,
        _request: pb::AuthStatusRequest,
    ) -> Result<pb::AuthStatusResponse, Status> {
        self.read_rules(who, |rules, caller, header| {
            rules.permit_admin(identity(caller))?;
            Ok(pb::AuthStatusResponse {
                header,
                enabled: rules.enabled(),
                auth_revision: rules.revision(),
            })
        })
        .await
    }

    pub(crate) async fn authenticate(
        &self,
        _who: &Who,
        request: pb::AuthenticateRequest,
    ) -> Result<pb::AuthenticateResponse, Status> {
        self.linearize().await?;
        for _ in 0..AUTHENTICATE_ATTEMPTS_MAX {
            let checked_revision = self.check_password(&request).await?;
            let response = self.token_for(&request.name, checked_revision).await?;
            if checked_revision == self.rules().revision() {
                return Ok(response);
            }
            // The password may be another one by now, or the user gone.
        }
        Err(errors::AUTH_OLD_REVISION.into())
    }

    pub(crate) async fn user_add(
        &self,
        who: &Who,
        mut request: pb::AuthUserAddRequest,
    ) -> Result<pb::AuthUserAddResponse, Status> {
        check_name(&request.name)?;
        // Hashing costs much: not for everybody.
        self.permit_admin(who).await?;
        let password = std::mem::take(&mut request.password);
        request.hashed_password = match &request.options {
            Some(options) if options.no_password => String::new(),
            _ => self.auth.passwords.hash(password).await?,
        };
        proposed!(self, who, AuthUserAdd, request)
    }

    pub(crate) async fn user_get(
        &self,
        who: &Who,
        request: pb::AuthUserGetRequest,
    ) -> Result<pb::AuthUserGetResponse, Status> {
        self.read_rules(who, |rules, caller, header| {
            rules.permit_user_get(identity(caller), &request.name)?;
            let roles = rules.user_roles(&request.name)?;
            Ok(pb::AuthUserGetResponse { header, roles })
        })
        .await
    }

    pub(crate) async fn user_list(
        &self,
        who: &Who,
        _request: pb::AuthUserListRequest,
    ) -> Result<pb::AuthUserListResponse, Status> {
        self.read_rules(who, |rules, caller, header| {
            rules.permit_admin(identity(caller))?;
            let users = rules.user_names();
            Ok(pb::AuthUserListResponse { header, users })
        })
        .await
    }

    pub(crate) async fn user_delete(
        &self,
        who: &Who,
        request: pb::AuthUserDeleteRequest,
    ) -> Result<pb::AuthUserDeleteResponse, Status> {
        proposed!(self, who, AuthUserDelete, request)
    }

    /// A client may bring the hash instead of the password, as with etcd.
    pub(crate) async fn user_change_password(
        &self,
        who: &Who,
        mut request: pb::AuthUserChangePasswordRequest,
    ) -> Result<pb::AuthUserChangePasswordResponse, Status> {
        self.permit_admin(who).await?;
        let password = std::mem::take(&mut request.password);
        if !password.is_empty() {
            request.hashed_password = self.auth.passwords.hash(password).await?;
        }
        proposed!(self, who, AuthUserChangePassword, request)
    }

    pub(crate) async fn user_grant_role(
        &self,
        who: &Who,
        request: pb::AuthUserGrantRoleRequest,
    ) -> Result<pb::AuthUserGrantRoleResponse, Status> {
        proposed!(self, who, AuthUserGrantRole, request)
    }

    pub(crate) async fn user_revoke_role(
        &self,
        who: &Who,
        request: pb::AuthUserRevokeRoleRequest,
    ) -> Result<pb::AuthUserRevokeRoleResponse, Status> {
        proposed!(self, who, AuthUserRevokeRole, request)
    }

    pub(crate) async fn role_add(
        &self,
        who: &Who,
        request: pb::AuthRoleAddRequest,
    ) -> Result<pb::AuthRoleAddResponse, Status> {
        check_name(&request.name)?;
        proposed!(self, who, AuthRoleAdd, request)
    }

    pub(crate) async fn role_get(
        &self,
        who: &Who,
        request: pb::AuthRoleGetRequest,
    ) -> Result<pb::AuthRoleGetResponse, Status> {
        self.read_rules(who, |rules, caller, header| {
            rules.permit_role_get(identity(caller), &request.role)?;
            let perm = rules.role_permissions(&request.role)?;
            Ok(pb::AuthRoleGetResponse { header, perm })
        })
        .await
    }

    pub(crate) async fn role_list(
        &self,
        who: &Who,
        _request: pb::AuthRoleListRequest,
    ) -> Result<pb::AuthRoleListResponse, Status> {
        self.read_rules(who, |rules, caller, header| {
            rules.permit_admin(identity(caller))?;
            let roles = rules.role_names();
            Ok(pb::AuthRoleListResponse { header, roles })
        })
        .await
    }

    pub(crate) async fn role_delete(
        &self,
        who: &Who,
        request: pb::AuthRoleDeleteRequest,
    ) -> Result<pb::AuthRoleDeleteResponse, Status> {
        proposed!(self, who, AuthRoleDelete, request)
    }

    pub(crate) async fn role_grant_permission(
        &self,
        who: &Who,
        request: pb::AuthRoleGrantPermissionRequest,
    ) -> Result<pb::AuthRoleGrantPermissionResponse, Status> {
        proposed!(self, who, AuthRoleGrantPermission, request)
    }

    pub(crate) async fn role_revoke_permission(
        &self,
        who: &Who,
        request: pb::AuthRoleRevokePermissionRequest,
    ) -> Result<pb::AuthRoleRevokePermissionResponse, Status> {
        proposed!(self, who, AuthRoleRevokePermission, request)
    }

    /// Answers from the rules as they stand in the whole cluster. etcd writes an entry to its log
    /// for each such question; a linearizable read says the same and wears no flash.
    async fn read_rules<T>(
        &self,
        who: &Who,
        answer: impl FnOnce(&AuthState, &Caller, Option<pb::ResponseHeader>) -> Result<T, ApplyError>,
    ) -> Result<T, Status> {
        let caller = self.caller(who).await?;
        self.linearize().await?;
        let header = Some(self.header());
        answer(&self.rules(), &caller, header).map_err(|refused| errors::apply(&refused))
    }

    /// The auth revision at which the password was good.
    async fn check_password(&self, request: &pb::AuthenticateRequest) -> Result<u64, Status> {
        let rules = self.rules();
        if !rules.enabled() {
            return Err(errors::AUTH_NOT_ENABLED.into());
        }
        let user = rules.user(&request.name).ok_or(errors::AUTH_FAILED)?;
        if user.no_password {
            return Err(errors::apply(&ApplyError::NoPasswordUser));
        }
        let password = request.password.clone();
        if self.auth.passwords.check(password, &user.password).await? {
            Ok(rules.revision())
        } else {
            tracing::info!(user = request.name, "a wrong password was given");
            Err(errors::AUTH_FAILED.into())
        }
    }

    async fn token_for(
        &self,
        user: &str,
        checked_revision: u64,
    ) -> Result<pb::AuthenticateResponse, Status> {
        match &self.auth.tokens {
            Tokens::Simple(_) => {
                let token = simple::random_prefix();
                let authenticate = Authenticate {
                    name: user.to_owned(),
                    token: token.map_err(|error| Status::internal(error.to_string()))?,
                };
                let operation = Operation::Authenticate(authenticate);
                match self.propose_as_member(operation).await? {
                    Reply::Authenticate(mut response) => {
                        self.fill(&mut response.header);
                        Ok(response)
                    }
                    other => Err(unexpected(&other)),
                }
            }
            Tokens::Jwt(jwt) => {
                let claims = Claims {
                    user: user.to_owned(),
                    revision: checked_revision,
                };
                let token = jwt.sign(&claims, std::time::SystemTime::now());
                Ok(pb::AuthenticateResponse {
                    header: Some(self.header()),
                    token: token.map_err(|error| Status::unknown(error.to_string()))?,
                })
            }
        }
    }
}

/// A name that is held in memory by every member for ever has a bound.
fn check_name(name: &str) -> Result<(), Status> {
    if name.len() > NAME_BYTES_MAX {
        return Err(errors::REQUEST_TOO_LARGE.into());
    }
    Ok(())
}
