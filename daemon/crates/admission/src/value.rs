//! Looking into objects whose shape nobody has promised.

use serde_json::{Map, Value};

pub(crate) fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    let found = value.pointer(path).and_then(Value::as_str);
    found.unwrap_or_default()
}

pub(crate) fn items<'v>(value: &'v Value, path: &str) -> &'v [Value] {
    let found = value.pointer(path).and_then(Value::as_array);
    found.map(Vec::as_slice).unwrap_or_default()
}

/// The fields of a value that is to be an object; what else it was is lost.
pub(crate) fn fields(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("made an object above")
}

/// The object below a field, made where it is missing.
pub(crate) fn below<'v>(value: &'v mut Value, field: &str) -> &'v mut Value {
    let slot = fields(value).entry(field).or_insert(Value::Null);
    fields(slot);
    slot
}

/// The list below a field, made where it is missing.
pub(crate) fn list<'v>(value: &'v mut Value, field: &str) -> &'v mut Vec<Value> {
    let slot = fields(value).entry(field).or_insert(Value::Null);
    if !slot.is_array() {
        *slot = Value::Array(Vec::new());
    }
    slot.as_array_mut().expect("made a list above")
}

/// Whether an object carries an annotation with this value.
pub(crate) fn annotated(object: &Value, name: &str, wanted: &str) -> bool {
    let annotations = object.pointer("/metadata/annotations");
    let value = annotations.and_then(|all| all.get(name));
    value.and_then(Value::as_str) == Some(wanted)
}
