//! Acting as somebody else: the `Impersonate-*` headers.
//!
//! Each name, group, uid and extra value must be allowed to the one who asks. Invariant: a request
//! with such a header is never answered with its sender's own rights.

use http::HeaderMap;
use skerry_rbac::{Attributes, Policies, Target, User, account};

use crate::authorize::permit;
use crate::error::ApiError;
use crate::query;
use crate::user;

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const UID: &str = "impersonate-uid";
const EXTRA: &str = "impersonate-extra-";
const AUTHENTICATION: &str = "authentication.k8s.io";

/// The user to act as; `user` where nobody else is asked for.
pub(crate) fn impersonate(
    policies: &Policies,
    user: User,
    headers: &HeaderMap,
) -> Result<User, ApiError> {
    let texts = |name: &str| -> Vec<String> {
        let values = headers.get_all(name).iter();
        values
            .filter_map(|value| value.to_str().ok().map(str::to_owned))
            .collect()
    };
    let name = texts(USER).into_iter().next().unwrap_or_default();
    let groups = texts(GROUP);
    let uid = texts(UID).into_iter().next().unwrap_or_default();
    let mut extra = Vec::new();
    for header in headers.keys() {
        if let Some(key) = header.as_str().strip_prefix(EXTRA) {
            extra.push((query::decode_segment(key), texts(header.as_str())));
        }
    }
    let asked = headers
        .keys()
        .any(|header| header.as_str().starts_with("impersonate-"));
    if !asked {
        return Ok(user);
    }
    if name.is_empty() {
        return Err(ApiError::new(
            500,
            "InternalError",
            "Internal error occurred: requested impersonation without impersonating a user",
        ));
    }
    let may = |group: &str, resource: &str, subresource: &str, name: &str, namespace: &str| {
        let target = Target::Resource {
            group,
            resource,
            subresource,
            name,
            namespace,
        };
        permit(policies, &Attributes::new(&user, "impersonate", target))
    };
    let service_account = account::split(&name).ok();
    match service_account {
        Some((namespace, name)) => may("", "serviceaccounts", "", name, namespace)?,
        None => may("", "users", "", &name, "")?,
    }
    for group in &groups {
        may("", "groups", "", group, "")?;
    }
    for (key, values) in &extra {
        for value in values {
            may(AUTHENTICATION, "userextras", key, value, "")?;
        }
    }
    if !uid.is_empty() {
        may(AUTHENTICATION, "uids", "", &uid, "")?;
    }
    let groups = match service_account {
        Some((namespace, _)) if groups.is_empty() => account::groups(namespace),
        _ => groups,
    };
    let mut acting = match name.as_str() {
        "system:anonymous" => user::anonymous(),
        _ => user::authenticated(name, groups),
    };
    acting.uid = uid;
    acting.extra = extra.into_iter().collect();
    Ok(acting)
}
