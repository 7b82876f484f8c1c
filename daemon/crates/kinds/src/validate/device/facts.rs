//! What is said of one device: its attributes, capacity, taints, and where it is.

use serde_json::Value;

use super::super::rules::label;
use super::capacity::request_policy;
use super::set::{in_set, map, set};
use super::slice::{counter_set, places};
use super::{EFFECTS, names};
use crate::error::Errors;
use crate::format;
use crate::path::Path;
use crate::value::{is_set, is_true, len, list, same, text};

const CONSUMED_SETS_MAX: usize = 2;
const FACTS_MAX: usize = 32;
const FACT_BYTES_MAX: usize = 64;
const TAINTS_MAX: usize = 16;
const BINDING_CONDITIONS_MAX: usize = 4;

pub(super) fn device(
    device: &Value,
    was: Option<&Value>,
    is_each: bool,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    label(text(&device["name"]), &path.child("name"), errors);
    let facts = len(&device["attributes"]) + len(&device["capacity"]);
    if facts > FACTS_MAX {
        let message =
            format!("the total number of attributes and capacities must not exceed {FACTS_MAX}");
        errors.invalid(path, facts, message);
    }
    let at = path.child("attributes");
    map(
        &device["attributes"],
        usize::MAX,
        &at,
        errors,
        names::qualified,
        attribute,
    );
    let is_new = |field: &str| was.is_none_or(|was| !same(&was[field], &device[field]));
    if is_new("capacity") {
        let is_shared = is_true(&device["allowMultipleAllocations"]);
        let (at, capacity) = (path.child("capacity"), &device["capacity"]);
        map(
            capacity,
            usize::MAX,
            &at,
            errors,
            names::qualified,
            |one, path, errors| {
                let at = path.child("requestPolicy");
                match (is_set(&one["requestPolicy"]), is_shared) {
                    (false, _) => {}
                    (true, true) => request_policy(one, &at, errors),
                    (true, false) => errors.forbidden(&at, "allowMultipleAllocations must be true"),
                }
            },
        );
    }
    if is_new("taints") {
        set(
            &device["taints"],
            TAINTS_MAX,
            &path.child("taints"),
            errors,
            taint,
        );
    }
    let set_of = |one: &Value| text(&one["counterSet"]).to_owned();
    let (at, consumed) = (path.child("consumesCounters"), &device["consumesCounters"]);
    in_set(
        consumed,
        CONSUMED_SETS_MAX,
        &at,
        errors,
        set_of,
        |one, path, errors| {
            counter_set(one, "counterSet", path, errors);
        },
    );
    place(device, is_each, path, errors);
    binding(device, path, errors);
}

