//! Scale paths, printer columns and selectable fields of a definition.

use serde_json::Value;
use skerry_kinds::Path;

use super::field_path;
use super::read::{list, text};
use crate::error::Errors;
use crate::limits::SELECTABLE_FIELDS_MAX;

const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] = [
    "byte",
    "date",
    "date-time",
    "double",
    "float",
    "int32",
    "int64",
    "password",
];

pub(super) fn validate(subresources: &Value, path: &Path<'_>, errors: &mut Errors) {
    let scale = &subresources["scale"];
    if !scale.is_object() {
        return;
    }
    for (name, field, under) in [
        ("scale.specReplicasPath", "specReplicasPath", ".spec"),
        ("scale.statusReplicasPath", "statusReplicasPath", ".status"),
    ] {
        let path = path.child(name);
        let value = text(&scale[field]);
        if value.is_empty() {
            errors.required(&path, "");
        } else if is_simple(value, &path, errors)
            && !value
                .strip_prefix(under)
                .is_some_and(|rest| rest.starts_with('.'))
        {
            let detail = format!("should be a json path under {under}");
            errors.invalid(&path, value, detail);
        }
    }
    let selector = text(&scale["labelSelectorPath"]);
    let path = path.child("scale.labelSelectorPath");
    if !selector.is_empty()
        && is_simple(selector, &path, errors)
        && !selector.starts_with(".spec.")
        && !selector.starts_with(".status.")
    {
        let detail = "should be a json path under either .spec or .status";
        errors.invalid(&path, selector, detail);
    }
}

fn is_simple(value: &str, path: &Path<'_>, errors: &mut Errors) -> bool {
    if !value.starts_with('.') {
        errors.invalid(path, value, "must be a simple json path starting with .");
    }
    value.starts_with('.')
}

pub(super) fn columns(columns: &Value, path: &Path<'_>, errors: &mut Errors) {
    for (i, column) in list(columns).iter().enumerate() {
        let path = path.index(i);
        if text(&column["name"]).is_empty() {
            errors.required(&path.child("name"), "");
        }
        let kind = text(&column["type"]);
        let detail = format!("must be one of {}", COLUMN_TYPES.join(","));
        if kind.is_empty() {
            errors.required(&path.child("type"), detail);
        } else if !COLUMN_TYPES.contains(&kind) {
            errors.invalid(&path.child("type"), kind, detail);
        }
        let format = text(&column["format"]);
        if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
            let detail = format!("must be one of {}", COLUMN_FORMATS.join(","));
            errors.invalid(&path.child("format"), format, detail);
        }
        let path = path.child("JSONPath");
        match text(&column["jsonPath"]) {
            "" => errors.required(&path, ""),
            value => {
                is_simple(value, &path, errors);
            }
        }
    }
}

pub(super) fn selectable_fields(
    fields: &Value,
    schema: &Value,
    may_have_many: bool,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let mut known: Vec<String> = Vec::new();
    for (i, field) in list(fields).iter().enumerate() {
        let item = path.index(i);
        let path = item.child("jsonPath");
        let value = text(&field["jsonPath"]);
        if value.is_empty() {
            errors.required(&path, "");
            continue;
        }
        let (found, of) = match field_path::find(value, schema, false) {
            Ok(found) => found,
            Err(wrong) => {
                errors.invalid(&path, value, format!("is an invalid path: {wrong}"));
                continue;
            }
        };
        if found == "metadata" || found.starts_with("metadata.") || found.starts_with("metadata[") {
            errors.invalid(&path, value, "must not point to fields in metadata");
        }
        if !matches!(text(&of["type"]), "string" | "boolean" | "integer") {
            errors.invalid(
                &path,
                value,
                "must point to a field of type string, boolean or integer. Enum string fields \
                 and strings with formats are allowed.",
            );
        }
        if known.contains(&found) {
            errors.duplicate(&path, value);
        } else {
            known.push(found);
        }
    }
    if known.len() > SELECTABLE_FIELDS_MAX && !may_have_many {
        errors.too_many(path, known.len(), SELECTABLE_FIELDS_MAX);
    }
}
