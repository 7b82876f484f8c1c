//! From a request to its caller.

use std::sync::Arc;

use skerry_consensus::Status as ClusterStatus;
use skerry_store::auth::AuthHandle;
use tokio::sync::watch;
use tonic::Status;

use super::jwt::KeyError;
use super::options::AuthOptions;
use super::password::Passwords;
use super::tokens::Tokens;
use crate::api::Caller;
use crate::errors;
use crate::who::Who;
use skerry_listen::Peer;

/// Metadata in which gRPC clients send their token.
const TOKEN: &str = "token";
/// Where HTTP clients send it.
const AUTHORIZATION: &str = "authorization";
/// Set by a gateway, whose certificate says nothing of who asks through it.
const GATEWAY_ACCEPT: &str = "grpcgateway-accept";

/// Knows callers by their tokens and certificates.
#[derive(Debug)]
pub(crate) struct Authority {
    rules: AuthHandle,
    status: watch::Receiver<Arc<ClusterStatus>>,
    pub(super) tokens: Tokens,
    pub(super) passwords: Passwords,
    client_cert_auth: bool,
}

impl Authority {
    /// Reads the keys that the options name, and begins to listen for tokens.
    pub(crate) fn open(
        options: &AuthOptions,
        rules: AuthHandle,
        status: watch::Receiver<Arc<ClusterStatus>>,
    ) -> Result<Authority, KeyError> {
        Ok(Authority {
            tokens: Tokens::open(&options.tokens, &rules)?,
            rules,
            status,
            passwords: Passwords::new(),
            client_cert_auth: options.client_cert_auth,
        })
    }

    /// Who asks. Nobody while authentication is off, and nobody who says nothing; a token that is
    /// not good is an error.
    pub(crate) async fn caller(&self, who: &Who) -> Result<Caller, Status> {
        let rules = self.rules.state();
        if !rules.enabled() {
            return Ok(Caller::default());
        }
        let headers = &who.headers;
        let Some(token) = headers.get(TOKEN).or_else(|| headers.get(AUTHORIZATION)) else {
            return Ok(self.named_by_certificate(who, rules.revision()));
        };
        let token = token.to_str().map_err(|_| errors::INVALID_AUTH_TOKEN)?;
        let token = token.strip_prefix("Bearer ").unwrap_or(token);
        let claims = self.tokens.claims(token, &self.status).await;
        let (user, revision) = claims.ok_or(errors::INVALID_AUTH_TOKEN)?;
        Ok(Caller {
            user,
            // A kind that carries no revision is good for as long as it is known.
            auth_revision: revision.unwrap_or_else(|| self.rules.state().revision()),
            of_member: false,
        })
    }

    fn named_by_certificate(&self, who: &Who, revision: u64) -> Caller {
        let through_gateway = who.headers.contains_key(GATEWAY_ACCEPT);
        match &who.peer.common_name {
            Some(name) if self.client_cert_auth && !through_gateway => Caller {
                user: name.clone(),
                auth_revision: revision,
                of_member: false,
            },
            _ => Caller::default(),
        }
    }

    /// Whether a request to the JSON gateway is refused for the name in its certificate, which
    /// would not be used there, whatever the client may think.
    pub(crate) fn refuses_at_gateway(&self, peer: &Peer) -> bool {
        self.client_cert_auth && peer.common_name.is_some() && self.rules.state().enabled()
    }
}
