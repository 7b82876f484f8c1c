//! JSON read as values, lazily: with a schema, or as it stands.
//!
//! Knows nothing about expressions. Invariant: reading copies nothing but decoded bytes.

use crate::error::Error;
use crate::escape::escape;
use crate::schema::{Form, Shape, StringForm, plain_name};
use crate::value::{Duration, Json, List, Map, Str, Timestamp, Value};
use serde_json::Value as Raw;

/// JSON without a schema.
pub(crate) fn plain(value: &Raw) -> Value<'_> {
    match value {
        Raw::Null => Value::Null,
        Raw::Bool(value) => Value::Bool(*value),
        Raw::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Double(number.as_f64().unwrap_or(f64::INFINITY)),
        },
        Raw::String(text) => Value::str(text),
        Raw::Array(_) => Value::List(List::Json(Json { value, shape: None })),
        Raw::Object(_) => Value::Map(Map::Json(Json { value, shape: None })),
    }
}

/// JSON as its shape says.
pub(crate) fn read(json: Json<'_>) -> Result<Value<'_>, Error> {
    let Some(shape) = json.shape else {
        return Ok(plain(json.value));
    };
    let form = shape.schema.form(shape.node);
    if json.value.is_null() && !matches!(form, Form::Any | Form::Preserved) {
        if shape.schema.nullable(shape.node) {
            return Ok(Value::Null);
        }
        return Err(Error::text(
            "invalid data, got null for schema with nullable=false",
        ));
    }
    Ok(match (form, json.value) {
        (Form::Any, value) => plain(value),
        (Form::Preserved, value) => Value::Preserved(value),
        (Form::Bool, Raw::Bool(value)) => Value::Bool(*value),
        (Form::Int, Raw::Number(number)) => match whole(number) {
            Some(number) => Value::Int(number),
            None => return Err(Error::text("invalid data, expected int, got float64")),
        },
        (Form::Double, Raw::Number(number)) => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
        (Form::IntOrString, Raw::String(text)) => Value::str(text),
        (Form::IntOrString, Raw::Number(number)) if whole(number).is_some() => {
            Value::Int(whole(number).unwrap_or_default())
        }
        (Form::IntOrString, _) => {
            return Err(Error::text(
                "invalid data, expected XIntOrString value to be either a string or integer",
            ));
        }
        (Form::String(format), Raw::String(text)) => string(text, format)?,
        (Form::List { .. }, Raw::Array(_)) => Value::List(List::Json(json)),
        (Form::Map { .. } | Form::Object, Raw::Object(_)) => Value::Map(Map::Json(json)),
        (form, value) => return Err(Error::new(mismatch(form, value))),
    })
}

/// A number without a fraction that is an int; YAML and JSON write `1.0` for one, too.
fn whole(number: &serde_json::Number) -> Option<i64> {
    if let Some(number) = number.as_i64() {
        return Some(number);
    }
    // Between -2^63 and 2^63 a whole double is exactly an i64.
    #[allow(clippy::cast_possible_truncation)]
    let whole = number
        .as_f64()
        .filter(|n| n.fract() == 0.0 && n.abs() < 9.2e18)
        .map(|n| n as i64);
    whole
}

fn mismatch(form: Form, value: &Raw) -> String {
    let got = match value {
        Raw::Null => "<nil>",
        Raw::Bool(_) => "bool",
        Raw::Number(number) if number.is_i64() => "int64",
        Raw::Number(_) => "float64",
        Raw::String(_) => "string",
        Raw::Array(_) => "[]interface {}",
        Raw::Object(_) => "map[string]interface {}",
    };
    match form {
        Form::Map { .. } | Form::Object => {
            "invalid data, expected a map for the provided schema with type=object".to_owned()
        }
        Form::List { .. } => {
            "invalid data, expected an array for the provided schema with type=array".to_owned()
        }
        Form::Int => format!("invalid data, expected int, got {got}"),
        Form::Double => format!("invalid data, expected float, got {got}"),
        Form::Bool => format!("invalid data, expected bool, got {got}"),
        _ => format!("invalid data, expected string, got {got}"),
    }
}

fn string(text: &str, format: StringForm) -> Result<Value<'_>, Error> {
    Ok(match format {
        StringForm::Plain => Value::str(text),
        StringForm::Bytes => match decode_base64(text) {
            Some(bytes) => Value::bytes(bytes),
            None => return Err(Error::new(format!("Invalid byte formatted string {text}"))),
        },
        StringForm::DateTime => match Timestamp::parse(text) {
            Some(time) => Value::Timestamp(time),
            None => {
                return Err(Error::new(format!(
                    "Invalid date-time formatted string {text}"
                )));
            }
        },
        StringForm::Date => match Timestamp::parse_date(text) {
            Some(time) => Value::Timestamp(time),
            None => return Err(Error::new(format!("Invalid date formatted string {text}"))),
        },
        StringForm::Duration => match Duration::parse(text) {
            Some(span) => Value::Duration(span),
            None => return Err(Error::new(format!("Invalid duration {text}"))),
        },
    })
}

/// Base64 of the standard alphabet with its padding.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let text: Vec<u8> = text
        .bytes()
        .filter(|byte| !matches!(byte, b'\r' | b'\n'))
        .collect();
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    if padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in text[..text.len() - padding].chunks(4) {
        let mut bits = 0u32;
        for byte in group {
            let digit = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(digit);
        }
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

/// An item of a JSON array.
pub(crate) fn item<'a>(list: Json<'a>, value: &'a Raw) -> Result<Value<'a>, Error> {
    let Some(shape) = list.shape else {
        return Ok(plain(value));
    };
    let Form::List { items, .. } = shape.schema.form(shape.node) else {
        return Ok(plain(value));
    };
    read(Json {
        value,
        shape: Some(Shape {
            node: items,
            ..shape
        }),
    })
}

/// A field of a JSON object, by the name that expressions write. Of an object with declared
/// fields, null is as absent, and so is what is not declared.
pub(crate) fn field<'a>(object: Json<'a>, name: &str) -> Result<Option<Value<'a>>, Error> {
    let Some(fields) = object.value.as_object() else {
        return Ok(None);
    };
    let Some(shape) = object.shape else {
        return Ok(fields.get(name).map(plain));
    };
    let (value, node) = match shape.schema.form(shape.node) {
        Form::Map { values } => (fields.get(name), Some(values)),
        Form::Object => {
            let Some(plain) = plain_name(shape.schema, name) else {
                return Ok(None);
            };
            let value = fields.get(&*plain).filter(|value| !value.is_null());
            (value, shape.schema.field(shape.node, &plain))
        }
        _ => return Ok(fields.get(name).map(plain)),
    };
    let (Some(value), Some(node)) = (value, node) else {
        return Ok(None);
    };
    read(Json {
        value,
        shape: Some(Shape { node, ..shape }),
    })
    .map(Some)
}

/// The keys of a JSON object, as expressions write them.
pub(crate) fn keys<'a>(object: Json<'a>) -> impl Iterator<Item = Value<'a>> {
    let names = object
        .value
        .as_object()
        .into_iter()
        .flat_map(serde_json::Map::keys);
    names.filter_map(move |name| {
        let Some(shape) = object.shape else {
            return Some(Value::str(name));
        };
        if shape.schema.form(shape.node) != Form::Object {
            return Some(Value::str(name));
        }
        shape.schema.field(shape.node, name)?;
        if !shape.schema.escapes_names() {
            return Some(Value::str(name));
        }
        Some(match escape(name) {
            Some(escaped) if escaped != *name => Value::String(Str::Shared(escaped.into())),
            _ => Value::str(name),
        })
    })
}
