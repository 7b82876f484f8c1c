//! TokenRequest: what may be asked for, and the claims that come of it.

use serde_json::{Value, json};

use crate::claims::{Claims, Reference};
use crate::limits::{AUDIENCES_BYTES_MAX, EXPIRATION_SECONDS_MAX, EXPIRATION_SECONDS_MIN};
use crate::time;

/// Life of a token when none is asked for.
const EXPIRATION_SECONDS_DEFAULT: i64 = 3600;
/// What kubelets ask for on behalf of pods that may not know that tokens
/// expire: it lives longer than it says.
const WARN_ONLY_SECONDS: i64 = 3607;
/// How long it lives then.
const EXTENDED_SECONDS: i64 = 365 * 24 * 3600;

/// To what a token shall be bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundReference {
    /// Which kind.
    pub kind: BoundKind,
    /// Its name.
    pub name: String,
    /// Its uid; empty for whatever it is.
    pub uid: String,
}

/// What a token can be bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoundKind {
    /// A pod that runs as the service account.
    Pod,
    /// A secret in the namespace.
    Secret,
    /// A node.
    Node,
}

/// A TokenRequest that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Audiences asked for; empty for the server's.
    pub audiences: Vec<String>,
    /// Seconds to live.
    pub expiration_seconds: i64,
    /// What to bind to.
    pub bound: Option<BoundReference>,
}

/// Why no token is given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Invalid, with one cause.
    #[error("{field}: Invalid value: {value}: {detail}")]
    Invalid {
        /// Path of the field.
        field: &'static str,
        /// The value, as JSON.
        value: String,
        /// What is wrong.
        detail: String,
    },
    /// BadRequest.
    #[error("{0}")]
    BadRequest(String),
    /// Conflict on the bound object, whose resource is named by its kind.
    #[error(
        "the UID in the bound object reference ({wanted}) does not match the UID in record \
         ({found}). The object might have been deleted and then recreated"
    )]
    Conflict {
        /// The uid in the request.
        wanted: String,
        /// The uid it has.
        found: String,
    },
}

