//! Names and amounts of resources: what containers may ask for, quotas count and ranges limit.

use serde_json::Value;

use super::rules::{NOT_NEGATIVE, label, qualified_name, quantity};
use crate::error::{ErrorKind, Errors};
use crate::format;
use crate::path::Path;
use crate::quantity::Quantity;
use crate::value::{entries, list, text};

const COUNTED: &[&str] = &[
    "pods",
    "services",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];
const COMPUTE: &[&str] = &["cpu", "memory", "ephemeral-storage"];

fn is_standard(name: &str) -> bool {
    let bare = name
        .strip_prefix("requests.")
        .or_else(|| name.strip_prefix("limits."))
        .unwrap_or(name);
    COUNTED.contains(&name)
        || COMPUTE.contains(&bare)
        || matches!(name, "storage" | "requests.storage")
        || bare.starts_with("hugepages-")
}

pub(super) fn is_standard_quota(name: &str) -> bool {
    (is_standard(name) && !matches!(name, "storage")) || is_object_count(name)
}

fn is_object_count(name: &str) -> bool {
    name.starts_with("count/")
}

fn is_huge_pages(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Kubernetes' own, as opposed to what a device plugin offers.
fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

pub(super) fn is_extended(name: &str) -> bool {
    !is_native(name)
        && !name.starts_with("requests.")
        && format::label_key(&format!("requests.{name}")).is_empty()
}

/// Whether more may be promised than there is.
pub(super) fn is_overcommitted(name: &str) -> bool {
    is_native(name) && !is_huge_pages(name)
}

/// A name that anything may count.
pub(super) fn name(value: &str, path: &Path<'_>, errors: &mut Errors) -> bool {
    let before = errors.0.len();
    qualified_name(value, path, errors);
    if errors.0.len() == before && !value.contains('/') && !is_standard(value) {
        let message = "must be a standard resource type or fully qualified";
        errors.invalid(path, value, message);
    }
    errors.0.len() == before
}

/// A name that a container may ask for.
pub(super) fn container_name(value: &str, path: &Path<'_>, errors: &mut Errors) {
    name(value, path, errors);
    if !value.contains('/') {
        if !COMPUTE.contains(&value) && !is_huge_pages(value) {
            errors.invalid(path, value, "must be a standard resource for containers");
        }
    } else if !is_native(value) && !is_extended(value) {
        errors.invalid(
            path,
            value,
            "doesn't follow extended resource name standard",
        );
    }
}

fn pod_name(value: &str, path: &Path<'_>, errors: &mut Errors) {
    let is_supported = matches!(value, "cpu" | "memory") || is_huge_pages(value);
    if name(value, path, errors) && !is_supported {
        errors.not_supported(path, value, &["cpu", "hugepages-", "memory"]);
    }
}

/// An amount that is not below zero, and whole where only whole ones make sense.
pub(super) fn amount(
    name: &str,
    value: &Value,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Option<Quantity> {
    let amount = quantity(value, path, errors)?;
    if amount.is_negative() {
        errors.invalid(path, amount.to_string(), NOT_NEGATIVE);
    }
    if (COUNTED.contains(&name) || is_extended(name)) && !amount.is_whole() {
        errors.invalid(path, amount.to_string(), "must be an integer");
    }
    Some(amount)
}

/// Whose requirements these are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Container,
    Pod,
}

/// Limits, requests and claims; `claims` are the names that the pod knows.
pub(super) fn requirements(
    resources: &Value,
    whose: Whose,
    claims: &[&str],
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let (limits, requests) = (path.child("limits"), path.child("requests"));
    for (at, field) in [(&limits, "limits"), (&requests, "requests")] {
        for (name, value) in entries(&resources[field]) {
            let at = at.key(name);
            match whose {
                Whose::Container => container_name(name, &at, errors),
                Whose::Pod => pod_name(name, &at, errors),
            }
            let Some(quantity) = amount(name, value, &at, errors) else {
                continue;
            };
            if field == "requests" {
                let limit = &resources["limits"][name];
                within_limit(name, quantity, limit, [&limits, &requests], errors);
            }
            huge_pages(name, quantity, &at, errors);
        }
    }
    let names_any = |wanted: fn(&str) -> bool| {
        let mut lists = ["limits", "requests"].into_iter();
        lists.any(|field| entries(&resources[field]).any(|(name, _)| wanted(name)))
    };
    if names_any(is_huge_pages) && !names_any(|name| matches!(name, "cpu" | "memory")) {
        errors.forbidden(path, "HugePages require cpu or memory");
    }
    claim_names(&resources["claims"], claims, &path.child("claims"), errors);
}

fn within_limit(
    name: &str,
    request: Quantity,
    limit: &Value,
    [limits, requests]: [&Path<'_>; 2],
    errors: &mut Errors,
) {
    let Some(limit) = (!limit.is_null())
        .then(|| Quantity::of(limit).ok())
        .flatten()
    else {
        if !is_overcommitted(name) {
            errors.required(limits, "Limit must be set for non overcommitable resources");
        }
        return;
    };
    let wrong = match is_overcommitted(name) {
        false if request != limit => "equal to",
        true if request > limit => "less than or equal to",
        _ => return,
    };
    let message = format!("must be {wrong} {name} limit of {limit}");
    errors.invalid(requests, request.to_string(), message);
}

fn huge_pages(name: &str, quantity: Quantity, path: &Path<'_>, errors: &mut Errors) {
    let Some(Ok(size)) = name.strip_prefix("hugepages-").map(Quantity::parse) else {
        return;
    };
    if !size.is_positive() || !quantity.is_multiple_of(size) {
        let message = format!("{quantity} is not positive integer multiple of {name}");
        errors.invalid(path, quantity.to_string(), message);
    }
}

fn claim_names(claims: &Value, known: &[&str], path: &Path<'_>, errors: &mut Errors) {
    let mut seen: Vec<String> = Vec::new();
    for (i, claim) in list(claims).iter().enumerate() {
        let path = path.index(i);
        let (name, request) = (text(&claim["name"]), text(&claim["request"]));
        if name.is_empty() {
            errors.required(&path, "");
            continue;
        }
        let key = match request {
            "" => name.to_owned(),
            request => format!("{name}/{request}"),
        };
        if !request.is_empty() {
            label(request, &path.child("request"), errors);
        }
        let overlaps = |other: &String| {
            *other == key
                || other == name
                || (request.is_empty() && other.starts_with(&format!("{name}/")))
        };
        if seen.iter().any(overlaps) {
            errors.duplicate(&path, key.as_str());
        }
        seen.push(key);
        if !known.contains(&name) {
            let mut sorted = known.to_vec();
            sorted.sort_unstable();
            let rest = match sorted.as_slice() {
                [] => " which is empty".to_owned(),
                names => format!(": {}", names.join(", ")),
            };
            let detail = format!("must be one of the names in pod.spec.resourceClaims{rest}");
            errors.push(ErrorKind::NotFound, &path, Value::from(name), detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::summary;
    use serde_json::json;

    fn checked(resources: Value) -> String {
        let mut errors = Errors::default();
        requirements(
            &resources,
            Whose::Container,
            &[],
            &Path::root("resources"),
            &mut errors,
        );
        summary(&errors.0)
    }

    #[test]
    fn a_request_stays_within_its_limit() {
        assert_eq!(
            checked(json!({"limits": {"cpu": "1"}, "requests": {"cpu": "1000m"}})),
            "[]"
        );
        assert_eq!(
            checked(json!({"limits": {"cpu": "1"}, "requests": {"cpu": "1500m"}})),
            "resources.requests: Invalid value: \"1500m\": must be less than or equal to cpu \
             limit of 1"
        );
        assert_eq!(
            checked(json!({"requests": {"example.com/gpu": "1"}})),
            "resources.limits: Required value: Limit must be set for non overcommitable resources"
        );
    }

    #[test]
    fn names_and_amounts_make_sense() {
        assert_eq!(
            checked(json!({"limits": {"disk": "1"}})),
            "[resources.limits[disk]: Invalid value: \"disk\": must be a standard resource type \
             or fully qualified, resources.limits[disk]: Invalid value: \"disk\": must be a \
             standard resource for containers]"
        );
        assert_eq!(
            checked(json!({"limits": {"memory": "-1"}})),
            "resources.limits[memory]: Invalid value: \"-1\": must be greater than or equal to 0"
        );
        assert_eq!(
            checked(json!({"limits": {"example.com/gpu": "500m"}})),
            "resources.limits[example.com/gpu]: Invalid value: \"500m\": must be an integer"
        );
        assert_eq!(
            checked(json!({"limits": {"cpu": "lots"}})),
            "resources.limits[cpu]: Invalid value: \"lots\": quantities must match the regular \
             expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        );
        assert_eq!(
            checked(json!({"limits": {"hugepages-2Mi": "3Mi", "cpu": "1"}})),
            "resources.limits[hugepages-2Mi]: Invalid value: \"3Mi\": 3Mi is not positive integer \
             multiple of hugepages-2Mi"
        );
        assert_eq!(
            checked(json!({"claims": [{"name": "x"}]})),
            "resources.claims[0]: Not found: \"x\": must be one of the names in \
             pod.spec.resourceClaims which is empty"
        );
    }
}
