//! What becomes of an object on its way in, whatever its writer meant: a status that a client may
//! not write is dropped, what a subresource may not touch is put back, and the generation goes up
//! when what is wanted has changed.
//!
//! Runs after defaults and before the checks. On create the engine has by then chosen name, uid
//! and time of creation. Knows nothing about addresses and ports that are given out elsewhere.
//! Invariant: what a request may not change is, afterwards, as it was.

mod job;
mod pod;
mod service;

use serde_json::{Map, Value, json};

pub(crate) use pod::qos_class;

use crate::value::{int, is_set, object_at, same, text};

/// Whether a kind has a status that only the subresource writes.
pub fn has_status(group: &str, kind: &str) -> bool {
    matches!(
        (group, kind),
        (
            "",
            "Pod"
                | "Service"
                | "Node"
                | "Namespace"
                | "PersistentVolume"
                | "PersistentVolumeClaim"
                | "ReplicationController"
                | "ResourceQuota"
        ) | (
            "apps",
            "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet"
        ) | ("batch", "Job" | "CronJob")
            | ("autoscaling", "HorizontalPodAutoscaler")
            | ("policy", "PodDisruptionBudget")
            | ("networking.k8s.io", "Ingress" | "ServiceCIDR")
            | ("certificates.k8s.io", "CertificateSigningRequest")
            | ("storage.k8s.io", "VolumeAttachment")
            | ("flowcontrol.apiserver.k8s.io", _)
            | ("apiextensions.k8s.io", "CustomResourceDefinition")
            | ("apiregistration.k8s.io", "APIService")
            | ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy")
            | ("resource.k8s.io", "ResourceClaim")
    )
}

/// What a new object's status is; `None` where the writer's stays.
fn first_status(group: &str, kind: &str, object: &Value) -> Option<Value> {
    Some(match (group, kind) {
        // Kubelets create nodes with their status.
        ("", "Node") => return None,
        ("", "Namespace") => json!({"phase": "Active"}),
        ("", "PersistentVolume" | "PersistentVolumeClaim") => json!({"phase": "Pending"}),
        ("", "Service") | ("networking.k8s.io", "Ingress") => json!({"loadBalancer": {}}),
        ("", "ReplicationController") | ("apps", "ReplicaSet") => json!({"replicas": 0}),
        ("apps", "StatefulSet") => json!({"availableReplicas": 0, "replicas": 0}),
        ("apps", "DaemonSet") => json!({
            "currentNumberScheduled": 0,
            "desiredNumberScheduled": 0,
            "numberMisscheduled": 0,
            "numberReady": 0,
        }),
        ("policy", "PodDisruptionBudget") => json!({
            "currentHealthy": 0,
            "desiredHealthy": 0,
            "disruptionsAllowed": 0,
            "expectedPods": 0,
        }),
        ("autoscaling", "HorizontalPodAutoscaler") => match text(&object["apiVersion"]) {
            "autoscaling/v1" => json!({"currentReplicas": 0, "desiredReplicas": 0}),
            _ => json!({"currentMetrics": null, "desiredReplicas": 0}),
        },
        ("storage.k8s.io", "VolumeAttachment") => json!({"attached": false}),
        _ if has_status(group, kind) => json!({}),
        _ => return None,
    })
}

/// The fields whose change is a new generation; none for a kind without generations.
fn generation_fields(group: &str, kind: &str) -> &'static [&'static str] {
    match (group, kind) {
        ("", "Pod" | "ReplicationController")
        | ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet")
        | ("batch", "Job" | "CronJob")
        | ("policy", "PodDisruptionBudget")
        | ("networking.k8s.io", "Ingress" | "IngressClass" | "NetworkPolicy")
        | ("flowcontrol.apiserver.k8s.io", _)
        | ("storage.k8s.io", "CSIDriver")
        | ("resource.k8s.io", "DeviceClass" | "ResourceSlice")
        | ("apiextensions.k8s.io", "CustomResourceDefinition") => &["spec"],
        ("", "PodTemplate") => &["template"],
        ("discovery.k8s.io", "EndpointSlice") => &["addressType", "endpoints", "ports"],
        ("scheduling.k8s.io", "PriorityClass") => &["value"],
        (
            "admissionregistration.k8s.io",
            "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration",
        ) => &["webhooks"],
        ("admissionregistration.k8s.io", _) => &["spec"],
        _ => &[],
    }
}

