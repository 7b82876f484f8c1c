//! What a namespace may use, and what one object in it: quotas and ranges.

use serde_json::Value;

use super::resources;
use super::rules::{qualified_name, quantity};
use crate::error::Errors;
use crate::path::Path;
use crate::quantity::Quantity;
use crate::value::{entries, is_set, len, list, text};

pub(super) fn resource_quota(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    let path = Path::root("spec");
    quota_amounts(&spec["hard"], &path.child("hard"), errors);
    let scopes = list(&spec["scopes"]);
    let at = path.child("scopes");
    for scope in scopes {
        scope_fits(text(scope), spec, &spec["scopes"], &at, errors);
    }
    conflicting(
        scopes.iter().map(text).collect(),
        &spec["scopes"],
        &at,
        errors,
    );
    if is_set(&spec["scopeSelector"]) {
        scope_selector(spec, &path.child("scopeSelector"), errors);
    }
    if let Some(old) = old {
        let sorted = |spec: &Value| {
            let mut scopes: Vec<String> = list(&spec["scopes"])
                .iter()
                .map(|s| text(s).to_owned())
                .collect();
            scopes.sort_unstable();
            scopes.dedup();
            scopes
        };
        if sorted(spec) != sorted(&old["spec"]) {
            errors.invalid(&at, spec["scopes"].clone(), "field is immutable");
        }
    }
}

pub(super) fn resource_quota_status(object: &Value, errors: &mut Errors) {
    let path = Path::root("status");
    for field in ["hard", "used"] {
        quota_amounts(&object["status"][field], &path.child(field), errors);
    }
}

fn quota_amounts(amounts: &Value, path: &Path<'_>, errors: &mut Errors) {
    for (name, value) in entries(amounts) {
        let path = path.key(name);
        resources::name(name, &path, errors);
        if !name.contains('/') && !resources::is_standard_quota(name) {
            errors.invalid(
                &path,
                name.as_str(),
                "must be a standard resource for quota",
            );
        }
        resources::amount(name, value, &path, errors);
    }
}

const SCOPES: &[&str] = &[
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];

fn scope_fits(scope: &str, spec: &Value, shown: &Value, path: &Path<'_>, errors: &mut Errors) {
    if !SCOPES.contains(&scope) {
        errors.invalid(path, shown.clone(), "unsupported scope");
    }
    for (name, _) in entries(&spec["hard"]) {
        let is_compute = matches!(
            name.as_str(),
            "cpu" | "memory" | "limits.cpu" | "limits.memory" | "requests.cpu" | "requests.memory"
        );
        let fits = match scope {
            "BestEffort" => name == "pods",
            "VolumeAttributesClass" => {
                matches!(name.as_str(), "persistentvolumeclaims" | "requests.storage")
            }
            _ => name == "pods" || is_compute,
        };
        if resources::is_standard_quota(name) && !name.contains('/') && !fits {
            errors.invalid(path, shown.clone(), "unsupported scope applied to resource");
        }
    }
}

fn conflicting(scopes: Vec<&str>, shown: &Value, path: &Path<'_>, errors: &mut Errors) {
    for (a, b) in [
        ("BestEffort", "NotBestEffort"),
        ("Terminating", "NotTerminating"),
    ] {
        if scopes.contains(&a) && scopes.contains(&b) {
            errors.invalid(path, shown.clone(), "conflicting scopes");
        }
    }
}

fn scope_selector(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let path = path.child("matchExpressions");
    let expressions = list(&spec["scopeSelector"]["matchExpressions"]);
    for expression in expressions {
        let (scope, operator) = (
            text(&expression["scopeName"]),
            text(&expression["operator"]),
        );
        scope_fits(
            scope,
            spec,
            &expression["scopeName"],
            &path.child("scopeName"),
            errors,
        );
        let is_plain = !matches!(scope, "PriorityClass" | "VolumeAttributesClass");
        if SCOPES.contains(&scope) && is_plain && operator != "Exists" {
            let message = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, \
                           ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, \
                           ResourceQuotaScopeNotBestEffort or \
                           ResourceQuotaScopeCrossNamespacePodAffinity";
            errors.invalid(&path.child("operator"), operator, message);
        }
        let count = len(&expression["values"]);
        match operator {
            "In" | "NotIn" if count == 0 => errors.required(
                &path.child("values"),
                "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
            ),
            "Exists" | "DoesNotExist" if count > 0 => errors.invalid(
                &path.child("values"),
                expression["values"].clone(),
                "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
            ),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => {
                let message = "not a valid selector operator";
                errors.invalid(&path.child("operator"), other, message);
            }
        }
    }
    let scopes = expressions.iter().map(|e| text(&e["scopeName"])).collect();
    conflicting(scopes, &spec["scopes"], &path, errors);
}

pub(super) fn limit_range(object: &Value, errors: &mut Errors) {
    let spec = Path::root("spec");
    let path = spec.child("limits");
    let mut kinds: Vec<&str> = Vec::new();
    for (i, limit) in list(&object["spec"]["limits"]).iter().enumerate() {
        let path = path.index(i);
        let kind = text(&limit["type"]);
        let at = path.child("type");
        let before = errors.0.len();
        qualified_name(kind, &at, errors);
        let is_standard = matches!(kind, "Pod" | "Container" | "PersistentVolumeClaim");
        if errors.0.len() == before && !kind.contains('/') && !is_standard {
            let message = "must be a standard limit type or fully qualified";
            errors.invalid(&at, kind, message);
        }
        if kinds.contains(&kind) {
            errors.duplicate(&at, kind);
        }
        kinds.push(kind);
        limit_item(limit, kind, &path, errors);
    }
}

