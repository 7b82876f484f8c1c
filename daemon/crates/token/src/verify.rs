//! From the text of a token to claims that can be believed.
//!
//! In this order: size and form, issuer (so that another authenticator's
//! tokens are left to it), signature, audience, time.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::claims::Claims;
use crate::key::Keys;
use crate::limits::{LEEWAY_SECONDS, TOKEN_BYTES_MAX};

/// What is expected of a token.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Issuers whose tokens are verified here.
    pub issuers: &'a [String],
    /// Audiences of this server: those of tokens that name none.
    pub own_audiences: &'a [String],
    /// Audiences that the token is used for; empty for this server's.
    pub audiences: &'a [String],
    /// Seconds since 1970.
    pub now: i64,
}

/// A token that is good but for what it is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What it says.
    pub claims: Claims,
    /// For which of the audiences it is good.
    pub audiences: Vec<String>,
}

/// Why a token is not accepted, in upstream's words where it says any.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// No token of this issuer: somebody else may know it.
    #[error("not a token of this issuer")]
    NotOurs,
    /// No key of that id.
    #[error("invalid signature, no keys found")]
    NoKey,
    /// The signature is not by the key.
    #[error("go-jose/go-jose: error in cryptographic primitive")]
    Signature,
    /// For somebody else.
    #[error("token audiences {} is invalid for the target audiences {}", list(.token), list(.target))]
    Audience {
        /// Audiences of the token.
        token: Vec<String>,
        /// Audiences that were wanted.
        target: Vec<String>,
    },
    /// Too late.
    #[error("service account token has expired")]
    Expired,
    /// Too early.
    #[error("service account token is not valid yet")]
    NotYet,
    /// Issued in the future, or claims that cannot be read.
    #[error(
        "service account token claims could not be validated due to unexpected validation error"
    )]
    Claims,
}

/// A list as Go's `%q` prints it.
fn list(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    format!("[{}]", words.join(" "))
}

/// Verifies a token.
pub fn verify(keys: &Keys, token: &str, expected: Expected<'_>) -> Result<Verified, VerifyError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(VerifyError::NotOurs);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(VerifyError::NotOurs)?;
    let (header, payload) = signed.split_once('.').ok_or(VerifyError::NotOurs)?;
    let header = decode(header).ok_or(VerifyError::NotOurs)?;
    let payload = decode(payload).ok_or(VerifyError::NotOurs)?;
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| VerifyError::NotOurs)?;
    // Not believed yet: only to leave others' tokens to others.
    let issuer = payload
        .get("iss")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if !expected.issuers.iter().any(|known| known == issuer) {
        return Err(VerifyError::NotOurs);
    }
    // Extensions that must be understood are not.
    if header.get("crit").is_some() {
        return Err(VerifyError::NotOurs);
    }

    let id = header
        .get("kid")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let algorithm = header
        .get("alg")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let mut candidates = keys
        .verifying()
        .iter()
        .filter(|key| id.is_empty() || key.id() == id)
        .peekable();
    if candidates.peek().is_none() {
        return Err(VerifyError::NoKey);
    }
    // The key says which algorithm, never the token.
    if !candidates
        .any(|key| key.algorithm() == algorithm && key.verifies(signed.as_bytes(), &signature))
    {
        return Err(VerifyError::Signature);
    }

    let claims = Claims::read(&payload).ok_or(VerifyError::Claims)?;
    let named = if claims.audiences.is_empty() {
        expected.own_audiences
    } else {
        claims.audiences.as_slice()
    };
    let target = if expected.audiences.is_empty() {
        expected.own_audiences
    } else {
        expected.audiences
    };
    let audiences: Vec<String> = named
        .iter()
        .filter(|audience| target.contains(audience))
        .cloned()
        .collect();
    if audiences.is_empty() {
        return Err(VerifyError::Audience {
            token: named.to_vec(),
            target: target.to_vec(),
        });
    }
    let (early, late) = (
        expected.now.saturating_add(LEEWAY_SECONDS),
        expected.now.saturating_sub(LEEWAY_SECONDS),
    );
    if claims.not_before.is_some_and(|time| early < time) {
        return Err(VerifyError::NotYet);
    }
    if claims.expires_at.is_some_and(|time| late > time) {
        return Err(VerifyError::Expired);
    }
    if claims.issued_at.is_some_and(|time| early < time) {
        return Err(VerifyError::Claims);
    }
    Ok(Verified { claims, audiences })
}

fn decode(part: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&bytes).ok().filter(Value::is_object)
}
