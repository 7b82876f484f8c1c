//! What of a pod may change once it is there.

use serde_json::{Map, Value};

use crate::error::Errors;
use crate::format::inclusive_range;
use crate::path::Path;
use crate::strategy::qos_class;
use crate::value::{entries, is_set, len, list, same, text};

const UPDATABLE: &str = "pod updates may not change fields other than \
    `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
    `spec.tolerations` (only additions to existing tolerations),\
    `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// What is wrong with a pod that replaces another, beyond what would be wrong with a new one.
pub(in crate::validate) fn update(new: &Value, old: &Value, errors: &mut Errors) {
    let (new, old) = (&new["spec"], &old["spec"]);
    let path = Path::root("spec");
    for field in ["containers", "initContainers"] {
        if len(&new[field]) != len(&old[field]) {
            let message = "pod updates may not add or remove containers";
            return errors.forbidden(&path.child(field), message);
        }
    }
    if !deadline(new, old, &path.child("activeDeadlineSeconds"), errors) {
        return;
    }
    only_added_tolerations(new, old, &path.child("tolerations"), errors);
    only_removed_gates(new, old, &path.child("schedulingGates"), errors);
    if same(new, old) {
        return;
    }
    let mut rest = new.clone();
    let is_gated = len(&old["schedulingGates"]) > 0;
    put_back_what_may_change(&mut rest, old, is_gated);
    if is_gated && !keeps_all(&old["nodeSelector"], &new["nodeSelector"]) {
        let message = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
        errors.invalid(
            &path.child("nodeSelector"),
            new["nodeSelector"].clone(),
            message,
        );
    }
    if !same(&rest, old) {
        errors.forbidden(&path, format!("{UPDATABLE}\n{}", difference(old, &rest)));
    }
}

fn deadline(new: &Value, old: &Value, path: &Path<'_>, errors: &mut Errors) -> bool {
    let field = "activeDeadlineSeconds";
    match (new[field].as_i64(), old[field].as_i64()) {
        (Some(seconds), _) if !(0..=i64::from(i32::MAX)).contains(&seconds) => {
            errors.invalid(path, seconds, inclusive_range(0, i64::from(i32::MAX)));
            false
        }
        (Some(seconds), Some(before)) if before < seconds => {
            errors.invalid(
                path,
                seconds,
                "must be less than or equal to previous value",
            );
            false
        }
        (None, Some(_)) => {
            let message = "must not update from a positive integer to nil value";
            errors.invalid(path, Value::Null, message);
            true
        }
        _ => true,
    }
}

fn only_added_tolerations(new: &Value, old: &Value, path: &Path<'_>, errors: &mut Errors) {
    let without_seconds = |toleration: &Value| -> Map<String, Value> {
        let mut toleration = toleration.as_object().cloned().unwrap_or_default();
        toleration.remove("tolerationSeconds");
        toleration
    };
    let kept: Vec<_> = list(&new["tolerations"])
        .iter()
        .map(without_seconds)
        .collect();
    let is_gone = |old: &Value| !kept.contains(&without_seconds(old));
    if list(&old["tolerations"]).iter().any(is_gone) {
        let message = "existing toleration can not be modified except its tolerationSeconds";
        errors.forbidden(path, message);
    }
}

fn only_removed_gates(new: &Value, old: &Value, path: &Path<'_>, errors: &mut Errors) {
    let before = list(&old["schedulingGates"]);
    for (i, gate) in list(&new["schedulingGates"]).iter().enumerate() {
        if !before.iter().any(|old| old["name"] == gate["name"]) {
            let name = text(&gate["name"]);
            let message =
                format!("only deletion is allowed, but found new scheduling gate '{name}'");
            errors.forbidden(&path.index(i).child("name"), message);
        }
    }
}

/// Makes what may change as it was, so that what is left must be the same.
fn put_back_what_may_change(rest: &mut Value, old: &Value, is_gated: bool) {
    for field in ["containers", "initContainers"] {
        let containers = rest.get_mut(field).and_then(Value::as_array_mut);
        for (container, old) in containers.into_iter().flatten().zip(list(&old[field])) {
            if let Some(container) = container.as_object_mut() {
                container.insert("image".to_owned(), old["image"].clone());
            }
        }
    }
    let grace = "terminationGracePeriodSeconds";
    let was_negative = old[grace].as_i64().is_some_and(|seconds| seconds < 0);
    let is_mended = was_negative && rest[grace] == 1;
    let mut fields = vec!["activeDeadlineSeconds", "schedulingGates", "tolerations"];
    if is_mended {
        fields.push(grace);
    }
    if is_gated {
        fields.push("nodeSelector");
    }
    let Some(rest) = rest.as_object_mut() else {
        return;
    };
    for field in fields {
        rest.insert(field.to_owned(), old[field].clone());
    }
    if is_gated && is_set(&old["affinity"]) {
        let nodes = old["affinity"]["nodeAffinity"].clone();
        if let Some(affinity) = rest.get_mut("affinity").and_then(Value::as_object_mut) {
            affinity.insert("nodeAffinity".to_owned(), nodes);
        }
    }
}

fn keeps_all(old: &Value, new: &Value) -> bool {
    entries(old).all(|(key, value)| new.get(key) == Some(value))
}

/// Containers that look at the others are added, never taken away or changed.
pub(in crate::validate) fn ephemeral_update(new: &Value, old: &Value, errors: &mut Errors) {
    super::whole(new, errors);
    let spec = Path::root("spec");
    let path = spec.child("ephemeralContainers");
    let containers = list(&new["spec"]["ephemeralContainers"]);
    for before in list(&old["spec"]["ephemeralContainers"]) {
        let name = text(&before["name"]);
        match containers
            .iter()
            .find(|container| text(&container["name"]) == name)
        {
            None => {
                let message =
                    format!("existing ephemeral containers \"{name}\" may not be removed\n");
                errors.forbidden(&path, message);
            }
            Some(after) if !same(after, before) => {
                let message = format!(
                    "existing ephemeral containers \"{name}\" may not be changed\n{}",
                    difference(before, after)
                );
                errors.forbidden(&path, message);
            }
            Some(_) => {}
        }
    }
}

/// What containers ask for may grow and shrink, but stays asked for.
pub(in crate::validate) fn resize(new: &Value, old: &Value, errors: &mut Errors) {
    super::whole(new, errors);
    let path = Path::root("spec");
    if qos_class(&new["spec"]) != text(&old["status"]["qosClass"])
        && is_set(&old["status"]["qosClass"])
    {
        let class = new["status"]["qosClass"].clone();
        errors.invalid(
            &path,
            class,
            "Pod QOS Class may not change as a result of resizing",
        );
    }
    for field in ["containers", "initContainers"] {
        let path = path.child(field);
        let pairs = list(&new["spec"][field])
            .iter()
            .zip(list(&old["spec"][field]));
        for (i, (after, before)) in pairs.enumerate() {
            resized(after, before, field, &path.index(i), errors);
        }
    }
}

fn resized(after: &Value, before: &Value, field: &str, path: &Path<'_>, errors: &mut Errors) {
    let (wanted, was) = (&after["resources"], &before["resources"]);
    let spec = Path::root("spec");
    if field == "initContainers" && after["restartPolicy"] != "Always" {
        if !same(wanted, was) {
            let message = "resources for non-sidecar init containers are immutable";
            errors.forbidden(&spec, message);
        }
        return;
    }
    let path = path.child("resources");
    let rest = |resources: &Value| -> Value {
        let mut rest = resources.clone();
        for amounts in ["limits", "requests"] {
            if let Some(amounts) = rest.get_mut(amounts).and_then(Value::as_object_mut) {
                amounts.remove("cpu");
                amounts.remove("memory");
            }
        }
        rest
    };
    for amounts in ["requests", "limits"] {
        let is_gone = entries(&was[amounts]).any(|(name, _)| !is_set(&wanted[amounts][name]));
        if is_gone {
            let kind = amounts.trim_end_matches('s');
            let message = format!("resource {kind}s cannot be removed");
            errors.forbidden(&path.child(amounts), message);
        }
    }
    if !same(&rest(wanted), &rest(was)) {
        let message = match field {
            "containers" => "only cpu and memory resources are mutable",
            _ => "only cpu and memory resources for sidecar containers are mutable",
        };
        errors.forbidden(&spec, message);
    }
}

/// The fields that differ, before and after.
pub(in crate::validate) fn difference(old: &Value, new: &Value) -> String {
    let mut fields: Vec<&String> = [old, new]
        .iter()
        .filter_map(|value| value.as_object())
        .flat_map(Map::keys)
        .collect();
    fields.sort_unstable();
    fields.dedup();
    let mut lines = String::new();
    for field in fields {
        let (before, after) = (&old[field], &new[field]);
        if same(before, after) {
            continue;
        }
        for (sign, value) in [('-', before), ('+', after)] {
            if is_set(value) {
                lines.push_str(&format!("{sign} {field}: {value}\n"));
            }
        }
    }
    lines
}
