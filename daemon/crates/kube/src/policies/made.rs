//! What expressions have made, as JSON: configurations to apply and operations of patches.
//!
//! Invariant: what is made is no deeper than any body, and each object's type is where its name says
//! that it belongs.

use serde_json::{Map, Number, Value as Json};
use skerry_cel::Value;

use super::environment::{JSON_PATCH, OBJECT, TYPE_KEY};
use crate::limits::DEPTH_MAX;

/// A configuration to apply.
///
/// # Errors
/// It is not of the type that such a thing has.
pub(super) fn configuration(value: &Value<'_>) -> Result<Json, String> {
    if type_of(value)?.as_deref() != Some(OBJECT) {
        let kind = value.kind();
        return Err(format!(
            "unsupported return type from ApplyConfiguration expression: {kind}"
        ));
    }
    json(value, &mut vec![OBJECT.to_owned()])
}

/// The operations of a JSON patch.
///
/// # Errors
/// They are not of the type that such things have.
pub(super) fn operations(value: &Value<'_>) -> Result<Vec<Json>, String> {
    let Value::List(list) = value else {
        return Err("type mismatch: JSONPatchType.expression should evaluate to array".into());
    };
    let mut operations = Vec::new();
    for item in list.iter() {
        let item = item.map_err(|error| error.to_string())?;
        let (Value::Map(fields), Some(JSON_PATCH)) = (&item, type_of(&item)?.as_deref()) else {
            return Err(
                "type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch"
                    .into(),
            );
        };
        let mut operation = Map::new();
        for name in ["op", "path", "from", "value"] {
            let field = fields.get_str(name).map_err(|error| error.to_string())?;
            let Some(field) = field else { continue };
            let made = match type_of(&field)? {
                // It may be any object that has a type of its own.
                Some(own) => json(&field, &mut vec![own]),
                None => json(&field, &mut vec![OBJECT.to_owned()]),
            };
            let made = made.map_err(|why| {
                format!("JSONPath valueExpression evaluated to a type that could not marshal to JSON: {why}")
            })?;
            if name != "from" || made != "" {
                operation.insert(name.into(), made);
            }
        }
        for name in ["op", "path"] {
            operation.entry(name).or_insert_with(|| "".into());
        }
        operations.push(operation.into());
    }
    Ok(operations)
}

/// The type of what an expression has made with one.
fn type_of(value: &Value<'_>) -> Result<Option<String>, String> {
    let Value::Map(map) = value else {
        return Ok(None);
    };
    match map.get(&TYPE_KEY) {
        Ok(Some(Value::String(name))) => Ok(Some(name.to_string())),
        Ok(_) => Ok(None),
        // No key of JSON that a schema reads is of this type.
        Err(_) => Ok(None),
    }
}

/// A value as JSON; `path` is the type that an object has which stands here.
fn json(value: &Value<'_>, path: &mut Vec<String>) -> Result<Json, String> {
    if path.len() > DEPTH_MAX {
        return Err("exceeded max depth".into());
    }
    let unfit = || format!("unsupported type {}", value.kind());
    Ok(match value {
        Value::Null => Json::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(number) => (*number).into(),
        Value::Uint(number) => (*number).into(),
        Value::Double(number) => Number::from_f64(*number).ok_or_else(unfit)?.into(),
        Value::String(text) => (**text).into(),
        Value::Preserved(json) => (*json).clone(),
        Value::List(list) => {
            let mut items = Vec::new();
            for item in list.iter() {
                items.push(json(&item.map_err(|error| error.to_string())?, path)?);
            }
            items.into()
        }
        Value::Map(map) => {
            let own = type_of(value)?;
            if let Some(own) = &own {
                let expected = path.join(".");
                if *own != expected {
                    return Err(format!(
                        "type mismatch: unexpected type name {own:?}, expected {expected:?}, which \
                         matches field name path from root Object type"
                    ));
                }
            }
            let mut fields = Map::new();
            for entry in map.iter() {
                let (key, value) = entry.map_err(|error| error.to_string())?;
                match key {
                    Value::String(name) => {
                        // Of what has no type, its items stand where it stands.
                        let is_named = own.is_some();
                        if is_named {
                            path.push(name.to_string());
                        }
                        let made = json(&value, path);
                        if is_named {
                            path.pop();
                        }
                        fields.insert(name.to_string(), made?);
                    }
                    Value::Bool(true) if own.is_some() => {}
                    key => return Err(format!("map key of type {}, not string", key.kind())),
                }
            }
            fields.into()
        }
        _ => return Err(unfit()),
    })
}
