//! What the cluster is made of: namespaces, nodes, leases, events.

use serde_json::Value;

use super::pod;
use super::resources::amount;
use super::rules::{qualified_name, required_text};
use crate::error::Errors;
use crate::format;
use crate::limits::EVENT_NOTE_BYTES_MAX;
use crate::metadata::standard_finalizer;
use crate::path::Path;
use crate::value::{entries, int, is_set, list, text};

const EVENT_WORD_BYTES_MAX: usize = 128;

pub(super) fn namespace(object: &Value, errors: &mut Errors) {
    let spec = Path::root("spec");
    let path = spec.child("finalizers");
    for finalizer in list(&object["spec"]["finalizers"]) {
        let finalizer = text(finalizer);
        errors.each(&path, finalizer, format::label_key(finalizer));
        standard_finalizer(finalizer, &path, errors);
    }
}

pub(super) fn namespace_finalize(object: &Value, errors: &mut Errors) {
    let spec = Path::root("spec");
    let path = spec.child("finalizers");
    for (i, finalizer) in list(&object["spec"]["finalizers"]).iter().enumerate() {
        let finalizer = text(finalizer);
        errors.each(&path.index(i), finalizer, format::label_key(finalizer));
        standard_finalizer(finalizer, &path.index(i), errors);
    }
}

pub(super) fn namespace_status(object: &Value, errors: &mut Errors) {
    let status = Path::root("status");
    let phase = text(&object["status"]["phase"]);
    let (expected, state) = match is_set(&object["metadata"]["deletionTimestamp"]) {
        true => ("Terminating", "not empty"),
        false => ("Active", "empty"),
    };
    if phase != expected {
        let message = format!("may only be '{expected}' if `deletionTimestamp` is {state}");
        errors.invalid(&status.child("Phase"), phase, message);
    }
}

pub(super) fn node(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let (spec, status) = (&object["spec"], &object["status"]);
    let metadata = Path::root("metadata");
    // Upstream names the taints after the metadata.
    pod::taints(&spec["taints"], &metadata.child("taints"), errors);
    let status_path = Path::root("status");
    for field in ["capacity", "allocatable"] {
        let path = status_path.child(field);
        for (name, value) in entries(&status[field]) {
            amount(name, value, &path.child(name), errors);
        }
    }
    let spec_path = Path::root("spec");
    let ranges = list(&spec["podCIDRs"]);
    let path = spec_path.child("podCIDRs");
    for (i, range) in ranges.iter().enumerate() {
        errors.each(&path.index(i), text(range), format::cidr(text(range)));
    }
    let is_v6 = |range: &Value| text(range).contains(':');
    let is_pair = matches!(ranges, [] | [_]) || matches!(ranges, [a, b] if is_v6(a) != is_v6(b));
    if !is_pair {
        let message = "may specify no more than one CIDR for each IP family";
        errors.invalid(&path, spec["podCIDRs"].clone(), message);
    }
    let Some(old) = old else {
        return;
    };
    let addresses = list(&status["addresses"]);
    let addresses_path = status_path.child("addresses");
    for (i, address) in addresses.iter().enumerate() {
        if addresses[..i].contains(address) {
            errors.duplicate(&addresses_path.index(i), address.clone());
        }
    }
    let once =
        |field: &str| format!("node updates may not change {field} except from \"\" to valid");
    let before = list(&old["spec"]["podCIDRs"]);
    if !before.is_empty() && before != ranges {
        errors.forbidden(&path, once("podCIDR"));
    }
    let provider = text(&old["spec"]["providerID"]);
    if !provider.is_empty() && provider != text(&spec["providerID"]) {
        errors.forbidden(&spec_path.child("providerID"), once("providerID"));
    }
}

pub(super) fn lease(object: &Value, errors: &mut Errors) {
    let spec = &object["spec"];
    let path = Path::root("spec");
    if let Some(seconds) = spec["leaseDurationSeconds"].as_i64()
        && seconds <= 0
    {
        errors.invalid(
            &path.child("leaseDurationSeconds"),
            seconds,
            "must be greater than 0",
        );
    }
    let transitions = int(&spec["leaseTransitions"]);
    if transitions < 0 {
        let message = "must be greater than or equal to 0";
        errors.invalid(&path.child("leaseTransitions"), transitions, message);
    }
    let strategy = text(&spec["strategy"]);
    if is_set(&spec["strategy"]) {
        let strategy_path = path.child("strategy");
        let at = strategy_path.child("strategy");
        if strategy.contains('/') {
            qualified_name(strategy, &at, errors);
        } else if strategy != "OldestEmulationVersion" {
            errors.not_supported(&at, strategy, &["OldestEmulationVersion"]);
        }
    }
    if !text(&spec["preferredHolder"]).is_empty() && strategy.is_empty() {
        let message = "may only be specified if `strategy` is defined";
        errors.forbidden(&path.child("preferredHolder"), message);
    }
}