fn limit_item(limit: &Value, kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let fields = [
        "max",
        "min",
        "default",
        "defaultRequest",
        "maxLimitRequestRatio",
    ];
    let mut names: Vec<&str> = Vec::new();
    for field in fields {
        let path = path.child(field);
        if kind == "Pod" && field.starts_with("default") {
            if len(&limit[field]) > 0 {
                errors.forbidden(&path, "may not be specified when `type` is 'Pod'");
            }
            continue;
        }
        for (name, value) in entries(&limit[field]) {
            let path = path.key(name);
            match kind {
                "Pod" | "Container" => resources::container_name(name, &path, errors),
                _ => drop(resources::name(name, &path, errors)),
            }
            quantity(value, &path, errors);
            names.push(name);
        }
    }
    let has_storage = |field: &str| is_set(&limit[field]["storage"]);
    if kind == "PersistentVolumeClaim" && !has_storage("min") && !has_storage("max") {
        let message =
            "either minimum or maximum storage value is required, but neither was provided";
        errors.required(&path.child("limits"), message);
    }
    names.sort_unstable();
    names.dedup();
    for name in names {
        ordered(limit, name, kind, path, errors);
    }
}

/// The least is at most the default, which is at most the most.
fn ordered(limit: &Value, name: &str, kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let of = |field: &str| -> Option<Quantity> {
        let is_counted = kind != "Pod" || !field.starts_with("default");
        let value = limit[field].get(name).filter(|_| is_counted)?;
        Quantity::of(value).ok()
    };
    let (min, max) = (of("min"), of("max"));
    let (default, request) = (of("default"), of("defaultRequest"));
    let pairs = [
        ("min", min, "min value", max, "max value", min),
        (
            "defaultRequest",
            min,
            "min value",
            request,
            "default request value",
            request,
        ),
        (
            "defaultRequest",
            request,
            "default request value",
            max,
            "max value",
            request,
        ),
        (
            "defaultRequest",
            request,
            "default request value",
            default,
            "default limit value",
            request,
        ),
        ("default", min, "min value", default, "default value", min),
        ("default", default, "default value", max, "max value", max),
    ];
    for (field, low, low_name, high, high_name, shown) in pairs {
        if let (Some(low), Some(high), Some(shown)) = (low, high, shown)
            && low > high
        {
            let message = format!("{low_name} {low} is greater than {high_name} {high}");
            errors.invalid(&path.child(field).key(name), shown.to_string(), message);
        }
    }
    let ratio_path = path.child("maxLimitRequestRatio");
    let ratio_path = ratio_path.key(name);
    if let Some(ratio) = of("maxLimitRequestRatio") {
        if ratio.milli_value() < 1000 {
            let message = format!("ratio {ratio} is less than 1");
            errors.invalid(&ratio_path, ratio.to_string(), message);
        }
        if let (Some(min), Some(max)) = (min, max) {
            let most = max.milli_value() as f64 / min.milli_value() as f64;
            if ratio.milli_value() as f64 / 1000.0 > most {
                let message = format!("ratio {ratio} is greater than max/min = {most:.6}");
                errors.invalid(&ratio_path, ratio.to_string(), message);
            }
        }
    }
    if let (false, Some(default), Some(request)) =
        (resources::is_overcommitted(name), default, request)
        && default != request
    {
        let message = format!(
            "default value {default} must equal to defaultRequest value {request} in {name}"
        );
        errors.invalid(
            &path.child("defaultRequest").key(name),
            request.to_string(),
            message,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::policies::tests::created;
    use serde_json::{Value, json};

    #[test]
    fn a_quota_counts_what_can_be_counted() {
        let hard = |hard: Value| json!({"spec": { "hard": hard }});
        assert_eq!(
            created(
                "",
                "ResourceQuota",
                hard(json!({"pods": "10", "requests.cpu": "1", "count/jobs.batch": "2"}))
            ),
            "[]"
        );
        assert_eq!(
            created("", "ResourceQuota", hard(json!({"pods": "1500m"}))),
            "spec.hard[pods]: Invalid value: \"1500m\": must be an integer"
        );
        assert_eq!(
            created(
                "",
                "ResourceQuota",
                json!({"spec": {"hard": {"services": "1"}, "scopes": ["BestEffort"]}})
            ),
            "spec.scopes: Invalid value: [\"BestEffort\"]: unsupported scope applied to resource"
        );
    }

    #[test]
    fn a_range_is_one() {
        let limits = |limit: Value| json!({"spec": {"limits": [limit]}});
        assert_eq!(
            created(
                "",
                "LimitRange",
                limits(json!({"type": "Pod", "min": {"cpu": "2"}, "max": {"cpu": "1"}}))
            ),
            "spec.limits[0].min[cpu]: Invalid value: \"2\": min value 2 is greater than max value 1"
        );
        assert_eq!(
            created(
                "",
                "LimitRange",
                limits(json!({"type": "Sea", "max": {"cpu": "1"}}))
            ),
            "spec.limits[0].type: Invalid value: \"Sea\": must be a standard limit type or fully \
             qualified"
        );
    }
}
