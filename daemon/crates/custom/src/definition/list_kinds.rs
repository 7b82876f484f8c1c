//! Lists that are sets or maps: what their items and keys must be.

use serde_json::Value;
use skerry_kinds::Path;

use super::has;
use super::read::{list, text};
use crate::error::Errors;

/// A list whose elements are told apart by keys: the keys are scalar fields of its items.
pub(super) fn list_map(schema: &Value, path: &Path<'_>, errors: &mut Errors) {
    let keys = &schema["x-kubernetes-list-map-keys"];
    let items = &schema["items"];
    let keys_path = path.child("x-kubernetes-list-map-keys");
    let items_path = path.child("items");
    if list(keys).is_empty() {
        let detail = "must not be empty if x-kubernetes-list-type is map";
        errors.required(&keys_path, detail);
    }
    if items.is_null() {
        let detail = "must have a schema if x-kubernetes-list-type is map";
        return errors.required(&items_path, detail);
    }
    if !items.is_object() {
        let detail = "must only have a single schema if x-kubernetes-list-type is map";
        return errors.invalid(&items_path, items.clone(), detail);
    }
    if items["type"] != "object" {
        let detail = "must be object if parent array's x-kubernetes-list-type is map";
        let kind = text(&items["type"]);
        return errors.invalid(&items_path.child("type"), kind, detail);
    }
    let fields = items_path.child("properties");
    for (i, key) in list(keys).iter().enumerate() {
        let property = &items["properties"][text(key)];
        if !property.is_object() {
            let detail = "entries must all be names of item properties";
            errors.invalid(&keys_path, keys.clone(), detail);
        } else if matches!(text(&property["type"]), "array" | "object") {
            let path = fields.key(text(key));
            let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
            errors.invalid(&path.child("type"), "object", detail);
        }
        if list(keys)[..i].contains(key) {
            let detail = "must not contain duplicate entries";
            errors.invalid(&keys_path, keys.clone(), detail);
        }
    }
}

/// Items of sets and maps are there, and keys have values.
pub(super) fn map_keys(schema: &Value, path: &Path<'_>, errors: &mut Errors) {
    let items = &schema["items"];
    let kind = text(&schema["x-kubernetes-list-type"]);
    if !items.is_object() || !matches!(kind, "set" | "map") {
        return;
    }
    let items_path = path.child("items");
    if items["nullable"] == true {
        let detail = format!("cannot be nullable when x-kubernetes-list-type is {kind}");
        errors.forbidden(&items_path.child("nullable"), detail);
    }
    if kind != "map" {
        return;
    }
    let fields = items_path.child("properties");
    for key in list(&schema["x-kubernetes-list-map-keys"]) {
        let property = &items["properties"][text(key)];
        if !property.is_object() {
            continue;
        }
        let path = fields.key(text(key));
        if !list(&items["required"]).contains(key) && !has::default(property) {
            let detail = "this property is in x-kubernetes-list-map-keys, so it must have a \
                          default or be a required property";
            errors.required(&path.child("default"), detail);
        }
        if property["nullable"] == true {
            let detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.forbidden(&path.child("nullable"), detail);
        }
    }
}
