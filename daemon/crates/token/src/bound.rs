//! Whether what a token speaks for still lives: its service account, and the
//! pod, secret or node that it is bound to.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::claims::{Claims, Reference};
use crate::limits::LEEWAY_SECONDS;
use crate::time;

/// The objects that a token's claims name, as they are now.
#[derive(Debug, Clone, Copy, Default)]
pub struct Found<'a> {
    /// The ServiceAccount.
    pub account: Option<&'a Value>,
    /// The Pod, if the token is bound to one.
    pub pod: Option<&'a Value>,
    /// The Secret, if the token is bound to one.
    pub secret: Option<&'a Value>,
    /// The Node, if the token is bound to one and to no pod.
    pub node: Option<&'a Value>,
}

/// Who a token's bearer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The service account's namespace.
    pub namespace: String,
    /// The service account's name.
    pub name: String,
    /// The service account's uid.
    pub uid: String,
    /// More about the bearer, by key: pod, node and the token's own id.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// Why a token that was good no longer is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BoundError {
    /// The service account is gone.
    #[error("serviceaccounts {0:?} not found")]
    NoAccount(String),
    /// The service account is being deleted.
    #[error("service account {0} has been deleted")]
    Deleted(String),
    /// Another service account of the same name.
    #[error("service account UID ({found}) does not match claim ({claim})")]
    AccountUid {
        /// The uid it has.
        found: String,
        /// The uid in the token.
        claim: String,
    },
    /// What the token is bound to is gone.
    #[error("service account token has been invalidated")]
    Invalidated,
    /// Another object of the same name.
    #[error("{kind} UID ({found}) does not match service account {kind} ref claim ({claim})")]
    Uid {
        /// `pod`, `secret` or `node`.
        kind: &'static str,
        /// The uid it has.
        found: String,
        /// The uid in the token.
        claim: String,
    },
}

/// Checks the objects and says who the bearer is.
pub fn identify(claims: &Claims, found: Found<'_>, now: i64) -> Result<Identity, BoundError> {
    let account = found
        .account
        .ok_or_else(|| BoundError::NoAccount(claims.account.name.clone()))?;
    if deleted(account, now) {
        let place = format!("{}/{}", claims.namespace, claims.account.name);
        return Err(BoundError::Deleted(place));
    }
    let uid = Reference::to(account).uid;
    if uid != claims.account.uid {
        return Err(BoundError::AccountUid {
            found: uid,
            claim: claims.account.uid.clone(),
        });
    }
    check("secret", claims.secret.as_ref(), found.secret, now)?;
    check("pod", claims.pod.as_ref(), found.pod, now)?;
    // The node of a pod-bound token is said, not checked: the pod is.
    if claims.pod.is_none() {
        check("node", claims.node.as_ref(), found.node, now)?;
    }

    let mut extra = BTreeMap::new();
    let mut say = |key: &str, value: &str| {
        if !value.is_empty() {
            extra.insert(
                format!("authentication.kubernetes.io/{key}"),
                vec![value.to_owned()],
            );
        }
    };
    if let Some(pod) = &claims.pod {
        say("pod-name", &pod.name);
        say("pod-uid", &pod.uid);
    }
    if let Some(node) = &claims.node {
        say("node-name", &node.name);
        say("node-uid", &node.uid);
    }
    if !claims.id.is_empty() {
        say("credential-id", &format!("JTI={}", claims.id));
    }
    Ok(Identity {
        namespace: claims.namespace.clone(),
        name: claims.account.name.clone(),
        uid: claims.account.uid.clone(),
        extra,
    })
}

fn check(
    kind: &'static str,
    claim: Option<&Reference>,
    found: Option<&Value>,
    now: i64,
) -> Result<(), BoundError> {
    let Some(claim) = claim else { return Ok(()) };
    let object = found
        .filter(|object| !deleted(object, now))
        .ok_or(BoundError::Invalidated)?;
    let uid = Reference::to(object).uid;
    if uid == claim.uid {
        Ok(())
    } else {
        Err(BoundError::Uid {
            kind,
            found: uid,
            claim: claim.uid.clone(),
        })
    }
}

/// Whether the object's time of deletion is past, clocks differing. A time
/// that cannot be read counts as past.
fn deleted(object: &Value, now: i64) -> bool {
    match object.pointer("/metadata/deletionTimestamp") {
        None | Some(Value::Null) => false,
        Some(text) => text
            .as_str()
            .and_then(time::parse)
            .is_none_or(|time| time < now.saturating_sub(LEEWAY_SECONDS)),
    }
}
