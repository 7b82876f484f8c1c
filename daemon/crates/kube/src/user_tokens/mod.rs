//! Tokens of users, given out at `POST /v1-security/authn/token`, and taken back.
//!
//! A token is reckoned from the user and two things in the replicated store: the cluster's secret
//! and how often tokens of that user were revoked. No token is stored, so every member gives the
//! same one, also without a quorum. Who may ask is a matter of roles: verb `post` on the path, and
//! `delete` to revoke.
//!
//! Invariant: nobody is given a token for a name, uid or group that is not their own and that they
//! may not impersonate.

mod seal;

use bytes::Bytes;
use http::Method;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Value, json};
use skerry_listen::Peer;
use skerry_rbac::{Attributes, Policies, Target, User, account};

use crate::authorize::permit;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::query::Query;
use crate::storage::{Freshness, Outcome, Write};
use crate::user;

pub(crate) use seal::is_user_token;
use seal::{Claims, Request};

/// Where they are given out.
pub(crate) const PATH: &str = "/v1-security/authn/token";

/// The key of the secret.
const SECRET_KEY: &str = "/skerry/user-tokens/secret";
/// What stands before a name in the key of how often its tokens were revoked.
const REVOKED_PREFIX: &str = "/skerry/user-tokens/revoked/";
const SECRET_BYTES: usize = 32;

impl Engine {
    /// Answers a request to [`PATH`], which roles have allowed.
    pub(crate) async fn user_token(
        &self,
        peer: &Peer,
        user: &User,
        method: &Method,
        query: &Query,
        body: &[u8],
    ) -> Result<Value, ApiError> {
        match *method {
            Method::POST => {
                // What a token may do must end with the token.
                if peer.common_name.is_none() {
                    let message = format!("{PATH} takes a client certificate");
                    return Err(ApiError::new(403, "Forbidden", message));
                }
                let request = Request::read(body).map_err(ApiError::bad_request)?;
                self.issue(user, request).await
            }
            Method::DELETE => self.revoke(query.get("user")).await,
            _ => Err(ApiError::method_not_allowed()),
        }
    }

    async fn issue(&self, caller: &User, request: Request) -> Result<Value, ApiError> {
        may_grant(&self.roles.policies(), caller, &request)?;
        // What was revoked on another member is revoked here.
        self.storage.freshen().await;
        let secret = match self.user_secret()? {
            Some(secret) => secret,
            None => {
                self.make_user_secret().await?;
                let made = self.user_secret()?;
                made.ok_or_else(|| ApiError::internal("the secret of user tokens is not there"))?
            }
        };
        let claims = Claims {
            generation: self.generation(&request)?,
            user: request,
        };
        let token = seal::seal(&secret, &claims).map_err(ApiError::bad_request)?;
        Ok(json!({"user-id": claims.user.id, "token": token}))
    }

    /// Makes all tokens of a user worthless, whether `name` is a user name or a `user-id`.
    async fn revoke(&self, name: &str) -> Result<Value, ApiError> {
        if name.is_empty() {
            return Err(ApiError::bad_request("which user's? ?user=NAME"));
        }
        let key = format!("{REVOKED_PREFIX}{name}");
        loop {
            self.storage.freshen().await;
            let stored = self.storage.get(&key)?;
            let before = stored.as_ref().map_or(0, |stored| number(&stored.value));
            let generation = before.saturating_add(1);
            let expected = stored.map_or(0, |stored| stored.revision);
            let write = Write::Put(Bytes::from(generation.to_string()), 0);
            if let Outcome::Done(_) = self.storage.write(&key, expected, write).await? {
                return Ok(json!({"user": name, "generation": generation}));
            }
        }
    }

    /// The bearer of a user token.
    pub(crate) async fn user_bearer(&self, token: &str) -> Result<User, String> {
        // A token that was revoked on another member must not pass here, where that can be known.
        let _: Freshness = self.storage.freshen().await;
        let secret = self.user_secret().map_err(|error| error.to_string())?;
        let secret = secret.ok_or("no user tokens have been given out")?;
        let claims = seal::open(&secret, token).ok_or("the seal of the user token is not ours")?;
        let generation = self
            .generation(&claims.user)
            .map_err(|error| error.to_string())?;
        if generation != claims.generation {
            return Err(format!("tokens of {:?} were revoked", claims.user.id));
        }
        let said = claims.user.user;
        let mut user = user::authenticated(said.username, said.groups);
        user.uid = said.uid;
        Ok(user)
    }

    /// How often tokens of this user were revoked, by either of its names.
    fn generation(&self, request: &Request) -> Result<u64, ApiError> {
        let of = |name: &str| -> Result<u64, ApiError> {
            let stored = self.storage.get(&format!("{REVOKED_PREFIX}{name}"))?;
            Ok(stored.map_or(0, |stored| number(&stored.value)))
        };
        let by_name = of(&request.user.username)?;
        // Each only grows, and so does the sum.
        Ok(match request.id == request.user.username {
            true => by_name,
            false => by_name.saturating_add(of(&request.id)?),
        })
    }

    fn user_secret(&self) -> Result<Option<Bytes>, ApiError> {
        let stored = self.storage.get(SECRET_KEY)?;
        Ok(stored.map(|stored| stored.value))
    }

    /// Makes the secret, unless there is one: the leader does, so that it is there before a quorum
    /// is lost.
    pub(crate) async fn make_user_secret(&self) -> Result<(), ApiError> {
        if self.storage.get(SECRET_KEY)?.is_some() {
            return Ok(());
        }
        let mut secret = [0; SECRET_BYTES];
        SystemRandom::new()
            .fill(&mut secret)
            .map_err(|_| ApiError::internal("the system's random number generator failed"))?;
        let write = Write::Put(Bytes::copy_from_slice(&secret), 0);
        // Where somebody was faster, theirs is the secret.
        self.storage.write(SECRET_KEY, 0, write).await?;
        Ok(())
    }
}

fn number(value: &[u8]) -> u64 {
    let text = std::str::from_utf8(value).unwrap_or_default();
    text.parse().unwrap_or(u64::MAX)
}

/// Refuses a user that the caller neither is nor may impersonate.
fn may_grant(policies: &Policies, caller: &User, request: &Request) -> Result<(), ApiError> {
    let may = |group: &str, resource: &str, name: &str, namespace: &str| {
        let target = Target::Resource {
            group,
            resource,
            subresource: "",
            name,
            namespace,
        };
        permit(policies, &Attributes::new(caller, "impersonate", target))
    };
    let asked = &request.user;
    if asked.username != caller.name {
        match account::split(&asked.username) {
            Ok((namespace, name)) => may("", "serviceaccounts", name, namespace)?,
            Err(_) => may("", "users", &asked.username, "")?,
        }
    }
    for group in &asked.groups {
        // Whoever shows any token is in this one.
        if group != user::AUTHENTICATED && !caller.groups.contains(group) {
            may("", "groups", group, "")?;
        }
    }
    match asked.uid.is_empty() || asked.uid == caller.uid {
        true => Ok(()),
        false => may("authentication.k8s.io", "uids", &asked.uid, ""),
    }
}
