//! Whether the defaults in a schema are what the schema allows.

use serde_json::Value;
use skerry_kinds::{FieldError, Path};

use crate::error::Errors;
use crate::limits::DEPTH_MAX;
use crate::schema::{Compiled, Place};

/// What is wrong with the defaults of a schema.
pub(super) fn validate(
    schema: &Value,
    compiled: &Compiled,
    path: &Path<'_>,
    wants_pruned: bool,
) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let root = compiled.root();
    walk(
        schema,
        root,
        compiled,
        path,
        wants_pruned,
        DEPTH_MAX,
        &mut errors,
    );
    errors.0
}

/// Whether a schema has a default with fields that the schema does not know.
pub(super) fn has_unpruned(schema: &Value) -> bool {
    if !super::structural::is_structural(schema) {
        return false;
    }
    Compiled::compile(schema).is_ok_and(|compiled| {
        let errors = validate(schema, &compiled, &crate::error::WHOLE, true);
        errors.iter().any(|error| error.detail == UNKNOWN)
    })
}

const UNKNOWN: &str = "must not have unknown fields";

fn walk(
    schema: &Value,
    place: Place,
    compiled: &Compiled,
    path: &Path<'_>,
    wants_pruned: bool,
    depth: usize,
    errors: &mut Errors,
) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    let default = &schema["default"];
    if !default.is_null() {
        let path = path.child("default");
        let pruned = compiled.pruned(place, default);
        if wants_pruned && pruned != *default {
            errors.invalid(&path, default.clone(), UNKNOWN);
        }
        errors.extend(compiled.check_default(place, default, &path));
    }
    if let (true, Some(items)) = (schema["items"].is_object(), compiled.items(place)) {
        let path = path.child("items");
        walk(
            &schema["items"],
            items,
            compiled,
            &path,
            wants_pruned,
            depth,
            errors,
        );
    }
    let fields = path.child("properties");
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(place) = compiled.property(place, name) {
            walk(
                property,
                place,
                compiled,
                &fields.key(name),
                wants_pruned,
                depth,
                errors,
            );
        }
    }
}
