//! From a value to bytes, as upstream's encoder writes them.
//!
//! Fields are in the order of their numbers, maps in that of their keys; what Go's types always
//! have is written even where it is zero; fields that the table does not have are left out.
//! Invariant: whatever the value, the answer is a message that upstream reads, or an error.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::built_in::{TABLE, message};
use crate::envelope;
use crate::error::EncodeError;
use crate::limits::DEPTH_MAX;
use crate::odd::ZERO_TIME;
use crate::table::{Field, Many, Message, Of, Shape};
use crate::time;
use crate::write::Backward;

static NULL: Value = Value::Null;

/// Writes an object with its envelope.
pub fn encode(value: &Value, api_version: &str, kind: &str) -> Result<Vec<u8>, EncodeError> {
    let mut out = Backward::default();
    fields(of(api_version, kind)?, object(value)?, 0, &mut out)?;
    let raw = out.finish();
    let mut bytes = envelope::head(api_version, kind, raw.len());
    bytes.reserve_exact(raw.len() + envelope::TAIL.len());
    bytes.extend(raw);
    bytes.extend_from_slice(envelope::TAIL);
    Ok(bytes)
}

/// The message of a kind.
pub(crate) fn of(api_version: &str, kind: &str) -> Result<Message, EncodeError> {
    let found = message(api_version, kind).filter(|of| of.shape == Shape::Object);
    found.ok_or_else(|| EncodeError::UnknownKind {
        api_version: api_version.into(),
        kind: kind.into(),
    })
}

/// The fields of an object; none where there is none.
pub(crate) fn object(value: &Value) -> Result<Option<&Map<String, Value>>, EncodeError> {
    match value {
        Value::Object(fields) => Ok(Some(fields)),
        Value::Null => Ok(None),
        _ => Err(EncodeError::wrong("an object")),
    }
}

pub(crate) fn fields(
    of: Message,
    object: Option<&Map<String, Value>>,
    depth: usize,
    out: &mut Backward,
) -> Result<(), EncodeError> {
    if depth > DEPTH_MAX {
        return Err(EncodeError::TooDeep(DEPTH_MAX));
    }
    for field in TABLE.fields(of).iter().rev() {
        let name = TABLE.name(field.name);
        if let (true, Of::Message(inner)) = (field.flags.is_inline(), field.of) {
            let end = out.len();
            fields(TABLE.message(inner), object, depth + 1, out)?;
            out.close(field.number, end);
            continue;
        }
        let value = object.and_then(|object| object.get(name)).unwrap_or(&NULL);
        self::field(*field, value, depth, out).map_err(|error| error.under(name))?;
    }
    Ok(())
}

fn field(field: Field, value: &Value, depth: usize, out: &mut Backward) -> Result<(), EncodeError> {
    match (field.many, value) {
        (Many::List | Many::Map, Value::Null) => Ok(()),
        (Many::List, Value::Array(list)) => {
            for (place, value) in list.iter().enumerate().rev() {
                one(field.number, field.of, value, depth + 2, out)
                    .map_err(|error| error.under(&format!("[{place}]")))?;
            }
            Ok(())
        }
        (Many::List, _) => Err(EncodeError::wrong("a list")),
        (Many::Map, Value::Object(map)) => {
            for (key, value) in map.iter().rev() {
                let end = out.len();
                one(2, field.of, value, depth + 2, out)
                    .map_err(|error| error.under(&format!("[{key:?}]")))?;
                out.run(1, key.as_bytes());
                out.close(field.number, end);
            }
            Ok(())
        }
        (Many::Map, _) => Err(EncodeError::wrong("an object")),
        (Many::One, Value::Null) if field.flags.is_pointer() => Ok(()),
        (Many::One, value) => one(field.number, field.of, value, depth + 1, out),
    }
}

/// One field of one value; null is zero.
fn one(
    number: u16,
    of: Of,
    value: &Value,
    depth: usize,
    out: &mut Backward,
) -> Result<(), EncodeError> {
    match (of, value) {
        (Of::Text, Value::String(text)) => out.run(number, text.as_bytes()),
        (Of::Text | Of::Bytes, Value::Null) => out.run(number, &[]),
        (Of::Text, _) => return Err(EncodeError::wrong("a string")),
        (Of::Bytes, Value::String(text)) => {
            let bytes = STANDARD.decode(text);
            out.run(number, &bytes.map_err(|_| EncodeError::wrong("base64"))?);
        }
        (Of::Bytes, _) => return Err(EncodeError::wrong("base64")),
        (Of::Bool, Value::Bool(truth)) => out.number(number, u64::from(*truth)),
        (Of::Bool | Of::Int32 | Of::Int64, Value::Null) => out.number(number, 0),
        (Of::Bool, _) => return Err(EncodeError::wrong("a boolean")),
        (Of::Int32, value) => {
            let whole = integer(value).and_then(|whole| i32::try_from(whole).ok());
            let whole = whole.ok_or(EncodeError::wrong("a 32-bit integer"))?;
            out.number(number, i64::from(whole).cast_unsigned());
        }
        (Of::Int64, value) => {
            let whole = integer(value).ok_or(EncodeError::wrong("a 64-bit integer"))?;
            out.number(number, whole.cast_unsigned());
        }
        (Of::Double, value) => {
            let double = match value {
                Value::Null => Some(0.0),
                value => value.as_f64(),
            };
            let double = double.ok_or(EncodeError::wrong("a number"))?;
            out.bytes(&double.to_bits().to_le_bytes());
            out.tag(number, 1);
        }
        (Of::Message(inner), value) => {
            let end = out.len();
            message_of(TABLE.message(inner), value, depth, out)?;
            out.close(number, end);
        }
    }
    Ok(())
}