/// Brings an object that is to be created into shape.
pub fn prepare_create(group: &str, kind: &str, object: &mut Value) {
    if let Some(metadata) = object_at(object, "metadata") {
        for field in [
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
        ] {
            metadata.remove(field);
        }
        if !generation_fields(group, kind).is_empty() {
            metadata.insert("generation".to_owned(), json!(1));
        }
    }
    if let Some(status) = first_status(group, kind, object) {
        set(object, "status", status);
    }
    match (group, kind) {
        ("", "Pod") => pod::create(object),
        ("", "Namespace") => kubernetes_finalizer(object),
        ("", "Service") => service::create(object),
        ("batch", "Job") => job::generate_selector(object),
        ("apps", "DaemonSet") => template_generation(object, None),
        _ => {}
    }
}

/// Brings an object that is to replace another into shape. The subresource is "" for the object
/// itself.
pub fn prepare_update(group: &str, kind: &str, subresource: &str, new: &mut Value, old: &Value) {
    keep_system_fields(new, old);
    match (group, kind, subresource) {
        (_, _, "") if has_status(group, kind) => restore(new, old, "status"),
        ("", "Pod", "status") => pod::status(new, old),
        ("", "Pod", "ephemeralcontainers") => pod::ephemeral_containers(new, old),
        ("", "Pod", "resize") => pod::resize(new, old),
        ("", "Namespace", "finalize") => restore(new, old, "status"),
        ("certificates.k8s.io", _, "approval") => approval(new, old),
        (_, _, "status") => status(group, kind, new, old),
        _ => {}
    }
    match (group, kind, subresource) {
        ("", "Namespace", "") => restore_in_spec(new, old, "finalizers"),
        ("", "Service", "") => service::update(new, old),
        ("apps", "DaemonSet", "") => template_generation(new, Some(old)),
        ("certificates.k8s.io", "CertificateSigningRequest", "") => restore(new, old, "spec"),
        _ => {}
    }
    if has_new_generation(group, kind, new, old) {
        bump_generation(new);
    }
}

fn has_new_generation(group: &str, kind: &str, new: &Value, old: &Value) -> bool {
    let differs = |field: &str| !same(&new[field], &old[field]);
    let metadata_differs = |field: &str| !same(&new["metadata"][field], &old["metadata"][field]);
    generation_fields(group, kind)
        .iter()
        .any(|field| differs(field))
        || ((group, kind) == ("apps", "Deployment") && metadata_differs("annotations"))
        || ((group, kind) == ("discovery.k8s.io", "EndpointSlice") && metadata_differs("labels"))
}

fn bump_generation(object: &mut Value) {
    let next = int(&object["metadata"]["generation"]).saturating_add(1);
    if let Some(metadata) = object_at(object, "metadata") {
        metadata.insert("generation".to_owned(), json!(next));
    }
}

/// What clients cannot change and need not repeat.
fn keep_system_fields(new: &mut Value, old: &Value) {
    let old = &old["metadata"];
    let Some(new) = object_at(new, "metadata") else {
        return;
    };
    new.remove("selfLink");
    put(new, "generation", &old["generation"]);
    if new.get("uid").is_none_or(|uid| text(uid).is_empty()) {
        put(new, "uid", &old["uid"]);
    }
    if is_set(&old["creationTimestamp"]) {
        put(new, "creationTimestamp", &old["creationTimestamp"]);
    }
    if is_set(&old["deletionTimestamp"]) {
        put(new, "deletionTimestamp", &old["deletionTimestamp"]);
    }
    if new
        .get("deletionGracePeriodSeconds")
        .is_none_or(Value::is_null)
    {
        put(
            new,
            "deletionGracePeriodSeconds",
            &old["deletionGracePeriodSeconds"],
        );
    }
}

/// Only the status changes, and as much of the metadata as the kind lets its controllers change.
fn status(group: &str, kind: &str, new: &mut Value, old: &Value) {
    let fields: Vec<String> = [&*new, old]
        .iter()
        .filter_map(|object| object.as_object())
        .flat_map(Map::keys)
        .filter(|field| {
            !matches!(
                field.as_str(),
                "metadata" | "status" | "apiVersion" | "kind"
            )
        })
        .cloned()
        .collect();
    for field in &fields {
        restore(new, old, field);
    }
    let kept: &[&str] = match (group, kind) {
        ("apps", "Deployment") => &["labels"],
        ("flowcontrol.apiserver.k8s.io", _)
        | ("apiextensions.k8s.io", _)
        | ("storage.k8s.io", "VolumeAttachment")
        | ("admissionregistration.k8s.io", _)
        | ("resource.k8s.io", "ResourceClaim") => {
            &["labels", "annotations", "finalizers", "ownerReferences"]
        }
        _ => &[],
    };
    restore_metadata(new, old, kept);
    if (group, kind) == ("certificates.k8s.io", "CertificateSigningRequest") {
        swap_conditions(new, old, |is_decision| is_decision);
    }
}

