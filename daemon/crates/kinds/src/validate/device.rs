//! What devices there are and who asks for them: slices, classes, claims and their templates.
//!
//! Expressions are bounded and not compiled.

use serde_json::Value;

use super::pod;
use super::rules::{POSITIVE, label, subdomain};
use crate::error::Errors;
use crate::path::Path;
use crate::value::{int, is_set, is_true, len, list, text};

const LIST_MAX: usize = 32;
const ALTERNATIVES_MAX: usize = 8;
const DEVICES_MAX: usize = 128;
const EXPRESSION_BYTES_MAX: usize = 10 * 1024;
const POOL_NAME_BYTES_MAX: usize = 253;

pub(super) fn class(object: &Value, errors: &mut Errors) {
    let (spec, path) = (&object["spec"], Path::root("spec"));
    selectors(&spec["selectors"], &path.child("selectors"), errors);
    configurations(&spec["config"], &path.child("config"), None, errors);
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
    let (devices, path) = (&spec["devices"], path.child("devices"));
    let requests = path.child("requests");
    named(&devices["requests"], LIST_MAX, &requests, request, errors);
    let constraints = path.child("constraints");
    at_most(&devices["constraints"], LIST_MAX, &constraints, errors);
    for (i, constraint) in list(&devices["constraints"]).iter().enumerate() {
        let path = constraints.index(i);
        references(&constraint["requests"], devices, &path, errors);
    }
    configurations(
        &devices["config"],
        &path.child("config"),
        Some(devices),
        errors,
    );
}

fn at_most(items: &Value, most: usize, path: &Path<'_>, errors: &mut Errors) {
    if len(items) > most {
        errors.too_many(path, len(items), most);
    }
}

