//! The built-in definitions that documents of custom kinds refer to.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Built-in documents that have what can be referred to, the small one first: metadata, options
/// and statuses; scales.
const SOURCES: [&str; 2] = ["apis/coordination.k8s.io/v1", "apis/apps/v1"];
const PLACE: &str = "#/components/schemas/";

/// The names of the definitions that a value refers to.
pub(super) fn references(value: &Value, to: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "$ref" => {
                        to.extend(text.strip_prefix(PLACE).map(str::to_owned));
                    }
                    value => references(value, to),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, to)),
        _ => {}
    }
}

/// Adds the definitions that are wanted, and those that they refer to, as far as they are built in.
pub(super) fn add(schemas: &mut Map<String, Value>, wanted: BTreeSet<String>) {
    let mut missing: Vec<String> = wanted.into_iter().collect();
    missing.retain(|name| !schemas.contains_key(name));
    for source in SOURCES {
        if missing.is_empty() {
            return;
        }
        let mut built_in = built_in(source);
        let mut elsewhere = Vec::new();
        while let Some(name) = missing.pop() {
            let Some(schema) = built_in.remove(&name) else {
                if !schemas.contains_key(&name) {
                    elsewhere.push(name);
                }
                continue;
            };
            let mut more = BTreeSet::new();
            references(&schema, &mut more);
            missing.extend(more);
            schemas.insert(name, schema);
        }
        missing = elsewhere;
    }
}

fn built_in(source: &str) -> Map<String, Value> {
    let documents = skerry_schema::built_in_documents();
    let Some(document) = documents.version_3(source) else {
        return Map::new();
    };
    let mut bytes = Vec::with_capacity(document.plain_length());
    for chunk in document.plain() {
        bytes.extend_from_slice(&chunk);
    }
    let mut document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    match document["components"]["schemas"].take() {
        Value::Object(schemas) => schemas,
        _ => Map::new(),
    }
}
