//! Who asks: what the client's certificate or its token says.
//!
//! Knows nothing about what may be done. Invariant: a name comes only out of a proof that was
//! checked; whoever has shown none is anonymous.

use http::{HeaderMap, header};
use skerry_listen::Peer;
use skerry_rbac::User;

use crate::engine::Engine;
use crate::error::ApiError;
use crate::proxy;
use crate::user;

impl Engine {
    /// The user of a request. A certificate comes before a token.
    pub(crate) async fn authenticate(
        &self,
        peer: &Peer,
        headers: &HeaderMap,
    ) -> Result<User, ApiError> {
        if let Some(user) = self.front_proxied(peer, headers) {
            return Ok(user);
        }
        if let Some(name) = &peer.common_name {
            return Ok(user::authenticated(
                name.clone(),
                peer.organizations.clone(),
            ));
        }
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            // Their certificate proves who they are, but not for whom they ask.
            return match &peer.front_proxy {
                Some(_) => Err(ApiError::unauthorized()),
                None => Ok(user::anonymous()),
            };
        };
        let text = value.to_str().unwrap_or_default();
        let (scheme, token) = text.split_once(' ').unwrap_or_default();
        if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
            return Ok(user::anonymous());
        }
        match self.bearer(token.trim(), &[]).await {
            Ok((user, _)) => Ok(user),
            Err(error) => {
                tracing::debug!(%error, "a token was refused");
                Err(ApiError::unauthorized())
            }
        }
    }
    /// Whom a front proxy asks for.
    fn front_proxied(&self, peer: &Peer, headers: &HeaderMap) -> Option<User> {
        let shown = peer.front_proxy.as_deref()?;
        let allowed = self.outgoing.as_ref()?.front_proxy_name();
        (shown == allowed).then(|| proxy::user_of(headers))?
    }
}