/// Where a device is, if not where its slice is.
fn place(device: &Value, is_each: bool, path: &Path<'_>, errors: &mut Errors) {
    let fields = ["nodeName", "nodeSelector", "allNodes"];
    if !is_each {
        if fields.iter().any(|field| is_set(&device[*field])) {
            let message = "`nodeName`, `nodeSelector` and `allNodes` can only be set if \
                           `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
            errors.invalid(path, Value::Null, message);
        }
        return;
    }
    let said = places(device, path, "must not be empty", errors);
    let one = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when \
               `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
    match said.as_slice() {
        [] => errors.required(path, one),
        [_] => {}
        several => errors.invalid(path, format!("{{{}}}", several.join(", ")), one),
    }
}

fn attribute(attribute: &Value, path: &Path<'_>, errors: &mut Errors) {
    let fields = ["bool", "int", "string", "version"];
    let count = fields
        .iter()
        .filter(|field| is_set(&attribute[**field]))
        .count();
    let too_long = |value: &str| value.len() > FACT_BYTES_MAX;
    if attribute["string"].as_str().is_some_and(too_long) {
        errors.too_long(&path.child("string"), FACT_BYTES_MAX);
    }
    if let Some(version) = attribute["version"].as_str() {
        let path = path.child("version");
        if !names::is_version(version) {
            let message = "must be a string compatible with semver.org spec 2.0.0";
            errors.invalid(&path, version, message);
        }
        if too_long(version) {
            errors.too_long(&path, FACT_BYTES_MAX);
        }
    }
    let message = "exactly one value must be specified";
    match count {
        0 => errors.invalid(path, "", message),
        1 => {}
        _ => errors.invalid(path, attribute.clone(), message),
    }
}

/// The key of a taint says why, its effect what happens to whoever does not bear it.
fn taint(taint: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (key, value) = (text(&taint["key"]), text(&taint["value"]));
    errors.each(&path.child("key"), key, format::label_key(key));
    if !value.is_empty() {
        errors.each(&path.child("value"), value, format::label_value(value));
    }
    match text(&taint["effect"]) {
        "" => errors.required(&path.child("effect"), ""),
        effect if EFFECTS.contains(&effect) => {}
        effect => errors.not_supported(&path.child("effect"), effect, EFFECTS),
    }
}

/// What is to be true of a device before a pod is bound to its node.
pub(super) fn binding(device: &Value, path: &Path<'_>, errors: &mut Errors) {
    let fields = ["bindingConditions", "bindingFailureConditions"];
    for field in fields {
        let at = path.child(field);
        set(
            &device[field],
            BINDING_CONDITIONS_MAX,
            &at,
            errors,
            |one, path, errors| {
                errors.each(path, text(one), format::label_key(text(one)));
            },
        );
    }
    let [wanted, failed] = fields.map(|field| list(&device[field]));
    for (field, conditions) in fields.into_iter().zip([wanted, failed]) {
        let path = path.child(field);
        for (i, condition) in conditions.iter().enumerate() {
            if conditions[..i].contains(condition) {
                errors.duplicate(&path.index(i), text(condition));
            }
            if field == fields[1] && wanted.contains(condition) {
                let message = "bindingFailureConditions must not overlap with bindingConditions";
                errors.invalid(&path.index(i), text(condition), message);
            }
        }
    }
    for (missing, there) in [(0, 1), (1, 0)] {
        let (missing, there) = (fields[missing], fields[there]);
        if len(&device[missing]) == 0 && len(&device[there]) > 0 {
            let message = format!("{missing} are required to use {there}");
            errors.invalid(&path.child(missing), Value::Null, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{validate_create, validate_update};
    use serde_json::{Value, json};

    const GROUP: &str = "resource.k8s.io";

    fn with(device: Value) -> Vec<String> {
        let object = slice_of(device);
        let errors = validate_create(GROUP, "ResourceSlice", false, &object);
        errors.iter().map(ToString::to_string).collect()
    }

    fn slice_of(device: Value) -> Value {
        json!({"metadata": {"name": "s", "resourceVersion": "1"}, "spec": {
            "driver": "a.example.com", "nodeName": "n", "devices": [device],
            "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1}}})
    }

    #[test]
    fn what_is_said_of_a_device_has_a_name_and_one_value() {
        let device = json!({"name": "d",
            "attributes": {"model": {"string": "x"}, "e.com/v": {"version": "1.2.3"},
                "e.com/": {"int": 1, "bool": true}, "none": {}, "old": {"version": "1.2"}},
            "capacity": {"memory": {"value": "1Gi", "requestPolicy": {"default": "1"}}},
            "taints": [{"key": "broken", "effect": "Gone"}],
            "bindingConditions": ["ready"],
            "allNodes": true});
        let path = "spec.devices[0]";
        assert_eq!(
            with(device.clone()),
            [
                format!("{path}.attributes: Invalid value: \"\": the name must not be empty"),
                format!(
                    "{path}.attributes[e.com/]: Invalid value: {{\"bool\":true,\"int\":1}}: exactly \
                     one value must be specified"
                ),
                format!(
                    "{path}.attributes[none]: Invalid value: \"\": exactly one value must be \
                     specified"
                ),
                format!(
                    "{path}.attributes[old].version: Invalid value: \"1.2\": must be a string \
                     compatible with semver.org spec 2.0.0"
                ),
                format!(
                    "{path}.capacity[memory].requestPolicy: Forbidden: allowMultipleAllocations \
                     must be true"
                ),
                format!(
                    "{path}.taints[0].effect: Unsupported value: \"Gone\": supported values: \
                     \"NoExecute\", \"NoSchedule\", \"None\""
                ),
                format!(
                    "{path}: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can \
                     only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice \
                     spec"
                ),
                format!(
                    "{path}.bindingFailureConditions: Invalid value: null: \
                     bindingFailureConditions are required to use bindingConditions"
                ),
            ]
        );
        // What was there before may stay.
        let old = slice_of(device);
        let errors = validate_update(GROUP, "ResourceSlice", "", &old, &old);
        assert!(!errors.iter().any(|error| error.field.contains("taints")));
    }
}
