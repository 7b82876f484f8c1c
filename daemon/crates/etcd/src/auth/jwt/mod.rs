//! JSON web tokens (RFC 7519) as etcd signs and reads them: claims `username`, `revision`, `exp`.
//!
//! Knows nothing about users or permissions. Invariant: a token is believed only under the one
//! algorithm that was set, whatever its own header says.

mod key;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use key::{Algorithm, KeyError};

use super::options::JwtOptions;
use key::Key;

/// Signs and verifies tokens.
#[derive(Debug)]
pub(super) struct Jwt {
    algorithm: Algorithm,
    key: Key,
    ttl: Duration,
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) user: String,
    /// The auth revision at which the password was checked.
    pub(super) revision: u64,
}

/// This member has only the public key, so it verifies and cannot sign. The text is etcd's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("auth: token signing attempted with verify-only key")]
pub(super) struct VerifyOnly;

#[derive(Serialize)]
struct HeaderOut<'a> {
    alg: &'a str,
    typ: &'a str,
}

#[derive(Deserialize)]
struct HeaderIn {
    alg: String,
}

#[derive(Serialize)]
struct ClaimsOut<'a> {
    exp: u64,
    revision: u64,
    username: &'a str,
}

impl Jwt {
    /// Reads the keys that the options name.
    pub(super) fn open(options: &JwtOptions) -> Result<Jwt, KeyError> {
        Ok(Jwt {
            algorithm: options.algorithm,
            key: Key::read(
                options.algorithm,
                options.private_key.as_deref(),
                options.public_key.as_deref(),
            )?,
            ttl: options.ttl,
        })
    }

    /// A token for a user whose password was checked at this auth revision.
    pub(super) fn sign(&self, claims: &Claims, now: SystemTime) -> Result<String, VerifyOnly> {
        let header = HeaderOut {
            alg: self.algorithm.name(),
            typ: "JWT",
        };
        let body = ClaimsOut {
            exp: unix_seconds(now + self.ttl),
            revision: claims.revision,
            username: &claims.user,
        };
        let mut token = encode(&header);
        token.push('.');
        token.push_str(&encode(&body));
        let signature = self.key.sign(token.as_bytes()).ok_or(VerifyOnly)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// What a token says, if it is ours and of now.
    pub(super) fn verify(&self, token: &str, now: SystemTime) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, body) = signed.split_once('.')?;
        let header: HeaderIn = decode(header)?;
        if header.alg != self.algorithm.name() {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        if !self.key.verify(signed.as_bytes(), &signature) {
            return None;
        }
        let claims: Map<String, Value> = decode(body)?;
        if !is_of_now(&claims, now) {
            return None;
        }
        Some(Claims {
            user: claims.get("username")?.as_str()?.to_owned(),
            revision: whole(claims.get("revision")?)?,
        })
    }
}

/// The times in a token, where it has them: not over, begun, not from the future.
fn is_of_now(claims: &Map<String, Value>, now: SystemTime) -> bool {
    let now = unix_seconds(now);
    let holds = |name: &str, test: fn(u64, u64) -> bool| match claims.get(name) {
        None => true,
        Some(time) => whole(time).is_some_and(|time| test(now, time)),
    };
    holds("exp", |now, time| now < time)
        && holds("nbf", |now, time| now >= time)
        && holds("iat", |now, time| now >= time)
}

/// A number of JSON without its fraction.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(value: &Value) -> Option<u64> {
    let double = || value.as_f64().filter(|double| *double >= 0.0);
    value
        .as_u64()
        .or_else(|| double().map(|double| double as u64))
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn encode(part: &impl Serialize) -> String {
    let json = serde_json::to_vec(part).expect("strings and numbers become JSON");
    URL_SAFE_NO_PAD.encode(json)
}

fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests;
