//! May the user do this.
//!
//! Invariant: what is not allowed is refused with upstream's words; nobody is told more than that.

use serde_json::{Map, Value};
use skerry_health::Health;
use skerry_rbac::{Attributes, Decision, Policies, Target, User};

use crate::audit::Trail;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::nodes;
use crate::query::Query;
use crate::route::RequestInfo;
use crate::user;

/// What a request wants to do.
pub(crate) fn attributes<'a>(user: &'a User, info: &'a RequestInfo) -> Attributes<'a> {
    let target = match info.is_resource {
        false => Target::Path(&info.path),
        true => Target::Resource {
            group: &info.group,
            resource: &info.resource,
            subresource: &info.subresource,
            name: &info.name,
            namespace: &info.namespace,
        },
    };
    Attributes::new(user, info.verb, target)
}

/// Refuses what the user may not do.
pub(crate) fn authorize(
    engine: &Engine,
    policies: &Policies,
    user: &User,
    info: &RequestInfo,
    query: &Query,
    trail: &mut Trail<'_>,
) -> Result<(), ApiError> {
    // Probes come before there are roles, and whatever the roles say.
    if !info.is_resource && Health::is_sum(&info.path) {
        return Ok(());
    }
    let wanted = attributes(user, info);
    let decision = engine.decide(policies, &wanted, &nodes::selected(query));
    trail.decided(&decision);
    let permitted = judge(decision, &wanted);
    match user::is_anonymous(user) {
        // Whoever has not said who it is may see what is public, and nothing of any resource.
        true if info.is_resource => Err(ApiError::unauthorized()),
        true => permitted.map_err(|_| ApiError::unauthorized()),
        false => permitted,
    }
}

/// Refuses what no role allows.
pub(crate) fn permit(policies: &Policies, wanted: &Attributes<'_>) -> Result<(), ApiError> {
    judge(policies.authorize(wanted), wanted)
}

fn judge(decision: Decision, wanted: &Attributes<'_>) -> Result<(), ApiError> {
    if decision.allowed {
        return Ok(());
    }
    let mut error = ApiError::new(403, "Forbidden", wanted.forbidden(&decision.reason));
    let mut details = Map::new();
    if let Target::Resource {
        group,
        resource,
        name,
        ..
    } = wanted.target
    {
        for (key, value) in [("group", group), ("kind", resource), ("name", name)] {
            if !value.is_empty() {
                details.insert(key.into(), value.into());
            }
        }
    }
    error.details = Some(Box::new(Value::Object(details)));
    Err(error)
}
