//! Fills in what a definition leaves out.

use serde_json::{Map, Value, json};

use super::read::{list, text};

/// Fills in what a definition leaves out, `status.storedVersions` included. Filling in twice is
/// filling in once.
pub fn set_defaults(definition: &mut Value) {
    let storage = list(&definition["spec"]["versions"])
        .iter()
        .find(|version| version["storage"] == true)
        .map(|version| version["name"].clone());
    let Some(definition) = definition.as_object_mut() else {
        return;
    };
    if let Some(spec) = object(definition, "spec") {
        if let Some(names) = object(spec, "names") {
            name(names);
        }
        let conversion = spec.entry("conversion").or_insert(Value::Null);
        if conversion.is_null() {
            *conversion = json!({"strategy": "None"});
        }
        let service = conversion
            .pointer_mut("/webhook/clientConfig/service")
            .and_then(Value::as_object_mut);
        if let Some(service) = service
            && service.get("port").is_none_or(Value::is_null)
        {
            service.insert("port".to_owned(), json!(443));
        }
    }
    if let (Some(storage), Some(status)) = (storage, object(definition, "status")) {
        let stored = status.entry("storedVersions").or_insert(Value::Null);
        if list(stored).is_empty() {
            *stored = json!([storage]);
        }
    }
}

fn name(names: &mut Map<String, Value>) {
    let kind = names.get("kind").map_or("", text).to_owned();
    let is_missing = |names: &Map<String, Value>, name: &str| {
        names.get(name).is_none_or(|value| text(value).is_empty())
    };
    if is_missing(names, "singular") {
        names.insert("singular".to_owned(), json!(kind.to_lowercase()));
    }
    if is_missing(names, "listKind") && !kind.is_empty() {
        names.insert("listKind".to_owned(), json!(format!("{kind}List")));
    }
}

fn object<'v>(
    parent: &'v mut Map<String, Value>,
    name: &str,
) -> Option<&'v mut Map<String, Value>> {
    let slot = parent.entry(name).or_insert(Value::Null);
    if slot.is_null() {
        *slot = Value::Object(Map::new());
    }
    slot.as_object_mut()
}
