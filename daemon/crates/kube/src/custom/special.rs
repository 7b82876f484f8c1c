//! What custom objects have where built-in kinds have code of their own.
//!
//! Pure. Knows nothing about requests or the store.

use serde_json::{Value, json};

use super::{Custom, json_path};
use crate::object;
use crate::time;

/// Held by a definition that waits for its objects to go.
pub(crate) const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

const NAME_DESCRIPTION: &str = "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";
const AGE_DESCRIPTION: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

/// The columns of a Table.
pub(crate) fn columns(custom: &Custom) -> Value {
    let mut columns = vec![json!({
        "name": "Name",
        "type": "string",
        "format": "name",
        "description": NAME_DESCRIPTION,
        "priority": 0,
    })];
    if custom.version.columns.is_empty() {
        columns.push(json!({
            "name": "Age",
            "type": "date",
            "format": "",
            "description": AGE_DESCRIPTION,
            "priority": 0,
        }));
    }
    columns.extend(custom.version.columns.iter().map(|column| {
        let mut description = column.description.to_string();
        if description.is_empty() {
            let path = &column.json_path;
            description = format!("Custom resource definition column (in JSONPath format): {path}");
        }
        json!({
            "name": column.name,
            "type": column.kind,
            "format": column.format,
            "description": description,
            "priority": column.priority,
        })
    }));
    columns.into()
}

/// The cells of an object's row.
pub(crate) fn cells(custom: &Custom, object: &Value, now_ms: i64) -> Vec<Value> {
    let mut cells = vec![Value::from(object::name(object))];
    if custom.version.columns.is_empty() {
        let made = object::metadata(object).get("creationTimestamp");
        cells.push(made.map_or(Value::Null, |made| cell("date", made, now_ms)));
    }
    for column in &custom.version.columns {
        let found = json_path::first(object, &column.json_path);
        cells.push(found.map_or(Value::Null, |found| cell(&column.kind, found, now_ms)));
    }
    cells
}

fn cell(kind: &str, value: &Value, now_ms: i64) -> Value {
    match (kind, value) {
        (_, Value::Null) => Value::Null,
        ("string", Value::String(text)) => text.clone().into(),
        ("string", other) => other.to_string().into(),
        ("integer", Value::Number(number)) => {
            let whole = number.as_i64();
            let whole = whole.or_else(|| number.as_f64().map(|number| number as i64));
            whole.into()
        }
        ("number", Value::Number(number)) => number.as_f64().into(),
        ("boolean", Value::Bool(is)) => (*is).into(),
        ("date", Value::String(text)) => match skerry_kinds::parse_ms(text) {
            Some(_) => skerry_kinds::since(value, now_ms).into(),
            None => "<invalid>".into(),
        },
        _ => Value::Null,
    }
}

/// What a new object gets before it is stored.
pub(crate) fn prepare_create(custom: &Custom, object: &mut Value) {
    if custom.version.status
        && let Value::Object(fields) = object
    {
        fields.remove("status");
    }
    object::metadata_mut(object).insert("generation".into(), 1.into());
}

/// What another state takes over from the one before it.
pub(crate) fn prepare_update(custom: &Custom, subresource: &str, next: &mut Value, old: &Value) {
    let (Value::Object(fields), Value::Object(before)) = (&mut *next, old) else {
        return;
    };
    if subresource == "status" {
        // All but the status is as it was.
        let status = fields.remove("status");
        let managed = object_field(fields.get("metadata"), "managedFields");
        *fields = before.clone();
        match status {
            Some(status) => _ = fields.insert("status".into(), status),
            None => _ = fields.remove("status"),
        }
        let metadata = object::metadata_mut(next);
        match managed {
            Some(managed) => _ = metadata.insert("managedFields".into(), managed),
            None => _ = metadata.remove("managedFields"),
        }
        return;
    }
    if custom.version.status {
        match before.get("status") {
            Some(status) => _ = fields.insert("status".into(), status.clone()),
            None => _ = fields.remove("status"),
        }
    }
    let content = |value: &serde_json::Map<String, Value>| {
        let fields = value.iter().filter(|(name, _)| *name != "metadata");
        fields
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    if content(fields) != content(before) {
        let generation = object::generation(old) + 1;
        object::metadata_mut(next).insert("generation".into(), generation.into());
    }
}

fn object_field(value: Option<&Value>, name: &str) -> Option<Value> {
    value?.get(name).cloned()
}

/// Has a definition's status name the version that objects are kept in from now on: others may be
/// kept in earlier ones still.
pub(crate) fn note_storage_version(definition: &mut Value) {
    let versions = definition
        .pointer("/spec/versions")
        .and_then(Value::as_array);
    let mut versions = versions.into_iter().flatten();
    let Some(storage) = versions.find(|one| one["storage"] == true) else {
        return;
    };
    let name = storage["name"].clone();
    let stored = definition.pointer_mut("/status/storedVersions");
    if let Some(Value::Array(stored)) = stored
        && !stored.contains(&name)
    {
        stored.push(name);
    }
}

/// Has a definition that is to go wait until its objects are gone.
pub(crate) fn begin_deletion(definition: &mut Value) {
    let mut finalizers = object::finalizers(definition);
    if !finalizers.iter().any(|held| held == CLEANUP) {
        finalizers.push(CLEANUP.to_owned());
        object::set_finalizers(definition, finalizers);
    }
    set_condition(
        definition,
        "Terminating",
        true,
        "InstanceDeletionPending",
        "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
    );
}

/// Takes a condition off a definition.
pub(crate) fn remove_condition(definition: &mut Value, kind: &str) {
    let conditions = definition.pointer_mut("/status/conditions");
    if let Some(Value::Array(conditions)) = conditions {
        conditions.retain(|one| one["type"] != kind);
    }
}

/// Sets a condition of a definition; its time changes only with its status.
pub(crate) fn set_condition(
    definition: &mut Value,
    kind: &str,
    is: bool,
    reason: &str,
    message: &str,
) {
    let status = if is { "True" } else { "False" };
    let fields = object::fields_of(definition, "status");
    let conditions = fields.entry("conditions").or_insert_with(|| json!([]));
    let Value::Array(conditions) = conditions else {
        return;
    };
    let mut condition = json!({
        "type": kind,
        "status": status,
        "lastTransitionTime": time::rfc3339(time::now()),
        "reason": reason,
        "message": message,
    });
    match conditions.iter_mut().find(|one| one["type"] == kind) {
        Some(known) => {
            if known["status"] == status {
                condition["lastTransitionTime"] = known["lastTransitionTime"].take();
            }
            *known = condition;
        }
        None => conditions.push(condition),
    }
}
