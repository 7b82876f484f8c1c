//! Who asks for devices: classes, claims and their templates.
//!
//! Expressions are bounded here; whoever has the language compiles them.

mod capacity;
mod facts;
mod names;
mod set;
mod slice;
mod status;

pub(super) use slice::slice;
pub(super) use status::status;

use serde_json::Value;

use super::pod;
use super::resources;
use super::rules::{POSITIVE, label, subdomain};
use crate::error::Errors;
use crate::format;
use crate::path::Path;
use crate::value::{int, is_set, len, list, same, text};
use set::{in_set, set};

const LIST_MAX: usize = 32;
const ALTERNATIVES_MAX: usize = 8;
const EXPRESSION_BYTES_MAX: usize = 10 * 1024;
const PARAMETERS_BYTES_MAX: usize = 10 * 1024;
const EFFECTS: &[&str] = &["NoExecute", "NoSchedule", "None"];
const NO_SUCH_REQUEST: &str = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";

pub(super) fn class(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let (spec, path) = (&object["spec"], Path::root("spec"));
    let is_new = |field: &str| old.is_none_or(|old| !same(&old["spec"][field], &spec[field]));
    if is_new("selectors") {
        selectors(&spec["selectors"], &path.child("selectors"), errors);
    }
    let bytes_max = match is_new("config") {
        true => PARAMETERS_BYTES_MAX,
        // What was too long before may stay.
        false => usize::MAX,
    };
    let config = path.child("config");
    set(
        &spec["config"],
        LIST_MAX,
        &config,
        errors,
        |one, path, errors| {
            opaque(one, bytes_max, path, errors);
        },
    );
    if let Some(name) = spec["extendedResourceName"].as_str()
        && !resources::is_extended(name)
    {
        let path = path.child("extendedResourceName");
        errors.invalid(&path, name, "must be a valid extended resource name");
    }
}

pub(super) fn claim(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let path = Path::root("spec");
    match old {
        Some(old) => errors.immutable(&path, &object["spec"], &old["spec"]),
        None => claim_spec(&object["spec"], &path, errors),
    }
}

pub(super) fn template(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let path = Path::root("spec");
    match old {
        Some(old) => errors.immutable(&path, &object["spec"], &old["spec"]),
        None => claim_spec(&object["spec"]["spec"], &path.child("spec"), errors),
    }
}

fn claim_spec(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (claim, path) = (&spec["devices"], path.child("devices"));
    let requests = path.child("requests");
    in_set(
        &claim["requests"],
        LIST_MAX,
        &requests,
        errors,
        name_of,
        request,
    );
    let constraints = path.child("constraints");
    set(
        &claim["constraints"],
        LIST_MAX,
        &constraints,
        errors,
        |one, path, errors| {
            constraint(one, claim, path, errors);
        },
    );
    let config = path.child("config");
    set(
        &claim["config"],
        LIST_MAX,
        &config,
        errors,
        |one, path, errors| {
            references(&one["requests"], claim, &path.child("requests"), errors);
            opaque(one, PARAMETERS_BYTES_MAX, path, errors);
        },
    );
}

fn name_of(item: &Value) -> String {
    text(&item["name"]).to_owned()
}

fn request(request: &Value, path: &Path<'_>, errors: &mut Errors) {
    label(text(&request["name"]), &path.child("name"), errors);
    let one = "exactly one of `exactly` or `firstAvailable` is required";
    let has_alternatives = len(&request["firstAvailable"]) > 0;
    match (is_set(&request["exactly"]), has_alternatives) {
        (false, false) => errors.required(path, one),
        (true, true) => {
            let message = format!("{one}, but multiple fields are set");
            errors.invalid(path, Value::Null, message);
        }
        (true, false) => wanted(&request["exactly"], &path.child("exactly"), errors),
        (false, true) => {
            let (items, path) = (&request["firstAvailable"], path.child("firstAvailable"));
            let check = |one: &Value, path: &Path<'_>, errors: &mut Errors| {
                label(text(&one["name"]), &path.child("name"), errors);
                wanted(one, path, errors);
            };
            in_set(items, ALTERNATIVES_MAX, &path, errors, name_of, check);
        }
    }
}

