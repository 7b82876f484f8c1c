//! Resources within resources: their `apiVersion`, `kind` and `metadata` are brought into shape
//! and checked, whatever else their schema says.

use serde_json::{Map, Value};
use skerry_kinds::{ErrorKind, FieldError, NameRule, Path, metadata};

use super::object_meta;
use super::table::{Flags, NodeId, Table};
use crate::error::{Errors, child, index, key, rendered};

/// Brings the metadata of embedded resources into shape. `drops` what is malformed, as for what
/// is stored, or says what is wrong with it. Paths of unknown fields go to `unknown`.
pub(crate) fn coerce(
    table: &Table,
    node: NodeId,
    value: &mut Value,
    drops: bool,
    unknown: &mut Vec<String>,
) -> Result<(), FieldError> {
    let mut coercing = Coercing {
        table,
        drops,
        unknown,
    };
    coercing.value(value, node, None)
}

/// Brings the metadata of a resource itself into shape.
pub(crate) fn coerce_metadata(
    fields: &mut Map<String, Value>,
    path: Option<&Path<'_>>,
    drops: bool,
    unknown: &mut Vec<String>,
) -> Result<(), FieldError> {
    let Some(metadata) = fields.get_mut("metadata") else {
        return Ok(());
    };
    let types = object_meta::types();
    let of = object_meta::of(types);
    match skerry_schema::check(metadata, of) {
        Ok(wrong) => {
            let path = child(path, "metadata").to_string();
            unknown.extend(wrong.iter().map(|field| format!("{path}.{}", field.path)));
        }
        Err(wrong) if !drops => {
            let path = child(path, "metadata");
            let text = wrong.to_string();
            return Err(invalid(&path, metadata.clone(), text));
        }
        Err(_) => match metadata {
            Value::Object(entries) => entries.retain(|name, value| {
                let mut alone = Map::new();
                alone.insert(name.clone(), value.clone());
                skerry_schema::check(&Value::Object(alone), of).is_ok()
            }),
            // Upstream leaves what is no object as it is.
            _ => return Ok(()),
        },
    }
    skerry_schema::prune(metadata, of);
    skerry_schema::drop_nulls(metadata, of);
    match metadata {
        Value::Object(entries) => entries.retain(|name, value| match value {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(list) => !list.is_empty(),
            Value::Object(map) => !map.is_empty(),
            Value::Number(_) => name != "generation" || value.as_i64() != Some(0),
            Value::Bool(_) => true,
        }),
        null => *null = Value::Object(Map::new()),
    }
    Ok(())
}

fn invalid(path: &Path<'_>, bad_value: Value, detail: impl Into<String>) -> FieldError {
    FieldError {
        kind: ErrorKind::Invalid,
        field: path.to_string(),
        bad_value,
        detail: detail.into(),
    }
}

struct Coercing<'t, 'u> {
    table: &'t Table,
    drops: bool,
    unknown: &'u mut Vec<String>,
}

impl Coercing<'_, '_> {
    fn value(
        &mut self,
        value: &mut Value,
        node: NodeId,
        path: Option<&Path<'_>>,
    ) -> Result<(), FieldError> {
        let table = self.table;
        let this = *table.node(node);
        if !this.has(Flags::HAS_EMBEDDED) {
            return Ok(());
        }
        match value {
            Value::Object(fields) => {
                if this.has(Flags::EMBEDDED) {
                    self.resource(fields, path)?;
                }
                for (name, value) in fields {
                    if let Some(property) = table.property(node, name) {
                        self.value(value, property, Some(&child(path, name)))?;
                    } else if let Some(values) = table.some(this.values) {
                        self.value(value, values, Some(&key(path, name)))?;
                    }
                }
            }
            Value::Array(items) => {
                let Some(node) = table.some(this.items) else {
                    return Ok(());
                };
                for (i, item) in items.iter_mut().enumerate() {
                    self.value(item, node, Some(&index(path, i)))?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn resource(
        &mut self,
        fields: &mut Map<String, Value>,
        path: Option<&Path<'_>>,
    ) -> Result<(), FieldError> {
        for name in ["apiVersion", "kind"] {
            match fields.get(name) {
                None | Some(Value::String(_)) => {}
                Some(_) if self.drops => {
                    fields.remove(name);
                }
                Some(other) => {
                    let path = child(path, name);
                    return Err(invalid(&path, other.clone(), "must be a string"));
                }
            }
        }
        coerce_metadata(fields, path, self.drops, self.unknown)
    }
}

/// What is wrong with embedded resources, and with the value itself where `is_resource`.
pub(crate) fn validate(
    table: &Table,
    node: NodeId,
    is_resource: bool,
    value: &Value,
    path: Option<&Path<'_>>,
    errors: &mut Errors,
) {
    let this = *table.node(node);
    if !is_resource && !this.has(Flags::HAS_EMBEDDED) {
        return;
    }
    match value {
        Value::Object(fields) => {
            if is_resource || this.has(Flags::EMBEDDED) {
                resource(fields, path, errors);
            }
            for (name, value) in fields {
                if let Some(property) = table.property(node, name) {
                    let path = child(path, name);
                    validate(table, property, false, value, Some(&path), errors);
                } else if let Some(values) = table.some(this.values) {
                    let path = key(path, name);
                    validate(table, values, false, value, Some(&path), errors);
                }
            }
        }
        Value::Array(items) => {
            let Some(node) = table.some(this.items) else {
                return;
            };
            for (i, item) in items.iter().enumerate() {
                validate(table, node, false, item, Some(&index(path, i)), errors);
            }
        }
        _ => {}
    }
}

fn resource(fields: &Map<String, Value>, path: Option<&Path<'_>>, errors: &mut Errors) {
    for name in ["apiVersion", "kind"] {
        let path = child(path, name);
        match fields.get(name) {
            None => errors.required(&path, ""),
            Some(Value::String(text)) if text.is_empty() => {
                errors.invalid(&path, "", "must not be empty");
            }
            Some(Value::String(text)) if name == "apiVersion" => {
                if text.matches('/').count() > 1 {
                    let detail = format!("unexpected GroupVersion string: {text}");
                    errors.invalid(&path, text.as_str(), detail);
                }
            }
            Some(Value::String(text)) => {
                let wrong = crate::names::dns1035_label(&text.to_lowercase());
                if !wrong.is_empty() {
                    let detail = format!(
                        "may have mixed case, but should otherwise match: {}",
                        wrong.join(",")
                    );
                    errors.invalid(&path, text.as_str(), detail);
                }
            }
            Some(other) => errors.invalid(&path, other.clone(), "must be a string"),
        }
    }
    let Some(metadata) = fields.get("metadata") else {
        return;
    };
    let types = object_meta::types();
    if let Err(wrong) = skerry_schema::check(metadata, object_meta::of(types)) {
        errors.invalid(
            &child(path, "metadata"),
            metadata.clone(),
            wrong.to_string(),
        );
        return;
    }
    let mut object = serde_json::json!({ "metadata": metadata });
    if object["metadata"].is_null() {
        object["metadata"] = Value::Object(Map::new());
    }
    let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    if !text(&object["metadata"]["name"]) {
        // Only to have a name: an embedded resource may have none.
        object["metadata"]["name"] = Value::from("fakename");
    }
    let is_namespaced = text(&object["metadata"]["namespace"]);
    let outer = path.map(rendered).unwrap_or_default();
    for mut error in metadata::check(NameRule::PathSegment, is_namespaced, &object) {
        error.field = match outer.as_str() {
            "" => error.field,
            outer => format!("{outer}.{}", error.field),
        };
        errors.push(error);
    }
}