/// What is inside a message.
fn message_of(
    of: Message,
    value: &Value,
    depth: usize,
    out: &mut Backward,
) -> Result<(), EncodeError> {
    match of.shape {
        Shape::Object => fields(of, object(value)?, depth, out)?,
        Shape::Quantity => match value {
            Value::String(text) => out.run(1, text.as_bytes()),
            Value::Number(number) => out.run(1, number.to_string().as_bytes()),
            Value::Null => out.run(1, b"0"),
            _ => return Err(EncodeError::wrong("a quantity")),
        },
        Shape::IntOrString => {
            let (kind, whole, text) = match value {
                Value::String(text) => (1, 0, text.as_str()),
                Value::Null => (0, 0, ""),
                value => (0, whole_of(value)?, ""),
            };
            out.run(3, text.as_bytes());
            out.number(2, i64::from(whole).cast_unsigned());
            out.number(1, kind);
        }
        Shape::Time | Shape::MicroTime => instant(of.shape, value, out)?,
        Shape::Duration => {
            let nanos = match value {
                Value::Null => Some(0),
                Value::String(text) => time::parse_duration(text),
                _ => None,
            };
            let nanos = nanos.ok_or(EncodeError::wrong("a duration"))?;
            out.number(1, nanos.cast_unsigned());
        }
        Shape::Raw => {
            if !value.is_null() {
                out.run(1, value.to_string().as_bytes());
            }
        }
        Shape::List => match value {
            Value::Null => {}
            Value::Array(_) => {
                for field in TABLE.fields(of) {
                    self::field(*field, value, depth, out)?;
                }
            }
            _ => return Err(EncodeError::wrong("a list")),
        },
        Shape::OrBool | Shape::OrList | Shape::OrTexts => either(of, value, depth, out)?,
    }
    Ok(())
}

fn whole_of(value: &Value) -> Result<i32, EncodeError> {
    let whole = integer(value).and_then(|whole| i32::try_from(whole).ok());
    whole.ok_or(EncodeError::wrong("a 32-bit integer or a string"))
}

fn instant(shape: Shape, value: &Value, out: &mut Backward) -> Result<(), EncodeError> {
    let text = match value {
        Value::Null => return Ok(()),
        Value::String(text) => text,
        _ => return Err(EncodeError::wrong("a time")),
    };
    let (seconds, nanos) = time::parse(text).ok_or(EncodeError::wrong("a time"))?;
    if (seconds, nanos) == (ZERO_TIME, 0) {
        return Ok(());
    }
    let nanos = match shape {
        Shape::MicroTime => nanos / 1000 * 1000,
        _ => 0,
    };
    out.number(2, i64::from(nanos).cast_unsigned());
    out.number(1, seconds.cast_unsigned());
    Ok(())
}

/// `JSONSchemaPropsOr...`: see the fields of these messages in the table.
fn either(of: Message, value: &Value, depth: usize, out: &mut Backward) -> Result<(), EncodeError> {
    let mut place = None;
    let mut allows = None;
    match (of.shape, value) {
        (_, Value::Null) => {}
        (Shape::OrBool, Value::Bool(truth)) => allows = Some(*truth),
        (Shape::OrBool, Value::Object(_)) => {
            allows = Some(true);
            place = Some(2);
        }
        (Shape::OrBool, _) => return Err(EncodeError::wrong("a boolean or an object")),
        (_, Value::Array(_)) => place = Some(2),
        (_, Value::Object(_)) => place = Some(1),
        _ => return Err(EncodeError::wrong("a list or an object")),
    }
    if let Some(field) = place.and_then(|number| TABLE.field(of, number)) {
        self::field(field, value, depth, out)?;
    }
    if of.shape == Shape::OrBool {
        out.number(1, u64::from(allows.unwrap_or(false)));
    }
    Ok(())
}

/// Whole numbers, however they are written.
fn integer(value: &Value) -> Option<i64> {
    let number = value.as_number()?;
    number.as_i64().or_else(|| {
        let double = number.as_f64()?;
        let is_whole = double.fract() == 0.0 && double.abs() < 9.0e15;
        #[allow(clippy::cast_possible_truncation)]
        is_whole.then_some(double as i64)
    })
}