/// Both the core kind, of which little is asked, and the newer one, of which all is.
pub(super) fn event(object: &Value, group: &str, old: Option<&Value>, errors: &mut Errors) {
    let either = |a: &'static str, b: &'static str| match &object[a] {
        Value::Null => &object[b],
        value => value,
    };
    let namespace = text(&object["metadata"]["namespace"]);
    let about = text(&either("involvedObject", "regarding")["namespace"]);
    let involved = Path::root("involvedObject");
    let is_new = is_set(&object["eventTime"]);
    let is_agreed = match (about, is_new) {
        ("", false) => matches!(namespace, "" | "default"),
        ("", true) => matches!(namespace, "default" | "kube-system"),
        (_, true) => true,
        (about, false) => about == namespace,
    };
    if !is_agreed {
        errors.invalid(
            &involved.child("namespace"),
            about,
            "does not match event.namespace",
        );
    }
    if is_new {
        let controller = either("reportingComponent", "reportingController");
        let path = Path::root("reportingController");
        required_text(controller, &path, errors);
        qualified_name(text(controller), &path, errors);
        for field in ["reportingInstance", "action", "reason"] {
            let path = Path::root(field);
            required_text(&object[field], &path, errors);
            at_most(&object[field], EVENT_WORD_BYTES_MAX, &path, errors);
        }
        let message = Path::root("message");
        at_most(
            either("message", "note"),
            EVENT_NOTE_BYTES_MAX,
            &message,
            errors,
        );
    }
    errors.each(
        &Path::root("namespace"),
        namespace,
        format::dns_subdomain(namespace),
    );
    if group == "events.k8s.io" {
        match old {
            Some(old) => strict_update(object, old, errors),
            None => strict(object, errors),
        }
    }
}

fn at_most(value: &Value, bytes_max: usize, path: &Path<'_>, errors: &mut Errors) {
    if text(value).len() > bytes_max {
        errors.invalid(path, "", format!("can have at most {bytes_max} characters"));
    }
}

fn strict(object: &Value, errors: &mut Errors) {
    series(object, errors);
    if !is_set(&object["eventTime"]) {
        errors.required(&Path::root("eventTime"), "");
    }
    let kind = text(&object["type"]);
    if !matches!(kind, "Normal" | "Warning") {
        errors.invalid(
            &Path::root("type"),
            "",
            format!("has invalid value: {kind}"),
        );
    }
    for (field, shown) in [
        ("deprecatedFirstTimestamp", "firstTimestamp"),
        ("deprecatedLastTimestamp", "lastTimestamp"),
    ] {
        if is_set(&object[field]) {
            errors.invalid(&Path::root(shown), "", "needs to be unset");
        }
    }
    if int(&object["deprecatedCount"]) != 0 {
        errors.invalid(&Path::root("count"), "", "needs to be unset");
    }
    let source = &object["deprecatedSource"];
    if ["component", "host"]
        .iter()
        .any(|field| !text(&source[*field]).is_empty())
    {
        errors.invalid(&Path::root("source"), "", "needs to be unset");
    }
}

fn series(object: &Value, errors: &mut Errors) {
    let series = &object["series"];
    if !is_set(series) {
        return;
    }
    if int(&series["count"]) < 2 {
        errors.invalid(&Path::root("series.count"), "", "should be at least 2");
    }
    if !is_set(&series["lastObservedTime"]) {
        errors.required(&Path::root("series.lastObservedTime"), "");
    }
}

fn strict_update(new: &Value, old: &Value, errors: &mut Errors) {
    if new["series"] != old["series"] {
        series(new, errors);
    }
    for (field, shown) in [
        ("regarding", "involvedObject"),
        ("reason", "reason"),
        ("note", "message"),
        ("type", "type"),
        ("eventTime", "eventTime"),
        ("action", "action"),
        ("related", "related"),
        ("reportingController", "reportingController"),
        ("reportingInstance", "reportingInstance"),
    ] {
        errors.immutable(&Path::root(shown), &new[field], &old[field]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::summary;
    use crate::validate::{validate_create, validate_update};
    use serde_json::json;

    #[test]
    fn a_namespace_is_active_until_it_is_deleted() {
        let mut object = json!({"metadata": {"name": "n", "resourceVersion": "1"}, "status": {"phase": "Terminating"}});
        let updated =
            |object: &Value| summary(&validate_update("", "Namespace", "status", object, object));
        assert_eq!(
            updated(&object),
            "status.Phase: Invalid value: \"Terminating\": may only be 'Active' if \
             `deletionTimestamp` is empty"
        );
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(updated(&object), "[]");
        assert_eq!(
            summary(&validate_create(
                "",
                "Namespace",
                false,
                &json!({"metadata": {"name": "a.b"}})
            )),
            "metadata.name: Invalid value: \"a.b\": must not contain dots"
        );
    }

    #[test]
    fn a_node_keeps_who_it_is() {
        let node =
            |spec: Value| json!({"metadata": {"name": "n", "resourceVersion": "1"}, "spec": spec});
        assert_eq!(
            summary(&validate_create(
                "",
                "Node",
                false,
                &node(json!({"taints": [{"key": "a", "effect": "Never"}]}))
            )),
            "metadata.taints[0].effect: Unsupported value: \"Never\": supported values: \
             \"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\""
        );
        let errors = validate_update(
            "",
            "Node",
            "",
            &node(json!({"providerID": "b"})),
            &node(json!({"providerID": "a"})),
        );
        assert_eq!(
            summary(&errors),
            "spec.providerID: Forbidden: node updates may not change providerID except from \"\" \
             to valid"
        );
    }

    #[test]
    fn a_lease_lasts() {
        let lease = json!({"metadata": {"name": "l", "namespace": "n"}, "spec": {"leaseDurationSeconds": 0}});
        assert_eq!(
            summary(&validate_create(
                "coordination.k8s.io",
                "Lease",
                true,
                &lease
            )),
            "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"
        );
    }

    #[test]
    fn an_event_belongs_where_its_object_is() {
        let event = json!({"metadata": {"name": "e", "namespace": "n"}, "involvedObject": {"namespace": "m"}});
        assert_eq!(
            summary(&validate_create("", "Event", true, &event)),
            "involvedObject.namespace: Invalid value: \"m\": does not match event.namespace"
        );
        let strict =
            json!({"metadata": {"name": "e", "namespace": "n"}, "regarding": {"namespace": "n"}});
        assert_eq!(
            summary(&validate_create("events.k8s.io", "Event", true, &strict)),
            "[eventTime: Required value, type: Invalid value: \"\": has invalid value: ]"
        );
    }
}