/// Only whether a request is approved or denied changes.
fn approval(new: &mut Value, old: &Value) {
    restore(new, old, "spec");
    let certificate = &old["status"]["certificate"];
    if let Some(status) = object_at(new, "status") {
        put(status, "certificate", certificate);
    }
    swap_conditions(new, old, |is_decision| !is_decision);
}

/// Puts back the conditions that this subresource may not write, keeping the order of the new.
fn swap_conditions(new: &mut Value, old: &Value, is_kept: fn(bool) -> bool) {
    let is_decision = |condition: &Value| matches!(text(&condition["type"]), "Approved" | "Denied");
    let conditions = |object: &Value| {
        object["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    };
    let mut kept: Vec<Value> = conditions(old);
    kept.retain(|condition| is_kept(is_decision(condition)));
    let mut written: Vec<Value> = conditions(new);
    written.retain(|condition| !is_kept(is_decision(condition)));
    kept.extend(written);
    if let Some(status) = object_at(new, "status") {
        match kept.is_empty() {
            true => drop(status.remove("conditions")),
            false => drop(status.insert("conditions".to_owned(), Value::Array(kept))),
        }
    }
}

/// A namespace lives until whoever watches over its contents lets it go.
fn kubernetes_finalizer(object: &mut Value) {
    let Some(spec) = object_at(object, "spec") else {
        return;
    };
    let finalizers = spec.entry("finalizers").or_insert(Value::Null);
    if finalizers.is_null() {
        *finalizers = json!([]);
    }
    if let Some(finalizers) = finalizers.as_array_mut()
        && !finalizers.iter().any(|finalizer| finalizer == "kubernetes")
    {
        finalizers.push(json!("kubernetes"));
    }
}

const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// A daemon set counts the generations of its template in an annotation.
fn template_generation(new: &mut Value, old: Option<&Value>) {
    let annotation = |object: &Value| -> Option<i64> {
        text(&object["metadata"]["annotations"][TEMPLATE_GENERATION])
            .parse()
            .ok()
    };
    let generation = match old {
        None => annotation(new).unwrap_or_default().max(1),
        Some(old) => {
            let differs = !same(&new["spec"]["template"], &old["spec"]["template"]);
            annotation(old)
                .unwrap_or_default()
                .saturating_add(i64::from(differs))
        }
    };
    if let Some(metadata) = new.get_mut("metadata")
        && let Some(annotations) = object_at(metadata, "annotations")
    {
        annotations.insert(
            TEMPLATE_GENERATION.to_owned(),
            json!(generation.to_string()),
        );
    }
}

fn set(object: &mut Value, field: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(field.to_owned(), value);
    }
}

/// Writes a value, or removes the field where there is none.
fn put(object: &mut Map<String, Value>, field: &str, value: &Value) {
    match value {
        Value::Null => drop(object.remove(field)),
        value => drop(object.insert(field.to_owned(), value.clone())),
    }
}

/// Puts a field back.
fn restore(new: &mut Value, old: &Value, field: &str) {
    if let Some(new) = new.as_object_mut() {
        put(new, field, &old[field]);
    }
}

fn restore_in_spec(new: &mut Value, old: &Value, field: &str) {
    if let Some(spec) = object_at(new, "spec") {
        put(spec, field, &old["spec"][field]);
    }
}

fn restore_metadata(new: &mut Value, old: &Value, fields: &[&str]) {
    if let Some(metadata) = object_at(new, "metadata") {
        for field in fields {
            put(metadata, field, &old["metadata"][*field]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::KINDS;

    #[test]
    fn a_status_is_not_the_writers() {
        let mut object = json!({"metadata": {"name": "a", "deletionTimestamp": "x"}, "spec": {}, "status": {"replicas": 9}});
        prepare_create("apps", "ReplicaSet", &mut object);
        assert_eq!(
            object,
            json!({"metadata": {"name": "a", "generation": 1}, "spec": {}, "status": {"replicas": 0}})
        );
        let old = object.clone();
        object["status"]["replicas"] = json!(7);
        object["spec"]["replicas"] = json!(3);
        prepare_update("apps", "ReplicaSet", "", &mut object, &old);
        assert_eq!(object["status"], old["status"]);
        assert_eq!(object["metadata"]["generation"], 2);
    }

    #[test]
    fn the_status_subresource_changes_nothing_else() {
        let old = json!({"metadata": {"name": "a", "generation": 4, "labels": {"a": "b"}}, "spec": {"replicas": 1}});
        let mut new = json!({"metadata": {"name": "a"}, "spec": {"replicas": 2}, "status": {"replicas": 1}, "other": 1});
        prepare_update("apps", "Deployment", "status", &mut new, &old);
        assert_eq!(
            new,
            json!({"metadata": {"name": "a", "generation": 4, "labels": {"a": "b"}},
                "spec": {"replicas": 1}, "status": {"replicas": 1}})
        );
    }

    #[test]
    fn a_generation_is_new_only_when_what_is_wanted_is() {
        let old =
            json!({"metadata": {"generation": 1, "annotations": {"a": "b"}}, "spec": {"x": 1}});
        for (kind, field, value, generation) in [
            ("ReplicaSet", "annotations", json!({"a": "c"}), 1),
            ("Deployment", "annotations", json!({"a": "c"}), 2),
            ("ReplicaSet", "labels", json!({"a": "c"}), 1),
        ] {
            let mut new = old.clone();
            new["metadata"][field] = value;
            prepare_update("apps", kind, "", &mut new, &old);
            assert_eq!(new["metadata"]["generation"], generation, "{kind} {field}");
        }
        let mut map = json!({"metadata": {}, "data": {"a": "c"}});
        prepare_update(
            "",
            "ConfigMap",
            "",
            &mut map,
            &json!({"metadata": {}, "data": {}}),
        );
        assert_eq!(map["metadata"], json!({}));
    }

    #[test]
    fn an_update_need_not_repeat_what_the_system_wrote() {
        let old = json!({"metadata": {"uid": "u", "creationTimestamp": "t", "deletionTimestamp": "d", "deletionGracePeriodSeconds": 30}});
        let mut new = json!({"metadata": {"creationTimestamp": null}});
        prepare_update("", "ConfigMap", "", &mut new, &old);
        assert_eq!(new, old);
    }

    #[test]
    fn a_namespace_is_finalized_by_its_subresource_only() {
        let mut object = json!({"metadata": {"name": "n"}});
        prepare_create("", "Namespace", &mut object);
        assert_eq!(object["spec"]["finalizers"], json!(["kubernetes"]));
        let mut new = object.clone();
        new["spec"]["finalizers"] = json!([]);
        prepare_update("", "Namespace", "", &mut new, &object);
        assert_eq!(new["spec"]["finalizers"], json!(["kubernetes"]));
        new["spec"]["finalizers"] = json!([]);
        prepare_update("", "Namespace", "finalize", &mut new, &object);
        assert_eq!(new["spec"]["finalizers"], json!([]));
    }

    #[test]
    fn who_approves_does_not_sign_and_who_signs_does_not_approve() {
        let group = "certificates.k8s.io";
        let kind = "CertificateSigningRequest";
        let old = json!({"spec": {"a": 1}, "status": {"conditions": [{"type": "Failed"}]}});
        let mut new = json!({"spec": {}, "status": {"certificate": "x", "conditions": [{"type": "Approved"}]}});
        prepare_update(group, kind, "approval", &mut new, &old);
        assert_eq!(
            new["status"],
            json!({"conditions": [{"type": "Failed"}, {"type": "Approved"}]})
        );
        assert_eq!(new["spec"], old["spec"]);
        let mut signed =
            json!({"status": {"certificate": "x", "conditions": [{"type": "Denied"}]}});
        prepare_update(group, kind, "status", &mut signed, &new);
        assert_eq!(
            signed["status"],
            json!({"certificate": "x", "conditions": [{"type": "Approved"}]})
        );
    }

    #[test]
    fn a_daemon_set_counts_its_templates() {
        let mut object = json!({"metadata": {}, "spec": {"template": {"a": 1}}});
        prepare_create("apps", "DaemonSet", &mut object);
        let count = |object: &Value| object["metadata"]["annotations"][TEMPLATE_GENERATION].clone();
        assert_eq!(count(&object), "1");
        let mut new = object.clone();
        new["spec"]["template"]["a"] = json!(2);
        prepare_update("apps", "DaemonSet", "", &mut new, &object);
        assert_eq!(count(&new), "2");
    }

    #[test]
    fn odd_shapes_harm_nobody() {
        let odd = [
            json!({"metadata": [], "spec": "x", "status": 1}),
            json!({"metadata": {"annotations": 1}, "spec": {"containers": 1, "ports": [1], "clusterIPs": 3}}),
            json!([]),
            Value::Null,
        ];
        for (group, kind) in KINDS {
            for value in &odd {
                prepare_create(group, kind, &mut value.clone());
                for old in &odd {
                    for subresource in [
                        "",
                        "status",
                        "finalize",
                        "approval",
                        "resize",
                        "ephemeralcontainers",
                    ] {
                        prepare_update(group, kind, subresource, &mut value.clone(), old);
                    }
                }
            }
        }
    }
}