/// What is asked for: of which class, and how many.
fn wanted(wanted: &Value, path: &Path<'_>, errors: &mut Errors) {
    let class = path.child("deviceClassName");
    match text(&wanted["deviceClassName"]) {
        "" => errors.required(&class, ""),
        name => subdomain(name, &class, errors),
    }
    selectors(&wanted["selectors"], &path.child("selectors"), errors);
    let (count, at) = (int(&wanted["count"]), path.child("count"));
    match text(&wanted["allocationMode"]) {
        "All" if count != 0 => {
            let message = "must not be specified when allocationMode is 'All'";
            errors.invalid(&at, count, message);
        }
        "ExactCount" if count <= 0 => errors.invalid(&at, count, POSITIVE),
        "All" | "ExactCount" => {}
        other => {
            let modes = ["All", "ExactCount"];
            errors.not_supported(&path.child("allocationMode"), other, &modes);
        }
    }
    let at = path.child("tolerations");
    for (i, one) in list(&wanted["tolerations"]).iter().enumerate() {
        toleration(one, &at.index(i), errors);
    }
}

fn selectors(selectors: &Value, path: &Path<'_>, errors: &mut Errors) {
    set(
        selectors,
        LIST_MAX,
        path,
        errors,
        |selector, path, errors| {
            let at = path.child("cel");
            if !is_set(&selector["cel"]) {
                errors.required(&at, "");
            } else if text(&selector["cel"]["expression"]).len() > EXPRESSION_BYTES_MAX {
                errors.too_long(&at.child("expression"), EXPRESSION_BYTES_MAX);
            }
        },
    );
}

/// Which taints of devices are borne.
fn toleration(toleration: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (key, value) = (text(&toleration["key"]), text(&toleration["value"]));
    if !key.is_empty() {
        errors.each(&path.child("key"), key, format::label_key(key));
    }
    let at = path.child("value");
    match text(&toleration["operator"]) {
        "Exists" if !value.is_empty() => {
            errors.invalid(&at, value, "must be empty for operator `Exists`");
        }
        "Exists" => {}
        "Equal" => errors.each(&at, value, format::label_value(value)),
        "" => errors.required(&path.child("operator"), ""),
        other => errors.not_supported(&path.child("operator"), other, &["Equal", "Exists"]),
    }
    let effect = text(&toleration["effect"]);
    if !effect.is_empty() && !EFFECTS.contains(&effect) {
        errors.not_supported(&path.child("effect"), effect, EFFECTS);
    }
}

/// In what the devices of several requests are to be alike, or not.
fn constraint(constraint: &Value, claim: &Value, path: &Path<'_>, errors: &mut Errors) {
    references(
        &constraint["requests"],
        claim,
        &path.child("requests"),
        errors,
    );
    for field in ["matchAttribute", "distinctAttribute"] {
        if let Some(name) = constraint[field].as_str() {
            return names::fully_qualified(name, &path.child(field), errors);
        }
    }
    let message = "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but \
                   multiple fields are set";
    errors.required(path, message);
}

/// What a driver is told.
fn opaque(configuration: &Value, bytes_max: usize, path: &Path<'_>, errors: &mut Errors) {
    let (opaque, at) = (&configuration["opaque"], path.child("opaque"));
    if !is_set(opaque) {
        return errors.required(&at, "");
    }
    pod::driver_name(text(&opaque["driver"]), &at.child("driver"), errors);
    object_of(
        &opaque["parameters"],
        bytes_max,
        &at.child("parameters"),
        errors,
    );
}

/// Any object, as long as it is one.
fn object_of(value: &Value, bytes_max: usize, path: &Path<'_>, errors: &mut Errors) {
    if !is_set(value) {
        errors.required(path, "");
    } else if value.to_string().len() > bytes_max {
        errors.too_long(path, bytes_max);
    } else if !value.is_object() {
        errors.invalid(path, "<value omitted>", "must be a valid JSON object");
    }
}

/// Names of requests of a claim: `request` or `request/alternative`.
fn references(names: &Value, claim: &Value, path: &Path<'_>, errors: &mut Errors) {
    let key = |name: &Value| text(name).to_owned();
    in_set(names, LIST_MAX, path, errors, key, |name, path, errors| {
        reference(text(name), claim, path, errors);
    });
}

