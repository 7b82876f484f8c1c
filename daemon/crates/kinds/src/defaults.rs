//! What an object says where its writer said nothing.
//!
//! Runs on what a client sends, before it is checked. Invariants: what is set stays as it is, and
//! to set defaults twice is to set them once; amounts are brought into canonical form, as reading
//! them does upstream.

mod access;
mod core;
mod pod;
mod workloads;

pub(crate) use workloads::job_labels;

use serde_json::{Value, json};

use crate::quantity::Quantity;
use crate::value::{len, object_at, text};

/// Sets the defaults of a kind.
pub fn set_defaults(group: &str, kind: &str, object: &mut Value) {
    match (group, kind) {
        ("", "Pod") => pod::pod(object),
        ("", "PodTemplate") => pod::template(object, "template"),
        ("", "ReplicationController") => workloads::replication_controller(object),
        ("", "Service") => core::service(object),
        ("", "Endpoints") => core::endpoints(object),
        ("", "Namespace") => core::namespace(object),
        ("", "Node") => core::node(object),
        ("", "Secret") => core::secret(object),
        ("", "PersistentVolume") => core::volume(object),
        ("", "PersistentVolumeClaim") => core::claim(object),
        ("", "LimitRange") => core::limit_range(object),
        ("", "ResourceQuota") => core::resource_quota(object),
        ("", "Event") => core::event(object),
        ("apps", "Deployment") => workloads::deployment(object),
        ("apps", "ReplicaSet") => workloads::replica_set(object),
        ("apps", "StatefulSet") => workloads::stateful_set(object),
        ("apps", "DaemonSet") => workloads::daemon_set(object),
        ("batch", "Job") => workloads::job(object),
        ("batch", "CronJob") => workloads::cron_job(object),
        ("autoscaling", "HorizontalPodAutoscaler") => workloads::autoscaler(object),
        ("networking.k8s.io", "NetworkPolicy") => core::network_policy(object),
        ("networking.k8s.io", "IngressClass") => core::ingress_class(object),
        ("discovery.k8s.io", "EndpointSlice") => core::endpoint_slice(object),
        ("storage.k8s.io", "StorageClass") => core::storage_class(object),
        ("storage.k8s.io", "CSIDriver") => core::csi_driver(object),
        ("storage.k8s.io", "CSIStorageCapacity") => {
            amount(object, "capacity");
            amount(object, "maximumVolumeSize");
        }
        ("scheduling.k8s.io", "PriorityClass") => {
            fill(object, "preemptionPolicy", json!("PreemptLowerPriority"));
        }
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            access::role_binding(object);
        }
        (
            "admissionregistration.k8s.io",
            "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration",
        ) => access::webhooks(object, kind == "MutatingWebhookConfiguration"),
        (
            "admissionregistration.k8s.io",
            "ValidatingAdmissionPolicy" | "MutatingAdmissionPolicy",
        ) => access::admission_policy(object),
        (
            "admissionregistration.k8s.io",
            "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding",
        ) => access::admission_binding(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => access::definition(object),
        ("apiregistration.k8s.io", "APIService") => access::api_service(object),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => access::flow_schema(object),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => {
            access::priority_level(object);
        }
        ("authentication.k8s.io", "TokenRequest") => {
            if let Some(spec) = child(object, "spec") {
                fill(spec, "expirationSeconds", json!(3600));
            }
        }
        ("resource.k8s.io", "ResourceClaim") => access::resource_claim(object),
        ("resource.k8s.io", "ResourceClaimTemplate") => {
            if let Some(spec) = child(object, "spec") {
                access::resource_claim(spec);
            }
        }
        _ => {}
    }
}

/// Sets a field that is missing or null.
fn fill(object: &mut Value, field: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        let slot = object.entry(field).or_insert(Value::Null);
        if slot.is_null() {
            *slot = value;
        }
    }
}

/// Sets a text that is missing, null or empty.
fn fill_text(object: &mut Value, field: &str, value: &str) {
    if text(&object[field]).is_empty() && !object[field].is_number() {
        set(object, field, json!(value));
    }
}

/// Sets a number that is missing, null or zero.
fn fill_number(object: &mut Value, field: &str, value: i64) {
    let current = &object[field];
    if current.is_null() || current.as_i64() == Some(0) {
        set(object, field, json!(value));
    }
}

fn set(object: &mut Value, field: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(field.to_owned(), value);
    }
}

/// A field that is there and not null.
fn child<'v>(object: &'v mut Value, field: &str) -> Option<&'v mut Value> {
    object.get_mut(field).filter(|value| !value.is_null())
}

/// A field that is an object, made if it is missing.
fn made<'v>(object: &'v mut Value, field: &str) -> Option<&'v mut Value> {
    object_at(object, field)?;
    object.get_mut(field)
}

/// The elements of a list.
fn each<'v>(object: &'v mut Value, field: &str) -> impl Iterator<Item = &'v mut Value> {
    object
        .get_mut(field)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
}

/// Brings an amount into canonical form; one that is none is left for the check to find.
fn amount(object: &mut Value, field: &str) {
    if let Some(value) = child(object, field)
        && let Ok(quantity) = Quantity::of(value)
    {
        *value = json!(quantity.to_string());
    }
}

/// Brings a map of amounts into canonical form, in thousandths at the finest.
fn amounts(object: &mut Value, field: &str) {
    let map = object.get_mut(field).and_then(Value::as_object_mut);
    for (_, value) in map.into_iter().flatten() {
        if let (false, Ok(quantity)) = (value.is_null(), Quantity::of(value)) {
            *value = json!(quantity.rounded_to_milli().to_string());
        }
    }
}

/// Copies entries that another map lacks.
fn copy_missing(from: &Value, object: &mut Value, field: &str) {
    if len(from) == 0 {
        return;
    }
    if let (Some(from), Some(to)) = (from.as_object(), object_at(object, field)) {
        for (key, value) in from {
            to.entry(key).or_insert_with(|| value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::KINDS;

    #[test]
    fn odd_shapes_are_left_alone() {
        let odd = [
            json!([]),
            json!("x"),
            json!({"metadata": 1, "spec": "x", "template": [], "webhooks": {}, "subjects": [1]}),
            json!({"spec": {"template": 3, "containers": 4, "ports": "x", "limits": [0]}}),
            json!({"spec": {"containers": [1, {"ports": 1, "resources": []}], "volumes": [null]}}),
        ];
        for (group, kind) in KINDS {
            for value in &odd {
                let mut once = value.clone();
                set_defaults(group, kind, &mut once);
                let mut twice = once.clone();
                set_defaults(group, kind, &mut twice);
                assert_eq!(once, twice, "{group} {kind}");
            }
        }
    }

    #[test]
    fn what_is_set_stays() {
        let mut class = json!({"preemptionPolicy": "Never"});
        set_defaults("scheduling.k8s.io", "PriorityClass", &mut class);
        assert_eq!(class["preemptionPolicy"], "Never");
    }
}
