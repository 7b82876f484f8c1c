//! What the subresources of a pod may change, and what a new pod's status says.

use serde_json::{Value, json};

use super::{put, restore, restore_metadata, set};
use crate::quantity::Quantity;
use crate::value::{entries, int, list, object_at, text};

pub(super) fn create(object: &mut Value) {
    let mut status = json!({"phase": "Pending", "qosClass": qos_class(&object["spec"])});
    if !list(&object["spec"]["schedulingGates"]).is_empty() {
        status["conditions"] = json!([{
            "type": "PodScheduled",
            "status": "False",
            "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
            "lastProbeTime": null,
            "lastTransitionTime": object["metadata"]["creationTimestamp"],
        }]);
    }
    set(object, "status", status);
}

/// How safe a pod is from being thrown out when its node runs short, by what it asks for.
pub(crate) fn qos_class(spec: &Value) -> &'static str {
    let amount = |value: &Value| Quantity::of(value).unwrap_or(Quantity::ZERO);
    let is_compute = |name: &str| matches!(name, "cpu" | "memory");
    let asks = |resources: &Value, field: &str| {
        entries(&resources[field])
            .any(|(name, value)| is_compute(name) && amount(value).is_positive())
    };
    let is_guaranteed = |resources: &Value| {
        ["cpu", "memory"].iter().all(|name| {
            let limit = amount(&resources["limits"][*name]);
            let request = &resources["requests"][*name];
            limit.is_positive() && (request.is_null() || amount(request) == limit)
        })
    };
    let whole = &spec["resources"];
    if asks(whole, "requests") || asks(whole, "limits") {
        return if is_guaranteed(whole) {
            "Guaranteed"
        } else {
            "Burstable"
        };
    }
    let containers: Vec<&Value> = list(&spec["containers"])
        .iter()
        .chain(list(&spec["initContainers"]))
        .map(|container| &container["resources"])
        .collect();
    if !containers
        .iter()
        .any(|r| asks(r, "requests") || asks(r, "limits"))
    {
        "BestEffort"
    } else if containers.iter().all(|resources| is_guaranteed(resources)) {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

pub(super) fn status(new: &mut Value, old: &Value) {
    restore(new, old, "spec");
    restore_metadata(new, old, &["ownerReferences", "deletionTimestamp"]);
    let observed = &old["status"]["observedGeneration"];
    if int(&new["status"]["observedGeneration"]) == 0
        && let Some(status) = object_at(new, "status")
    {
        put(status, "observedGeneration", observed);
    }
}

/// All is as it was, but for the containers that were added to look at the others.
pub(super) fn ephemeral_containers(new: &mut Value, old: &Value) {
    let added = new["spec"]["ephemeralContainers"].clone();
    keep_all_but_version(new, old);
    if let Some(spec) = object_at(new, "spec") {
        put(spec, "ephemeralContainers", &added);
    }
}

/// All is as it was, but for what containers ask for.
pub(super) fn resize(new: &mut Value, old: &Value) {
    let wanted = new["spec"].clone();
    keep_all_but_version(new, old);
    let Some(spec) = object_at(new, "spec") else {
        return;
    };
    for field in ["containers", "initContainers"] {
        let Some(containers) = spec.get_mut(field).and_then(Value::as_array_mut) else {
            continue;
        };
        for container in containers {
            let name = text(&container["name"]);
            let found = list(&wanted[field])
                .iter()
                .find(|other| text(&other["name"]) == name);
            if let (Some(found), Some(container)) = (found, container.as_object_mut()) {
                put(container, "resources", &found["resources"]);
                put(container, "resizePolicy", &found["resizePolicy"]);
            }
        }
    }
    put(spec, "resources", &wanted["resources"]);
}

fn keep_all_but_version(new: &mut Value, old: &Value) {
    let version = new["metadata"]["resourceVersion"].clone();
    let managed = new["metadata"]["managedFields"].clone();
    *new = old.clone();
    if let Some(metadata) = object_at(new, "metadata") {
        put(metadata, "resourceVersion", &version);
        put(metadata, "managedFields", &managed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::{prepare_create, prepare_update};

    #[test]
    fn a_new_pod_waits_and_has_a_class() {
        let mut object =
            json!({"spec": {"containers": [{"name": "a"}]}, "status": {"phase": "Running"}});
        prepare_create("", "Pod", &mut object);
        assert_eq!(
            object["status"],
            json!({"phase": "Pending", "qosClass": "BestEffort"})
        );
        let limits = json!({"cpu": "1", "memory": "1Gi"});
        for (resources, class) in [
            (json!({"limits": limits, "requests": limits}), "Guaranteed"),
            (json!({"limits": limits}), "Guaranteed"),
            (
                json!({"limits": limits, "requests": {"cpu": "500m"}}),
                "Burstable",
            ),
            (json!({"requests": {"cpu": "500m"}}), "Burstable"),
            (
                json!({"requests": {"ephemeral-storage": "1Gi"}}),
                "BestEffort",
            ),
        ] {
            let spec = json!({"containers": [{ "resources": resources }]});
            assert_eq!(qos_class(&spec), class, "{spec}");
        }
    }

    #[test]
    fn a_gated_pod_says_why_it_waits() {
        let mut object = json!({"spec": {"schedulingGates": [{"name": "a/b"}]}});
        prepare_create("", "Pod", &mut object);
        assert_eq!(
            object["status"]["conditions"][0]["reason"],
            "SchedulingGated"
        );
    }

    #[test]
    fn a_subresource_touches_only_its_part() {
        let old = json!({
            "metadata": {"name": "p", "generation": 1, "resourceVersion": "1"},
            "spec": {"containers": [{"name": "a", "image": "x", "resources": {}}]}});
        let wanted = json!({
            "metadata": {"name": "p", "labels": {"x": "y"}, "resourceVersion": "2"},
            "spec": {"containers": [{"name": "a", "image": "y", "resources": {"limits": {"cpu": "1"}}}],
                "ephemeralContainers": [{"name": "d"}]}});
        let mut new = wanted.clone();
        prepare_update("", "Pod", "resize", &mut new, &old);
        assert_eq!(
            new,
            json!({
                "metadata": {"name": "p", "generation": 2, "resourceVersion": "2"},
                "spec": {"containers": [{"name": "a", "image": "x", "resources": {"limits": {"cpu": "1"}}}]}})
        );
        let mut new = wanted;
        prepare_update("", "Pod", "ephemeralcontainers", &mut new, &old);
        assert_eq!(
            new["spec"],
            json!({"containers": [{"name": "a", "image": "x", "resources": {}}],
                "ephemeralContainers": [{"name": "d"}]})
        );
    }
}
