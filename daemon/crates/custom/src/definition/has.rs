//! Whether a schema, or one within it, says something.
//!
//! Depth is bounded by whoever parsed the JSON and, where a schema is kept, by `compile`.

use serde_json::Value;

use super::read::{list, text};
use crate::limits::DEPTH_MAX;

/// Whether the schema or one within it is such.
pub(crate) fn any(schema: &Value, is_such: &dyn Fn(&Value) -> bool) -> bool {
    within(schema, is_such, DEPTH_MAX)
}

fn within(schema: &Value, is_such: &dyn Fn(&Value) -> bool, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else {
        return false;
    };
    if !schema.is_object() {
        return false;
    }
    is_such(schema) || below(schema).any(|schema| within(schema, is_such, depth))
}

/// The schemas right within a schema.
fn below(schema: &Value) -> impl Iterator<Item = &Value> {
    let one = ["items", "additionalProperties", "not", "additionalItems"];
    let lists = ["items", "allOf", "anyOf", "oneOf"];
    let maps = [
        "properties",
        "patternProperties",
        "definitions",
        "dependencies",
    ];
    let one = one.into_iter().map(|name| &schema[name]);
    let lists = lists.into_iter().flat_map(|name| list(&schema[name]));
    let maps = maps.into_iter().filter_map(|name| schema[name].as_object());
    one.chain(lists).chain(maps.flat_map(|map| map.values()))
}

/// Calls for the schema and every one within it.
pub(crate) fn each(schema: &Value, see: &mut dyn FnMut(&Value)) {
    fn within(schema: &Value, see: &mut dyn FnMut(&Value), depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        if schema.is_object() {
            see(schema);
            below(schema).for_each(|schema| within(schema, see, depth));
        }
    }
    within(schema, see, DEPTH_MAX);
}

pub(crate) fn default(schema: &Value) -> bool {
    !schema["default"].is_null()
}

/// One of the extensions that need a structural schema.
pub(crate) fn extension(schema: &Value) -> bool {
    schema["x-kubernetes-embedded-resource"] == true
        || !schema["x-kubernetes-preserve-unknown-fields"].is_null()
        || schema["x-kubernetes-int-or-string"] == true
        || !list(&schema["x-kubernetes-list-map-keys"]).is_empty()
        || !schema["x-kubernetes-list-type"].is_null()
        || !list(&schema["x-kubernetes-validations"]).is_empty()
}

pub(crate) const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

pub(crate) fn unknown_type(schema: &Value) -> bool {
    let kind = text(&schema["type"]);
    !kind.is_empty() && !TYPES.contains(&kind)
}

/// A set whose items are owned in parts.
pub(crate) fn set_of_granular(schema: &Value) -> bool {
    let items = &schema["items"];
    schema["x-kubernetes-list-type"] == "set"
        && match text(&items["type"]) {
            "array" => !matches!(text(&items["x-kubernetes-list-type"]), "" | "atomic"),
            "object" => items["x-kubernetes-map-type"] != "atomic",
            _ => false,
        }
}