/// A list whose items have names of their own.
fn named(
    items: &Value,
    most: usize,
    path: &Path<'_>,
    check: fn(&Value, &Path<'_>, &mut Errors),
    errors: &mut Errors,
) {
    at_most(items, most, path, errors);
    let mut seen: Vec<&str> = Vec::new();
    for (i, item) in list(items).iter().enumerate() {
        let (name, path) = (text(&item["name"]), path.index(i));
        label(name, &path.child("name"), errors);
        check(item, &path, errors);
        if seen.contains(&name) {
            errors.duplicate(&path, name);
        }
        seen.push(name);
    }
}

fn request(request: &Value, path: &Path<'_>, errors: &mut Errors) {
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
            named(items, ALTERNATIVES_MAX, &path, wanted, errors);
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
}

fn selectors(selectors: &Value, path: &Path<'_>, errors: &mut Errors) {
    at_most(selectors, LIST_MAX, path, errors);
    for (i, selector) in list(selectors).iter().enumerate() {
        let path = path.index(i);
        let at = path.child("cel");
        if !is_set(&selector["cel"]) {
            errors.required(&at, "");
        } else if text(&selector["cel"]["expression"]).len() > EXPRESSION_BYTES_MAX {
            errors.too_long(&at.child("expression"), EXPRESSION_BYTES_MAX);
        }
    }
}

/// What drivers are told; within a claim it may be for some of its requests.
fn configurations(
    configurations: &Value,
    path: &Path<'_>,
    claim: Option<&Value>,
    errors: &mut Errors,
) {
    at_most(configurations, LIST_MAX, path, errors);
    for (i, configuration) in list(configurations).iter().enumerate() {
        let path = path.index(i);
        if let Some(claim) = claim {
            references(&configuration["requests"], claim, &path, errors);
        }
        let (opaque, at) = (&configuration["opaque"], path.child("opaque"));
        if !is_set(opaque) {
            errors.required(&at, "");
            continue;
        }
        pod::driver_name(text(&opaque["driver"]), &at.child("driver"), errors);
        if !is_set(&opaque["parameters"]) {
            errors.required(&at.child("parameters"), "");
        }
    }
}

/// Names of requests of a claim: `request` or `request/alternative`.
fn references(names: &Value, claim: &Value, path: &Path<'_>, errors: &mut Errors) {
    let path = path.child("requests");
    at_most(names, LIST_MAX, &path, errors);
    for (i, name) in list(names).iter().map(text).enumerate() {
        let (of, alternative) = name.split_once('/').unwrap_or((name, ""));
        let is_known = list(&claim["requests"]).iter().any(|request| {
            let mut alternatives = list(&request["firstAvailable"]).iter();
            request["name"] == of
                && (alternative.is_empty() || alternatives.any(|one| one["name"] == alternative))
        });
        if !is_known {
            let message = "must be the name of a request in the claim or the name of a request \
                           and a subrequest separated by '/'";
            errors.invalid(&path.index(i), name, message);
        }
    }
}

const WHERE: [&str; 4] = [
    "nodeName",
    "nodeSelector",
    "allNodes",
    "perDeviceNodeSelection",
];

pub(super) fn slice(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let (spec, path) = (&object["spec"], Path::root("spec"));
    pod::driver_name(text(&spec["driver"]), &path.child("driver"), errors);
    pool(&spec["pool"], &path.child("pool"), errors);
    let said: Vec<&str> = WHERE
        .into_iter()
        .filter(|field| is_said(&spec[*field]))
        .collect();
    let one = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` \
               is required";
    match said.as_slice() {
        [] => errors.required(&path, one),
        [_] => {}
        several => {
            let shown = format!("{{{}}}", several.join(", "));
            let message = format!("{one}, but multiple fields are set");
            errors.invalid(&path, shown, message);
        }
    }
    let devices = path.child("devices");
    named(
        &spec["devices"],
        DEVICES_MAX,
        &devices,
        |_, _, _| {},
        errors,
    );
    if let Some(old) = old {
        let old = &old["spec"];
        errors.immutable(&path.child("driver"), &spec["driver"], &old["driver"]);
        let pool = path.child("pool");
        let names = (&spec["pool"]["name"], &old["pool"]["name"]);
        errors.immutable(&pool.child("name"), names.0, names.1);
        errors.immutable(&path.child("nodeName"), &spec["nodeName"], &old["nodeName"]);
    }
}

fn is_said(value: &Value) -> bool {
    is_true(value) || value.is_object() || !text(value).is_empty()
}

fn pool(pool: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (name, at) = (text(&pool["name"]), path.child("name"));
    if name.is_empty() {
        errors.required(&at, "");
    } else {
        if name.len() > POOL_NAME_BYTES_MAX {
            errors.too_long(&at, POOL_NAME_BYTES_MAX);
        }
        for part in name.split('/') {
            subdomain(part, &at, errors);
        }
    }
    let count = int(&pool["resourceSliceCount"]);
    if count <= 0 {
        errors.invalid(&path.child("resourceSliceCount"), count, POSITIVE);
    }
    let generation = int(&pool["generation"]);
    if generation < 0 {
        let message = "must be greater than or equal to zero";
        errors.invalid(&path.child("generation"), generation, message);
    }
}

#[cfg(test)]
mod tests {
    use crate::{set_defaults, validate_create, validate_update};
    use serde_json::{Value, json};

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
                format!("{path}[1]: Duplicate value: \"a\""),
                format!(
                    "{path}[2]: Required value: exactly one of `exactly` or `firstAvailable` is \
                     required"
                ),
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
    fn a_slice_says_where_its_devices_are() {
        let slice = |of: Value| {
            let mut spec = json!({"driver": "a.example.com", "devices": [{"name": "d"}],
                "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1}});
            spec.as_object_mut()
                .unwrap()
                .extend(of.as_object().unwrap().clone());
            let object = json!({"metadata": {"name": "s"}, "spec": spec});
            let errors = validate_create(GROUP, "ResourceSlice", false, &object);
            let texts = errors.iter().map(ToString::to_string);
            texts.collect::<Vec<_>>()
        };
        assert_eq!(slice(json!({"nodeName": "n"})), [""; 0]);
        assert_eq!(slice(json!({"allNodes": true})), [""; 0]);
        assert!(slice(json!({"allNodes": false}))[0].starts_with("spec: Required value: exactly"));
        let both = slice(json!({"nodeName": "n", "allNodes": true}));
        assert!(both[0].starts_with("spec: Invalid value: \"{nodeName, allNodes}\": exactly one"));
    }
}