fn reference(name: &str, claim: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (of, alternative) = match name.split_once('/') {
        Some((of, alternative)) => (of, Some(alternative)),
        None => (name, None),
    };
    if alternative.is_some_and(|rest| rest.contains('/')) {
        return errors.invalid(path, name, NO_SUCH_REQUEST);
    }
    for part in [Some(of), alternative].into_iter().flatten() {
        label(part, path, errors);
    }
    let is_known = list(&claim["requests"]).iter().any(|request| {
        let mut alternatives = list(&request["firstAvailable"]).iter();
        request["name"] == of
            && alternative.is_none_or(|name| alternatives.any(|one| one["name"] == name))
    });
    if !is_known {
        errors.invalid(path, name, NO_SUCH_REQUEST);
    }
}

#[cfg(test)]
mod tests {
    use crate::{set_defaults, validate_create, validate_update};
    use serde_json::json;

    const GROUP: &str = "resource.k8s.io";

    #[test]
    fn a_claim_asks_each_time_for_one_thing_and_never_changes_its_mind() {
        let mut claim = json!({"metadata": {"name": "c", "namespace": "n", "resourceVersion": "1"},
        "spec": {"devices": {
            "requests": [
                {"name": "a", "exactly": {"deviceClassName": "gpu"}},
                {"name": "a", "firstAvailable": [{"name": "b", "count": -1}]},
                {"name": "d"},
            ],
            "constraints": [{"requests": ["a/b", "x"], "matchAttribute": "e.com/f"}],
        }}});
        set_defaults(GROUP, "ResourceClaim", &mut claim);
        let errors = validate_create(GROUP, "ResourceClaim", true, &claim);
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let path = "spec.devices.requests";
        assert_eq!(
            texts[..4],
            [
                format!("{path}[1].firstAvailable[0].deviceClassName: Required value"),
                format!(
                    "{path}[1].firstAvailable[0].count: Invalid value: -1: must be greater than zero"
                ),
                format!(
                    "{path}[2]: Required value: exactly one of `exactly` or `firstAvailable` is \
                     required"
                ),
                format!("{path}[1]: Duplicate value: \"a\""),
            ]
        );
        assert!(
            texts[4].starts_with("spec.devices.constraints[0].requests[1]: Invalid value: \"x\"")
        );
        let old = claim.clone();
        claim["spec"]["devices"]["requests"] = json!([]);
        let errors = validate_update(GROUP, "ResourceClaim", "", &claim, &old);
        assert!(errors[0].to_string().ends_with("field is immutable"));
        let same = validate_update(GROUP, "ResourceClaim", "", &old, &old);
        assert_eq!(same, []);
    }

    #[test]
    fn what_is_borne_and_what_is_to_be_alike_is_named() {
        let claim = json!({"metadata": {"name": "c", "namespace": "n"}, "spec": {"devices": {
            "requests": [{"name": "a", "exactly": {"deviceClassName": "gpu", "count": 1,
                "allocationMode": "ExactCount", "tolerations": [
                    {"operator": "Exists", "value": "x"}, {"operator": "In", "effect": "Never"}]}}],
            "constraints": [{"matchAttribute": "model"}, {}],
            "config": [{"requests": ["a/b/c"], "opaque": {"driver": "e.com", "parameters": [1]}}],
        }}});
        let errors = validate_create(GROUP, "ResourceClaim", true, &claim);
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let at = "spec.devices.requests[0].exactly.tolerations";
        assert_eq!(
            texts,
            [
                format!("{at}[0].value: Invalid value: \"x\": must be empty for operator `Exists`"),
                format!(
                    "{at}[1].operator: Unsupported value: \"In\": supported values: \"Equal\", \
                     \"Exists\""
                ),
                format!(
                    "{at}[1].effect: Unsupported value: \"Never\": supported values: \
                     \"NoExecute\", \"NoSchedule\", \"None\""
                ),
                "spec.devices.constraints[0].matchAttribute: Invalid value: \"model\": a fully \
                 qualified name must be a domain and a name separated by a slash"
                    .to_owned(),
                "spec.devices.constraints[1]: Required value: exactly one of \"matchAttribute\" or \
                 \"distinctAttribute\" is required, but multiple fields are set"
                    .to_owned(),
                "spec.devices.config[0].requests[0]: Invalid value: \"a/b/c\": must be the name of \
                 a request in the claim or the name of a request and a subrequest separated by '/'"
                    .to_owned(),
                "spec.devices.config[0].opaque.parameters: Invalid value: \"<value omitted>\": \
                 must be a valid JSON object"
                    .to_owned(),
            ]
        );
    }
}
