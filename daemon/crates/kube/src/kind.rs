//! What is special about each kind.
//!
//! Pure. Knows nothing about requests or the store.

use std::time::Duration;

use serde_json::{Value, json};
use skerry_schema::Resource;

use crate::object;

/// The `columnDefinitions` of a kind's Table.
pub(crate) fn columns(_resource: &Resource) -> Value {
    json!([
        {"name": "Name", "type": "string", "format": "name", "description": "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names", "priority": 0},
        {"name": "Created At", "type": "date", "format": "", "description": "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata", "priority": 0},
    ])
}

/// The cells of an object's row.
pub(crate) fn cells(_resource: &Resource, object: &Value, _now: Duration) -> Vec<Value> {
    vec![
        object::name(object).into(),
        object::text(object, "creationTimestamp").into(),
    ]
}

/// What a new object gets before it is stored.
pub(crate) fn prepare_create(resource: &Resource, object: &mut Value) {
    if resource.group.is_empty() && resource.kind == "Namespace" {
        object::fields_of(object, "spec").insert("finalizers".into(), json!(["kubernetes"]));
        object["status"] = json!({"phase": "Active"});
    }
}

/// Reason, message and field of what is wrong with an object.
pub(crate) type Cause = (String, String, String);

/// What is wrong with a new object.
pub(crate) fn validate_create(_resource: &Resource, object: &Value) -> Result<(), Vec<Cause>> {
    let name = object::name(object);
    if name.is_empty() {
        let message = "Required value: name or generateName is required".to_owned();
        let reason = "FieldValueRequired".to_owned();
        return Err(vec![(reason, message, "metadata.name".into())]);
    }
    let causes: Vec<Cause> = skerry_selector::name::dns_subdomain(name)
        .into_iter()
        .map(|why| {
            let message = format!("Invalid value: {name:?}: {why}");
            ("FieldValueInvalid".into(), message, "metadata.name".into())
        })
        .collect();
    match causes.is_empty() {
        true => Ok(()),
        false => Err(causes),
    }
}

/// What is wrong with another state of an object.
pub(crate) fn validate_update(
    _resource: &Resource,
    _subresource: &str,
    _next: &Value,
    _old: &Value,
) -> Result<(), Vec<Cause>> {
    Ok(())
}

/// What another state takes over from the one before it.
pub(crate) fn prepare_update(
    resource: &Resource,
    subresource: &str,
    next: &mut Value,
    old: &Value,
) {
    let is_namespace = is(resource, "", "Namespace");
    match subresource {
        "" => copy(old, next, "status"),
        "status" => {
            let status = next.get("status").cloned();
            let managed = object::metadata(next).get("managedFields").cloned();
            *next = old.clone();
            if let Some(status) = status {
                next["status"] = status;
            }
            if let Some(managed) = managed {
                object::metadata_mut(next).insert("managedFields".into(), managed);
            }
        }
        "finalize" if is_namespace => {
            let finalizers = next
                .get("spec")
                .and_then(|spec| spec.get("finalizers"))
                .cloned();
            *next = old.clone();
            let spec = object::fields_of(next, "spec");
            match finalizers {
                Some(finalizers) => _ = spec.insert("finalizers".into(), finalizers),
                None => _ = spec.remove("finalizers"),
            }
            return;
        }
        _ => {}
    }
    if is_namespace {
        let finalizers = old
            .get("spec")
            .and_then(|spec| spec.get("finalizers"))
            .cloned();
        let spec = object::fields_of(next, "spec");
        match finalizers {
            Some(finalizers) => _ = spec.insert("finalizers".into(), finalizers),
            None => _ = spec.remove("finalizers"),
        }
    }
    let generation = object::generation(old);
    if generation > 0 && next.get("spec") != old.get("spec") {
        object::metadata_mut(next).insert("generation".into(), (generation + 1).into());
    }
}

fn copy(from: &Value, to: &mut Value, field: &str) {
    let Value::Object(fields) = to else { return };
    match from.get(field) {
        Some(value) => _ = fields.insert(field.into(), value.clone()),
        None => _ = fields.remove(field),
    }
}

fn is(resource: &Resource, group: &str, kind: &str) -> bool {
    resource.group == group && resource.kind == kind
}

/// Whether an update of an object that is not there makes it.
pub(crate) fn creates_on_update(resource: &Resource) -> bool {
    matches!(
        (resource.group.as_str(), resource.kind.as_str()),
        ("", "Endpoints" | "Event" | "LimitRange" | "Service")
            | ("coordination.k8s.io", "Lease")
            | ("events.k8s.io", "Event")
            | ("node.k8s.io", "RuntimeClass")
            | ("rbac.authorization.k8s.io", _)
    )
}

/// Whether the answer to a deletion is the object that was, rather than a Status.
pub(crate) fn answers_with_deleted(resource: &Resource) -> bool {
    matches!(
        (resource.group.as_str(), resource.kind.as_str()),
        (
            "",
            "Pod"
                | "PersistentVolume"
                | "PersistentVolumeClaim"
                | "PodTemplate"
                | "ResourceQuota"
                | "Service"
                | "ServiceAccount"
        ) | (
            "storage.k8s.io",
            "CSIDriver" | "CSINode" | "StorageClass" | "VolumeAttachment"
        )
    )
}

/// Seconds from the wish to delete an object to its end.
pub(crate) fn grace_seconds(resource: &Resource, object: &Value, asked: Option<i64>) -> i64 {
    if !is(resource, "", "Pod") {
        return 0;
    }
    let spec = |field: &str| object.get("spec").and_then(|spec| spec.get(field));
    let unassigned = spec("nodeName")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .is_empty();
    let phase = object.get("status").and_then(|status| status.get("phase"));
    let finished = matches!(phase.and_then(Value::as_str), Some("Succeeded" | "Failed"));
    if unassigned || finished {
        return 0;
    }
    let own = spec("terminationGracePeriodSeconds").and_then(Value::as_i64);
    match asked.or(own).unwrap_or(30) {
        // A negative period would never end: upstream takes it as one second.
        negative if negative < 0 => 1,
        seconds => seconds,
    }
}

/// Whether something besides finalizers keeps an object that is to go.
pub(crate) fn holds_on(resource: &Resource, object: &Value) -> bool {
    is(resource, "", "Namespace")
        && object
            .get("spec")
            .and_then(|spec| spec.get("finalizers"))
            .and_then(Value::as_array)
            .is_some_and(|finalizers| !finalizers.is_empty())
}

/// What an object that has just been marked for deletion shows.
pub(crate) fn begin_deletion(resource: &Resource, object: &mut Value) {
    if is(resource, "", "Namespace") {
        object::fields_of(object, "status").insert("phase".into(), "Terminating".into());
    }
}

/// Whether nothing keeps an object that was marked for deletion any more.
pub(crate) fn goes_now(resource: &Resource, object: &Value) -> bool {
    let left = object::metadata(object).get("deletionGracePeriodSeconds");
    object::is_terminating(object)
        && object::finalizers(object).is_empty()
        && !holds_on(resource, object)
        && left.and_then(Value::as_i64).unwrap_or(0) == 0
}

/// Fills in what the client has left out.
pub(crate) fn set_defaults(_resource: &Resource, _object: &mut Value) {}
