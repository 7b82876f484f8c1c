//! What keeps pods running: selectors that find their own template, strategies that can proceed.

mod stateful;

pub(super) use stateful::{controller_revision, stateful_set};

use serde_json::{Value, json};

use super::pod;
use super::rules::{
    all_nonnegative, at_most_all, int_or_percent, int_or_percent_value, nonnegative,
};
use crate::error::Errors;
use crate::path::Path;
use crate::selector;
use crate::value::{int, is_set, len, text};

/// A selector that must be there and pick something, and the template that it must pick.
fn selected_template(spec: &Value, empty: &str, path: &Path<'_>, errors: &mut Errors) {
    let at = path.child("selector");
    if !is_set(&spec["selector"]) {
        errors.required(&at, "");
    } else {
        selector::validate(&spec["selector"], &at, errors);
        if selector::is_empty(&spec["selector"]) {
            let message = format!("empty selector is invalid for {empty}");
            errors.invalid(&at, spec["selector"].clone(), message);
        }
    }
    let is_malformed = selector::requirements(&spec["selector"]).is_none();
    if is_malformed {
        errors.invalid(&at, spec["selector"].clone(), "invalid label selector");
    } else {
        matching_labels(spec, path, errors);
    }
}

fn matching_labels(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let labels = &spec["template"]["metadata"]["labels"];
    if !selector::matches(&spec["selector"], labels) {
        let template = path.child("template");
        let metadata = template.child("metadata");
        let message = "`selector` does not match template `labels`";
        errors.invalid(&metadata.child("labels"), labels.clone(), message);
    }
}

/// Pods that are kept running are always restarted, and have no deadline.
fn runs_on(spec: &Value, kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let template = path.child("template");
    let at = template.child("spec");
    let spec = &spec["template"]["spec"];
    if spec["restartPolicy"] != "Always" {
        let policy = text(&spec["restartPolicy"]);
        errors.not_supported(&at.child("restartPolicy"), policy, &["Always"]);
    }
    if is_set(&spec["activeDeadlineSeconds"]) {
        let message = format!("activeDeadlineSeconds in {kind} is not Supported");
        errors.forbidden(&at.child("activeDeadlineSeconds"), message);
    }
}

pub(super) fn deployment(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    let path = Path::root("spec");
    nonnegative(&spec["replicas"], &path.child("replicas"), errors);
    selected_template(spec, "deployment", &path, errors);
    pod::template(&spec["template"], &path.child("template"), errors);
    runs_on(spec, "ReplicaSet", &path, errors);
    strategy(&spec["strategy"], &path.child("strategy"), errors);
    all_nonnegative(
        spec,
        &["minReadySeconds", "revisionHistoryLimit"],
        &path,
        errors,
    );
    if let Some(seconds) = spec["progressDeadlineSeconds"].as_i64() {
        let path = path.child("progressDeadlineSeconds");
        nonnegative(&spec["progressDeadlineSeconds"], &path, errors);
        if seconds <= int(&spec["minReadySeconds"]) {
            errors.invalid(&path, seconds, "must be greater than minReadySeconds");
        }
    }
    immutable_selector(spec, old, &path, errors);
}

fn immutable_selector(spec: &Value, old: Option<&Value>, path: &Path<'_>, errors: &mut Errors) {
    if let Some(old) = old {
        errors.immutable(
            &path.child("selector"),
            &spec["selector"],
            &old["spec"]["selector"],
        );
    }
}

fn strategy(strategy: &Value, path: &Path<'_>, errors: &mut Errors) {
    let rolling = &strategy["rollingUpdate"];
    let at = path.child("rollingUpdate");
    match text(&strategy["type"]) {
        "Recreate" if is_set(rolling) => {
            let message = "may not be specified when strategy `type` is 'Recreate'";
            errors.forbidden(&at, message);
        }
        "Recreate" => {}
        "RollingUpdate" if !is_set(rolling) => {
            errors.required(&at, "this should be defaulted and never be nil");
        }
        "RollingUpdate" => {
            let (unavailable, surge) = (&rolling["maxUnavailable"], &rolling["maxSurge"]);
            int_or_percent(unavailable, &at.child("maxUnavailable"), errors);
            int_or_percent(surge, &at.child("maxSurge"), errors);
            if int_or_percent_value(unavailable) == 0 && int_or_percent_value(surge) == 0 {
                let path = at.child("maxUnavailable");
                let message = "may not be 0 when `maxSurge` is 0";
                errors.invalid(&path, unavailable.clone(), message);
            }
            at_most_all(unavailable, &at.child("maxUnavailable"), errors);
        }
        _ => errors.not_supported(path, strategy.clone(), &["Recreate", "RollingUpdate"]),
    }
}