impl Request {
    /// Reads a TokenRequest object.
    pub fn read(object: &Value) -> Result<Self, RequestError> {
        let spec = object.get("spec").unwrap_or(&Value::Null);
        let expiration_seconds = match spec.get("expirationSeconds") {
            None | Some(Value::Null) => EXPIRATION_SECONDS_DEFAULT,
            Some(value) => value.as_i64().unwrap_or_default(),
        };
        let detail = if expiration_seconds < EXPIRATION_SECONDS_MIN {
            Some("may not specify a duration less than 10 minutes")
        } else if expiration_seconds > EXPIRATION_SECONDS_MAX {
            Some("may not specify a duration larger than 2^32 seconds")
        } else {
            None
        };
        if let Some(detail) = detail {
            let value = expiration_seconds.to_string();
            return Err(invalid("spec.expirationSeconds", value, detail));
        }
        let audiences: Vec<String> = spec
            .get("audiences")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|audience| audience.as_str().map(str::to_owned))
            .collect();
        let bytes: usize = audiences.iter().map(|audience| audience.len() + 1).sum();
        if bytes > AUDIENCES_BYTES_MAX {
            let detail = format!("may not be longer than {AUDIENCES_BYTES_MAX} bytes together");
            return Err(invalid(
                "spec.audiences",
                json!(audiences.len()).to_string(),
                &detail,
            ));
        }
        let bound = match spec.get("boundObjectRef") {
            None | Some(Value::Null) => None,
            Some(reference) => Some(BoundReference::read(reference)?),
        };
        Ok(Self {
            audiences,
            expiration_seconds,
            bound,
        })
    }

    /// The claims of the token, for a ServiceAccount and the object it shall
    /// be bound to, as they are stored; `node` is the Node of a bound pod.
    /// `subject` is the service account's user name, `id` a new uuid.
    pub fn claims(
        &self,
        issuer: Issuer<'_>,
        subject: &str,
        account: &Value,
        bound: Option<&Value>,
        node: Option<&Value>,
    ) -> Result<Claims, RequestError> {
        let own = Reference::to(account);
        let audiences = if self.audiences.is_empty() {
            issuer.audiences
        } else {
            self.audiences.as_slice()
        };
        let mut claims = Claims {
            issuer: issuer.name.to_owned(),
            subject: subject.to_owned(),
            audiences: audiences.to_vec(),
            id: issuer.id.to_owned(),
            issued_at: Some(issuer.now),
            not_before: Some(issuer.now),
            expires_at: Some(issuer.now.saturating_add(self.expiration_seconds)),
            namespace: text(account, "/metadata/namespace").to_owned(),
            account: own,
            ..Claims::default()
        };
        let Some(wanted) = &self.bound else {
            return Ok(claims);
        };
        // Never an unbound token for one that asked to be bound.
        let Some(bound) = bound else {
            let text = format!("bound object {:?} not found", wanted.name);
            return Err(RequestError::BadRequest(text));
        };
        let reference = Reference::to(bound);
        if wanted.kind == BoundKind::Pod {
            let (own, runs) = (
                &claims.account.name,
                text(bound, "/spec/serviceAccountName"),
            );
            if own != runs {
                return Err(RequestError::BadRequest(format!(
                    "cannot bind token for serviceaccount {own:?} to pod running with \
                     serviceaccount {runs:?}"
                )));
            }
        }
        if !wanted.uid.is_empty() && wanted.uid != reference.uid {
            return Err(RequestError::Conflict {
                wanted: wanted.uid.clone(),
                found: reference.uid,
            });
        }
        match wanted.kind {
            BoundKind::Pod => {
                let name = text(bound, "/spec/nodeName");
                if !name.is_empty() {
                    let uid = node.map(|node| Reference::to(node).uid).unwrap_or_default();
                    claims.node = Some(Reference {
                        name: name.to_owned(),
                        uid,
                    });
                }
                claims.pod = Some(reference);
                let for_us = audiences
                    .iter()
                    .all(|audience| issuer.audiences.contains(audience));
                if self.expiration_seconds == WARN_ONLY_SECONDS && for_us {
                    claims.warn_after = claims.expires_at;
                    claims.expires_at = Some(issuer.now.saturating_add(EXTENDED_SECONDS));
                }
            }
            BoundKind::Secret => claims.secret = Some(reference),
            BoundKind::Node => claims.node = Some(reference),
        }
        Ok(claims)
    }

    /// The answer: the request with what was defaulted, and the token.
    #[must_use]
    pub fn answer(&self, object: &Value, claims: &Claims, token: &str) -> Value {
        let issued = claims.issued_at.unwrap_or_default();
        let expires = time::rfc3339(issued.saturating_add(self.expiration_seconds));
        let mut answer = object.clone();
        if !answer.is_object() {
            answer = json!({});
        }
        if !answer["spec"].is_object() {
            answer["spec"] = json!({});
        }
        answer["spec"]["audiences"] = json!(claims.audiences);
        answer["spec"]["expirationSeconds"] = json!(self.expiration_seconds);
        if answer["spec"].get("boundObjectRef").is_none() {
            answer["spec"]["boundObjectRef"] = Value::Null;
        }
        answer["status"] = json!({"token": token, "expirationTimestamp": expires});
        answer
    }
}

/// Who mints, when, and under which id.
#[derive(Debug, Clone, Copy)]
pub struct Issuer<'a> {
    /// The issuer's URL.
    pub name: &'a str,
    /// The server's own audiences.
    pub audiences: &'a [String],
    /// A new uuid.
    pub id: &'a str,
    /// Seconds since 1970.
    pub now: i64,
}

impl BoundReference {
    fn read(reference: &Value) -> Result<Self, RequestError> {
        let field = |name: &str| {
            reference
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (group, version) = match field("apiVersion").split_once('/') {
            Some((group, version)) => (group, version),
            None => ("", field("apiVersion")),
        };
        let kind = match (group, field("kind")) {
            ("", "Pod") => BoundKind::Pod,
            ("", "Secret") => BoundKind::Secret,
            ("", "Node") => BoundKind::Node,
            (group, kind) => {
                return Err(RequestError::BadRequest(format!(
                    "cannot bind token to object of type {group}/{version}, Kind={kind}"
                )));
            }
        };
        Ok(Self {
            kind,
            name: field("name").to_owned(),
            uid: field("uid").to_owned(),
        })
    }
}

fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    object
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn invalid(field: &'static str, value: String, detail: &str) -> RequestError {
    RequestError::Invalid {
        field,
        value,
        detail: detail.to_owned(),
    }
}
