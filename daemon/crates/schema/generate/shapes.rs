//! Definitions made into the table of types that a server holds.
//!
//! Knows nothing about documents. Invariant: equal leaves and lists are there once.

use std::collections::HashMap;
use std::error::Error;

use serde_json::Value;

use crate::build::{Builder, FieldSpec};
use crate::schemas::Schemas;
use crate::types::{Format, TypeId, Types};

/// The table of all `schemas`.
pub(crate) fn types(schemas: &Schemas) -> Result<Types, Box<dyn Error>> {
    let mut making = Making::default();
    for (name, schema) in schemas {
        let of = match name.rsplit('.').next() {
            Some("Quantity") => making.builder.string(Format::Quantity),
            _ => making.of(schema, name)?,
        };
        making.builder.define(name, of);
    }
    Ok(making.builder.finish())
}

#[derive(Default)]
struct Making {
    builder: Builder,
    /// By its schema without what does not change the type.
    made: HashMap<String, TypeId>,
}

impl Making {
    fn of(&mut self, schema: &Value, place: &str) -> Result<TypeId, Box<dyn Error>> {
        if let Some(Value::String(name)) = schema.get("$ref") {
            return Ok(self.builder.definition(name));
        }
        if schema.get("properties").is_some() {
            return self.object(schema, place);
        }
        let key = key(schema);
        if let Some(id) = self.made.get(&key) {
            return Ok(*id);
        }
        let id = self.simple(schema, place)?;
        self.made.insert(key, id);
        Ok(id)
    }

    fn simple(&mut self, schema: &Value, place: &str) -> Result<TypeId, Box<dyn Error>> {
        let format = schema["format"].as_str();
        let kind = schema["type"].as_str();
        let atomic = schema["x-kubernetes-map-type"] == "atomic";
        Ok(match (kind, format) {
            (None, None) => self.builder.any(),
            (Some("string"), None) => self.builder.string(Format::Plain),
            (Some("string"), Some("byte")) => self.builder.string(Format::Byte),
            (Some("string"), Some("date-time")) => self.builder.string(Format::DateTime),
            (Some("string"), Some("int-or-string")) => self.builder.int_or_string(),
            (Some("integer"), None) => self.builder.integer(Format::Plain),
            (Some("integer"), Some("int32")) => self.builder.integer(Format::Int32),
            (Some("integer"), Some("int64")) => self.builder.integer(Format::Int64),
            (Some("number"), _) => self.builder.number(),
            (Some("boolean"), None) => self.builder.boolean(),
            (Some("array"), None) => {
                let element = self.of(&schema["items"], place)?;
                let keys = schema["x-kubernetes-list-map-keys"].as_array();
                match schema["x-kubernetes-list-type"].as_str() {
                    Some("set") => self.builder.set(element),
                    Some("map") => {
                        let keys = keys.into_iter().flatten().filter_map(Value::as_str);
                        let keys: Vec<&str> = keys.collect();
                        self.builder.map_list(element, &keys)
                    }
                    _ => self.builder.atomic_list(element),
                }
            }
            (Some("object"), None) => match schema.get("additionalProperties") {
                Some(element) => {
                    let element = self.of(element, place)?;
                    self.builder.map(element, atomic)
                }
                None => self.builder.object(&[], atomic, true),
            },
            _ => return Err(format!("{place}: {kind:?} with format {format:?}").into()),
        })
    }

    fn object(&mut self, schema: &Value, place: &str) -> Result<TypeId, Box<dyn Error>> {
        let required = schema["required"].as_array();
        let required: Vec<&str> = required
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut fields = Vec::new();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let of = self.of(property, &format!("{place}.{name}"))?;
            let default = property.get("default").map(Value::to_string);
            fields.push((name, of, default, property));
        }
        let specs: Vec<FieldSpec<'_>> = fields
            .iter()
            .map(|(name, of, default, property)| FieldSpec {
                name,
                of: *of,
                required: required.contains(&name.as_str()),
                default: default.as_deref(),
                patch_strategy: property["x-kubernetes-patch-strategy"]
                    .as_str()
                    .unwrap_or(""),
                merge_key: property["x-kubernetes-patch-merge-key"].as_str(),
            })
            .collect();
        let atomic = schema["x-kubernetes-map-type"] == "atomic";
        Ok(self.builder.object(&specs, atomic, false))
    }
}

fn key(schema: &Value) -> String {
    let mut key = String::new();
    for part in [
        "type",
        "format",
        "x-kubernetes-list-type",
        "x-kubernetes-map-type",
    ] {
        key.push_str(schema[part].as_str().unwrap_or(""));
        key.push(' ');
    }
    key.push_str(&schema["x-kubernetes-list-map-keys"].to_string());
    for part in ["items", "additionalProperties"] {
        let inner = &schema[part];
        match inner.get("$ref") {
            Some(name) => key.push_str(&name.to_string()),
            None if inner.is_object() => key.push_str(&self::key(inner)),
            None => {}
        }
        key.push('|');
    }
    key
}
