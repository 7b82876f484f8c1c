//! What is special about each kind.
//!
//! Pure. Knows nothing about requests or the store.

use std::time::Duration;

use serde_json::{Value, json};
use skerry_custom::definition;
use skerry_kinds::FieldError;

use crate::aggregate;
use crate::custom;
use crate::error::ApiError;
use crate::object;
use crate::options::Propagation;
use crate::registry::Resource;
use crate::time;

/// The `columnDefinitions` of a kind's Table.
pub(crate) fn columns(resource: &Resource) -> Value {
    if let Some(custom) = &resource.custom {
        return custom::columns(custom);
    }
    let columns = skerry_kinds::columns(&resource.group, &resource.kind).iter();
    let columns = columns.map(|column| {
        json!({
            "name": column.name,
            "type": column.kind,
            "format": column.format,
            "description": column.description,
            "priority": column.priority,
        })
    });
    columns.collect()
}

/// The cells of an object's row, and its conditions.
pub(crate) fn cells(
    resource: &Resource,
    object: &Value,
    now: Duration,
) -> (Vec<Value>, Vec<Value>) {
    let (group, kind) = (&resource.group, &resource.kind);
    let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    if let Some(custom) = &resource.custom {
        return (custom::cells(custom, object, now_ms), Vec::new());
    }
    (
        skerry_kinds::cells(group, kind, object, now_ms),
        skerry_kinds::row_conditions(group, kind, object),
    )
}

/// Fills in what the client has left out.
pub(crate) fn set_defaults(resource: &Resource, object: &mut Value) -> Result<(), ApiError> {
    match &resource.custom {
        Some(custom) => custom.compiled(&resource.version)?.schema.default(object),
        None if is_definition(resource) => definition::set_defaults(object),
        None => skerry_kinds::set_defaults(&resource.group, &resource.kind, object),
    }
    Ok(())
}

/// What a new object gets before it is stored.
pub(crate) fn prepare_create(resource: &Resource, object: &mut Value) {
    if let Some(custom) = &resource.custom {
        return custom::prepare_create(custom, object);
    }
    skerry_kinds::prepare_create(&resource.group, &resource.kind, object);
    if is_definition(resource) {
        // Its status tells from the start which version objects are kept in.
        definition::set_defaults(object);
    }
    let is_served_here = object.pointer("/spec/service").is_none_or(Value::is_null);
    if is(resource, aggregate::GROUP, "APIService") && is_served_here {
        object["status"] = aggregate::local_status(&time::rfc3339(time::now()));
    }
}

/// What another state takes over from the one before it.
pub(crate) fn prepare_update(
    resource: &Resource,
    subresource: &str,
    next: &mut Value,
    old: &Value,
) {
    let (group, kind) = (&resource.group, &resource.kind);
    if let Some(custom) = &resource.custom {
        return custom::prepare_update(custom, subresource, next, old);
    }
    skerry_kinds::prepare_update(group, kind, subresource, next, old);
    if is_definition(resource) && subresource.is_empty() {
        definition::set_defaults(next);
        custom::note_storage_version(next);
    }
}

/// Refuses a new object that is not as it should be.
pub(crate) fn validate_create(resource: &Resource, object: &Value) -> Result<(), ApiError> {
    let (group, kind) = (&resource.group, &resource.kind);
    let mut errors = skerry_kinds::validate_create(group, kind, resource.namespaced, object);
    if let Some(custom) = &resource.custom {
        let compiled = custom.compiled(&resource.version)?;
        errors.extend(compiled.schema.validate(object, None));
        let scale = custom.version.scale.iter();
        errors.extend(scale.flat_map(|scale| scale.validate(object, false)));
    }
    if is_definition(resource) {
        errors.extend(definition::validate(object));
    }
    judge(resource, object, &errors)
}

/// Refuses another state of an object that is not as it should be.
pub(crate) fn validate_update(
    resource: &Resource,
    subresource: &str,
    next: &Value,
    old: &Value,
) -> Result<(), ApiError> {
    let (group, kind) = (&resource.group, &resource.kind);
    let mut errors = skerry_kinds::validate_update(group, kind, subresource, next, old);
    if let Some(custom) = &resource.custom {
        let compiled = custom.compiled(&resource.version)?;
        errors.extend(match subresource {
            "status" => compiled.schema.validate_status(next, old),
            _ => compiled.schema.validate(next, Some(old)),
        });
        let scale = custom.version.scale.iter();
        let is_status = subresource == "status";
        errors.extend(scale.flat_map(|scale| scale.validate(next, is_status)));
    }
    if is_definition(resource) {
        errors.extend(match subresource {
            "status" => definition::validate_status_update(next, old),
            _ => definition::validate_update(next, old),
        });
    }
    judge(resource, next, &errors)
}

/// Whether objects of a resource define custom resources.
pub(crate) fn is_definition(resource: &Resource) -> bool {
    resource.custom.is_none() && is(resource, custom::GROUP, "CustomResourceDefinition")
}

fn judge(resource: &Resource, object: &Value, errors: &[FieldError]) -> Result<(), ApiError> {
    match errors {
        [] => Ok(()),
        errors => Err(invalid(resource, object, errors)),
    }
}

/// The refusal of an object for what is wrong with its fields.
pub(crate) fn invalid(resource: &Resource, object: &Value, errors: &[FieldError]) -> ApiError {
    let name = object::name(object);
    let status = skerry_kinds::invalid_status(&resource.group, &resource.kind, name, errors);
    let message = status["message"].as_str().unwrap_or_default();
    let mut error = ApiError::new(422, "Invalid", message);
    error.details = Some(Box::new(status["details"].clone()));
    error
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
    if is_definition(resource) {
        // It waits for its objects: once marked, by a finalizer.
        return !object::is_terminating(object);
    }
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
    if is_definition(resource) {
        custom::begin_deletion(object);
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

/// What becomes of the dependents of a kind where nobody says.
pub(crate) fn default_propagation(resource: &Resource) -> Option<Propagation> {
    let orphans = is(resource, "", "ReplicationController") || is(resource, "batch", "Job");
    orphans.then_some(Propagation::Orphan)
}
