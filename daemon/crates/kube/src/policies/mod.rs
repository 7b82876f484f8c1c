//! Admission policies: what people say in expressions about who may make what of which object.
//!
//! ```text
//! policies, bindings ── parsed and checked once, followed ──┐
//! object ── which ones mean it ── parameters ── conditions ── validations: refuse, warn, record
//!                                                          └─ mutations: another object
//! ```
//!
//! Invariant: a policy costs a request a bounded amount of work, whatever it says; what configures
//! policies is never theirs to refuse.

mod admit;
mod asker;
mod definition;
mod environment;
mod inputs;
mod judge;
mod made;
mod matching;
mod mutate;
mod params;
mod store;
mod typed;
mod typed_custom;
mod validate;
mod view;

use serde_json::Value;

use crate::admission::Asked;
use crate::error::{About, ApiError};
use crate::object;

pub(crate) use admit::check;
pub(crate) use asker::Asker;
pub(crate) use mutate::Rounds;
pub(crate) use store::{Policies, follow};
pub(crate) use typed::warnings;

/// What may never be refused, as upstream: what configures policies, and reviews.
fn exempts(asked: &Asked<'_>) -> bool {
    let resource = &asked.call.resource;
    let plural = resource.plural.as_str();
    let configures = resource.group == store::GROUP && store::RESOURCES.contains(&plural);
    let reviews = matches!(
        (resource.group.as_str(), plural),
        (
            "authentication.k8s.io",
            "selfsubjectreviews" | "tokenreviews"
        ) | (
            "authorization.k8s.io",
            "localsubjectaccessreviews"
                | "selfsubjectaccessreviews"
                | "selfsubjectrulesreviews"
                | "subjectaccessreviews"
        )
    );
    configures || reviews || asked.call.is_exempt
}

/// The namespace whose object expressions see: none of a namespace itself.
fn namespace_of<'a>(asked: &Asked<'a>) -> &'a str {
    match asked.is_namespace() {
        true => "",
        false => asked.namespace,
    }
}

/// Upstream's refusal by admission.
fn refusal(asked: &Asked<'_>, object: Option<&Value>, why: &str) -> ApiError {
    let resource = &asked.call.resource;
    let generated = |object: &Value| {
        let name = object["metadata"]["generateName"].as_str();
        name.unwrap_or("Unknown").to_owned()
    };
    let name = match (asked.name, object) {
        ("", None) => "Unknown".to_owned(),
        ("", Some(object)) => match object::name(object) {
            "" => generated(object),
            name => name.to_owned(),
        },
        (name, _) => name.to_owned(),
    };
    let about = About {
        group: &resource.group,
        resource: &resource.plural,
        name: &name,
    };
    // The policy may say otherwise another time, without anything having changed of the object.
    ApiError::forbidden(about, why).by_others()
}