pub(super) fn replica_set(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    let path = Path::root("spec");
    all_nonnegative(spec, &["replicas", "minReadySeconds"], &path, errors);
    selected_template(spec, "deployment", &path, errors);
    pod::template(&spec["template"], &path.child("template"), errors);
    runs_on(spec, "ReplicaSet", &path, errors);
    immutable_selector(spec, old, &path, errors);
}

pub(super) fn replication_controller(object: &Value, errors: &mut Errors) {
    let spec = &object["spec"];
    let path = Path::root("spec");
    nonnegative(
        &spec["minReadySeconds"],
        &path.child("minReadySeconds"),
        errors,
    );
    if len(&spec["selector"]) == 0 {
        errors.required(&path.child("selector"), "");
    }
    nonnegative(&spec["replicas"], &path.child("replicas"), errors);
    if !is_set(&spec["template"]) {
        return errors.required(&path.child("template"), "");
    }
    let labels =
        json!({"selector": {"matchLabels": spec["selector"]}, "template": spec["template"]});
    matching_labels(&labels, &path, errors);
    pod::template(&spec["template"], &path.child("template"), errors);
    runs_on(spec, "ReplicationController", &path, errors);
}

pub(super) fn daemon_set(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    let path = Path::root("spec");
    let at = path.child("selector");
    selector::validate(&spec["selector"], &at, errors);
    if selector::requirements(&spec["selector"]).is_some() {
        matching_labels(spec, &path, errors);
    }
    if is_set(&spec["selector"]) && selector::is_empty(&spec["selector"]) {
        let message = "empty selector is invalid for daemonset";
        errors.invalid(&at, spec["selector"].clone(), message);
    }
    pod::template(&spec["template"], &path.child("template"), errors);
    runs_on(spec, "DaemonSet", &path, errors);
    nonnegative(
        &spec["minReadySeconds"],
        &path.child("minReadySeconds"),
        errors,
    );
    daemon_strategy(
        &spec["updateStrategy"],
        &path.child("updateStrategy"),
        errors,
    );
    let limit = path.child("revisionHistoryLimit");
    nonnegative(&spec["revisionHistoryLimit"], &limit, errors);
    immutable_selector(spec, old, &path, errors);
}

fn daemon_strategy(strategy: &Value, path: &Path<'_>, errors: &mut Errors) {
    let rolling = &strategy["rollingUpdate"];
    let at = path.child("rollingUpdate");
    match text(&strategy["type"]) {
        "OnDelete" => {}
        "RollingUpdate" if !is_set(rolling) => errors.required(&at, ""),
        "RollingUpdate" => {
            for field in ["maxUnavailable", "maxSurge"] {
                int_or_percent(&rolling[field], &at.child(field), errors);
            }
            for field in ["maxUnavailable", "maxSurge"] {
                at_most_all(&rolling[field], &at.child(field), errors);
            }
            let is_some = |field: &str| int_or_percent_value(&rolling[field]) != 0;
            match (is_some("maxUnavailable"), is_some("maxSurge")) {
                (true, true) => errors.invalid(
                    &at.child("maxSurge"),
                    rolling["maxSurge"].clone(),
                    "may not be set when maxUnavailable is non-zero",
                ),
                (false, false) => errors.required(
                    &at.child("maxUnavailable"),
                    "cannot be 0 when maxSurge is 0",
                ),
                _ => {}
            }
        }
        _ => errors.not_supported(path, strategy.clone(), &["RollingUpdate", "OnDelete"]),
    }
}

