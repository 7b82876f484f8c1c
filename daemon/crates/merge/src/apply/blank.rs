//! An object before anything is in it. Of upstream's own kinds some fields are there even then,
//! so that whoever creates an object owns what is in them, and not the fields themselves.

use serde_json::{Map, Value, json};
use skerry_schema::{Shape, Type};

use super::Write;

/// Fields that upstream holds by value: where they are objects, they are always there.
const HELD_BY_VALUE: [&str; 15] = [
    "metadata",
    "spec",
    "status",
    "template",
    "strategy",
    "updateStrategy",
    "resources",
    "jobTemplate",
    "podSelector",
    "nodeInfo",
    "daemonEndpoints",
    "kubeletEndpoint",
    "loadBalancer",
    "names",
    "source",
];

/// The object that a new one is compared with.
pub(super) fn base(write: &Write<'_>) -> Value {
    let mut base = if write.built_in {
        blank(write.of)
    } else {
        Map::new()
    };
    base.insert("apiVersion".to_owned(), json!(write.api_version));
    base.insert("kind".to_owned(), json!(write.kind));
    Value::Object(base)
}

fn blank(of: Type<'_>) -> Map<String, Value> {
    let Shape::Object(object) = of.shape() else {
        return Map::new();
    };
    let fields = object.fields().filter_map(|field| {
        let by_value = HELD_BY_VALUE.contains(&field.name);
        let value = match field.of.shape() {
            Shape::Object(_) if by_value => Value::Object(blank(field.of)),
            _ if field.required => Value::Null,
            _ => return None,
        };
        Some((field.name.to_owned(), value))
    });
    fields.collect()
}
