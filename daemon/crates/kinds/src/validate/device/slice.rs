//! What devices there are, and where they are.

use serde_json::Value;

use super::super::pod;
use super::super::rules::{POSITIVE, label, subdomain};
use super::facts::device;
use super::set::{in_set, map};
use super::{name_of, names};
use crate::error::Errors;
use crate::path::Path;
use crate::value::{int, is_set, is_true, len, list, text};

const DEVICES_MAX: usize = 128;
/// Where any of them has taints or consumes counters.
const RICH_DEVICES_MAX: usize = 64;
const COUNTER_SETS_MAX: usize = 8;
const COUNTERS_MAX: usize = 32;
const EITHER_TRUE: &str = "must be either unset or set to true";

pub(in crate::validate) fn slice(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let (spec, path) = (&object["spec"], Path::root("spec"));
    pod::driver_name(text(&spec["driver"]), &path.child("driver"), errors);
    pool(&spec["pool"], &path.child("pool"), errors);
    if let Some(old) = old {
        let old = &old["spec"];
        let pool = path.child("pool");
        let names = (&spec["pool"]["name"], &old["pool"]["name"]);
        errors.immutable(&pool.child("name"), names.0, names.1);
        errors.immutable(&path.child("driver"), &spec["driver"], &old["driver"]);
        errors.immutable(&path.child("nodeName"), &spec["nodeName"], &old["nodeName"]);
    }
    let is_each = is_true(&spec["perDeviceNodeSelection"]);
    let mut said = places(
        spec,
        &path,
        "must be either unset or set to a non-empty string",
        errors,
    );
    let terms = &spec["nodeSelector"]["nodeSelectorTerms"];
    if is_set(&spec["nodeSelector"]) && len(terms) != 1 {
        let selector = path.child("nodeSelector");
        let message = "must have exactly one node selector term";
        errors.invalid(&selector.child("nodeSelectorTerms"), terms.clone(), message);
    }
    if is_each {
        said.push("`perDeviceNodeSelection`");
    } else if is_set(&spec["perDeviceNodeSelection"]) {
        errors.invalid(&path.child("perDeviceNodeSelection"), false, EITHER_TRUE);
    }
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
    if is_set(&spec["sharedCounters"]) && is_set(&spec["devices"]) {
        let message = "only one of `sharedCounters` or `devices` is allowed";
        errors.invalid(&path, "", message);
    }
    let devices = list(&spec["devices"]);
    let is_rich =
        |device: &Value| len(&device["taints"]) > 0 || len(&device["consumesCounters"]) > 0;
    let most = match devices.iter().any(is_rich) {
        true => RICH_DEVICES_MAX,
        false => DEVICES_MAX,
    };
    let was = |name: &Value| {
        let mut before = list(&old?["spec"]["devices"]).iter();
        before.find(|device| device["name"] == *name)
    };
    let at = path.child("devices");
    in_set(
        &spec["devices"],
        most,
        &at,
        errors,
        name_of,
        |one, path, errors| {
            device(one, was(&one["name"]), is_each, path, errors);
        },
    );
    let at = path.child("sharedCounters");
    let counters = &spec["sharedCounters"];
    in_set(
        counters,
        COUNTER_SETS_MAX,
        &at,
        errors,
        name_of,
        |one, path, errors| {
            counter_set(one, "name", path, errors);
        },
    );
}

/// Where a slice or a device says that it is.
pub(super) fn places(
    of: &Value,
    path: &Path<'_>,
    empty: &str,
    errors: &mut Errors,
) -> Vec<&'static str> {
    let mut said = Vec::new();
    if let Some(name) = of["nodeName"].as_str() {
        let path = path.child("nodeName");
        if name.is_empty() {
            errors.invalid(&path, name, empty);
        } else {
            said.push("`nodeName`");
            subdomain(name, &path, errors);
        }
    }
    if is_set(&of["nodeSelector"]) {
        said.push("`nodeSelector`");
        pod::node_selector(
            &of["nodeSelector"],
            false,
            &path.child("nodeSelector"),
            errors,
        );
    }
    if is_true(&of["allNodes"]) {
        said.push("`allNodes`");
    } else if is_set(&of["allNodes"]) {
        errors.invalid(&path.child("allNodes"), false, EITHER_TRUE);
    }
    said
}

fn pool(pool: &Value, path: &Path<'_>, errors: &mut Errors) {
    names::pool(text(&pool["name"]), &path.child("name"), errors);
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

pub(super) fn counter_set(counters: &Value, name: &str, path: &Path<'_>, errors: &mut Errors) {
    let at = path.child(name);
    match text(&counters[name]) {
        "" => errors.required(&at, ""),
        name => label(name, &at, errors),
    }
    let at = path.child("counters");
    if len(&counters["counters"]) == 0 {
        return errors.required(&at, "");
    }
    map(
        &counters["counters"],
        COUNTERS_MAX,
        &at,
        errors,
        label,
        |_, _, _| {},
    );
}

#[cfg(test)]
mod tests {
    use crate::validate_create;
    use serde_json::{Value, json};

    const GROUP: &str = "resource.k8s.io";

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
        let nowhere = slice(json!({"allNodes": false}));
        assert_eq!(
            nowhere[0],
            "spec.allNodes: Invalid value: false: must be either unset or set to true"
        );
        assert!(nowhere[1].starts_with("spec: Required value: exactly"));
        let both = slice(json!({"nodeName": "n", "allNodes": true}));
        assert!(
            both[0].starts_with("spec: Invalid value: \"{`nodeName`, `allNodes`}\": exactly one")
        );
    }
}
