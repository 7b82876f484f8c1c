//! Pods with names and storage of their own, and the history of their templates.

use serde_json::Value;

use super::super::pod;
use super::super::rules::{
    all_nonnegative, at_most_all, int_or_percent, int_or_percent_value, nonnegative,
};
use super::runs_on;
use super::selected_template;
use crate::error::Errors;
use crate::path::Path;
use crate::value::{is_set, same, text};

/// What of a stateful set may change.
const STATEFUL_UPDATABLE: &[&str] = &[
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

pub(in crate::validate) fn stateful_set(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    let path = Path::root("spec");
    let management = path.child("podManagementPolicy");
    match text(&spec["podManagementPolicy"]) {
        "" => errors.required(&management, ""),
        "OrderedReady" | "Parallel" => {}
        other => errors.invalid(&management, other, "must be 'OrderedReady' or 'Parallel'"),
    }
    stateful_strategy(
        &spec["updateStrategy"],
        &path.child("updateStrategy"),
        errors,
    );
    let retention = path.child("persistentVolumeClaimRetentionPolicy");
    let policy = &spec["persistentVolumeClaimRetentionPolicy"];
    for field in ["whenDeleted", "whenScaled"] {
        let word = text(&policy[field]);
        if is_set(policy) && !matches!(word, "Retain" | "Delete") {
            errors.not_supported(&retention.child(field), word, &["Retain", "Delete"]);
        }
    }
    all_nonnegative(spec, &["replicas", "minReadySeconds"], &path, errors);
    nonnegative(
        &spec["ordinals"]["start"],
        &path.child("ordinals.start"),
        errors,
    );
    selected_template(spec, "statefulset", &path, errors);
    // Its volumes are not all known here: claims make some of them.
    pod::template_metadata(&spec["template"], &path.child("template"), errors);
    runs_on(spec, "StatefulSet", &path, errors);
    if let Some(old) = old {
        let rest = |spec: &Value| -> Value {
            let mut spec = spec.clone();
            if let Some(spec) = spec.as_object_mut() {
                spec.retain(|field, _| !STATEFUL_UPDATABLE.contains(&field.as_str()));
            }
            spec
        };
        if !same(&rest(spec), &rest(&old["spec"])) {
            let message = "updates to statefulset spec for fields other than 'replicas', \
                           'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', \
                           'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are \
                           forbidden";
            errors.forbidden(&path, message);
        }
    }
}

fn stateful_strategy(strategy: &Value, path: &Path<'_>, errors: &mut Errors) {
    let rolling = &strategy["rollingUpdate"];
    let at = path.child("rollingUpdate");
    match text(&strategy["type"]) {
        "" => errors.required(path, ""),
        "OnDelete" if is_set(rolling) => {
            let message = "only allowed for updateStrategy 'RollingUpdate'";
            errors.invalid(&at, rolling.clone(), message);
        }
        "OnDelete" => {}
        "RollingUpdate" => {
            nonnegative(&rolling["partition"], &at.child("partition"), errors);
            let unavailable = &rolling["maxUnavailable"];
            if is_set(unavailable) {
                let path = at.child("maxUnavailable");
                int_or_percent(unavailable, &path, errors);
                if int_or_percent_value(unavailable) == 0 {
                    errors.invalid(&path, unavailable.clone(), "cannot be 0");
                }
                at_most_all(unavailable, &path, errors);
            }
        }
        _ => {
            let message = "must be 'RollingUpdate' or 'OnDelete'";
            errors.invalid(path, strategy.clone(), message);
        }
    }
}

pub(in crate::validate) fn controller_revision(
    object: &Value,
    old: Option<&Value>,
    errors: &mut Errors,
) {
    let data = Path::root("data");
    if !is_set(&object["data"]) {
        errors.required(&data, "data is mandatory");
    }
    nonnegative(&object["revision"], &Path::root("revision"), errors);
    if let Some(old) = old {
        errors.immutable(&data, &object["data"], &old["data"]);
    }
}