/// The counts in the status of what has replicas.
pub(super) fn replica_status(object: &Value, kind: &str, errors: &mut Errors) {
    let status = &object["status"];
    let path = Path::root("status");
    let counts: &[&str] = match kind {
        "Deployment" => &["updatedReplicas", "readyReplicas", "availableReplicas"],
        "StatefulSet" => &[
            "readyReplicas",
            "currentReplicas",
            "updatedReplicas",
            "availableReplicas",
        ],
        _ => &["fullyLabeledReplicas", "readyReplicas", "availableReplicas"],
    };
    all_nonnegative(status, &["observedGeneration", "replicas"], &path, errors);
    all_nonnegative(status, counts, &path, errors);
    for field in counts {
        let count = int(&status[*field]);
        if count > int(&status["replicas"]) {
            let message = "cannot be greater than status.replicas";
            errors.invalid(&path.child(field), count, message);
        }
    }
    let available = int(&status["availableReplicas"]);
    if available > int(&status["readyReplicas"]) {
        let message = match kind {
            "StatefulSet" => "cannot be greater than status.readyReplicas",
            _ => "cannot be greater than readyReplicas",
        };
        errors.invalid(&path.child("availableReplicas"), available, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defaults::set_defaults;
    use crate::error::summary;
    use crate::validate::{validate_create, validate_update};

    fn object(kind: &str, change: impl FnOnce(&mut Value)) -> Value {
        let mut object = json!({
            "metadata": {"name": "a", "namespace": "n", "resourceVersion": "1"},
            "spec": {"selector": {"matchLabels": {"app": "a"}}, "template": {
                "metadata": {"labels": {"app": "a"}},
                "spec": {"containers": [{"name": "c", "image": "x"}]}}},
        });
        change(&mut object["spec"]);
        set_defaults("apps", kind, &mut object);
        object
    }

    fn created(kind: &str, change: impl FnOnce(&mut Value)) -> String {
        summary(&validate_create("apps", kind, true, &object(kind, change)))
    }

    fn updated(kind: &str, change: impl FnOnce(&mut Value)) -> String {
        let old = object(kind, |_| {});
        let new = object(kind, change);
        summary(&validate_update("apps", kind, "", &new, &old))
    }

    #[test]
    fn a_selector_picks_its_own_template() {
        for kind in ["Deployment", "ReplicaSet", "DaemonSet", "StatefulSet"] {
            assert_eq!(created(kind, |_| {}), "[]", "{kind}");
            assert_eq!(
                created(kind, |spec| spec["template"]["metadata"]["labels"]["app"] =
                    json!("b")),
                "spec.template.metadata.labels: Invalid value: {\"app\":\"b\"}: `selector` does \
                 not match template `labels`",
                "{kind}"
            );
        }
        assert_eq!(
            created("Deployment", |spec| spec["selector"] = Value::Null),
            "[spec.selector: Required value, spec.template.metadata.labels: Invalid value: \
             {\"app\":\"a\"}: `selector` does not match template `labels`]"
        );
        assert_eq!(
            created("Deployment", |spec| spec["selector"] = json!({})),
            "spec.selector: Invalid value: {}: empty selector is invalid for deployment"
        );
    }

    #[test]
    fn a_selector_stays() {
        let change = |spec: &mut Value| {
            spec["selector"]["matchLabels"]["app"] = json!("b");
            spec["template"]["metadata"]["labels"]["app"] = json!("b");
        };
        for kind in ["Deployment", "ReplicaSet", "DaemonSet"] {
            assert_eq!(
                updated(kind, change),
                "spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"b\"}}: field is \
                 immutable",
                "{kind}"
            );
        }
        assert_eq!(
            updated("StatefulSet", |spec| spec["serviceName"] = json!("s")),
            "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', \
             'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', \
             'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
        );
        assert_eq!(
            updated("StatefulSet", |spec| spec["replicas"] = json!(3)),
            "[]"
        );
    }

    #[test]
    fn a_rollout_can_proceed() {
        let none = |spec: &mut Value| {
            spec["strategy"] = json!({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}});
        };
        assert_eq!(
            created("Deployment", none),
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when \
             `maxSurge` is 0"
        );
        assert_eq!(
            created("Deployment", |spec| spec["strategy"] =
                json!({"rollingUpdate": {"maxSurge": "a"}})),
            "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"a\": a valid percent string \
             must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used \
             for validation is '[0-9]+%')"
        );
        let both = |spec: &mut Value| {
            spec["updateStrategy"] = json!({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}});
        };
        assert_eq!(
            created("DaemonSet", both),
            "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when \
             maxUnavailable is non-zero"
        );
    }

    #[test]
    fn pods_that_are_kept_running_are_always_restarted() {
        let never = |spec: &mut Value| spec["template"]["spec"]["restartPolicy"] = json!("Never");
        assert_eq!(
            created("Deployment", never),
            "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \
             \"Always\""
        );
        assert_eq!(
            created("Deployment", |spec| spec["replicas"] = json!(-1)),
            "spec.replicas: Invalid value: -1: must be greater than or equal to 0"
        );
        assert_eq!(
            created("Deployment", |spec| spec["template"] = Value::Null),
            "[spec.template.metadata.labels: Invalid value: null: `selector` does not match \
             template `labels`, spec.template.spec.containers: Required value]"
        );
    }

    #[test]
    fn a_status_adds_up() {
        let old = object("Deployment", |_| {});
        let mut new = old.clone();
        new["status"] = json!({"replicas": 1, "readyReplicas": 2, "availableReplicas": 1});
        assert_eq!(
            summary(&validate_update("apps", "Deployment", "status", &new, &old)),
            "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"
        );
    }
}
