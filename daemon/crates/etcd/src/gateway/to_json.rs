//! Protocol buffers to JSON: a method's answer becomes the body that the client reads.
//!
//! Written straight from the wire, guided by the schema, without an intermediate tree. Default
//! values are not on the wire and so not in the JSON, as with etcd. The input comes from this
//! process's own encoder: repeated fields stand together and strings are UTF-8; should that ever
//! fail, the answer is an error and nothing panics.

use std::io::Write;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use prost::encoding::{WireType, decode_key, decode_varint};

use super::schema::{FieldShape, Kind, MessageIndex, Schema};

/// Messages within messages: `TxnResponse` nests as deep as its request, which prost bounds.
const DEPTH_MAX: u32 = 128;

/// Bytes that are not the message they should be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is not a valid message")]
pub(super) struct Malformed;

/// Appends the message in `wire` as JSON.
pub(super) fn write(
    schema: &Schema,
    message: MessageIndex,
    wire: &[u8],
    json: &mut Vec<u8>,
) -> Result<(), Malformed> {
    write_message(schema, message, wire, json, DEPTH_MAX)
}

fn write_message(
    schema: &Schema,
    message: MessageIndex,
    mut wire: &[u8],
    json: &mut Vec<u8>,
    depth: u32,
) -> Result<(), Malformed> {
    let depth = depth.checked_sub(1).ok_or(Malformed)?;
    let shape = schema.message(message);
    let mut list: Option<u32> = None;
    json.push(b'{');
    let mut first = true;
    while !wire.is_empty() {
        let (number, wire_type) = decode_key(&mut wire).map_err(|_| Malformed)?;
        let value = take(&mut wire, wire_type)?;
        let Some(field) = shape.by_number(number) else {
            continue;
        };
        if list.is_some() && list != Some(number) {
            json.push(b']');
            list = None;
        }
        if list == Some(number) {
            json.push(b',');
        } else {
            if !first {
                json.push(b',');
            }
            first = false;
            write_text(&field.name, json);
            json.push(b':');
            if field.repeated {
                json.push(b'[');
                list = Some(number);
            }
        }
        write_value(schema, field, value, json, depth)?;
    }
    if list.is_some() {
        json.push(b']');
    }
    json.push(b'}');
    Ok(())
}

/// A value as it stands on the wire.
enum Value<'a> {
    Varint(u64),
    Delimited(&'a [u8]),
    /// 32 or 64 bits, which no message of etcd's uses.
    Fixed,
}

fn take<'a>(wire: &mut &'a [u8], wire_type: WireType) -> Result<Value<'a>, Malformed> {
    let length = match wire_type {
        WireType::Varint => {
            let value = decode_varint(wire).map_err(|_| Malformed)?;
            return Ok(Value::Varint(value));
        }
        WireType::LengthDelimited => {
            let length = decode_varint(wire).map_err(|_| Malformed)?;
            usize::try_from(length).map_err(|_| Malformed)?
        }
        WireType::SixtyFourBit => 8,
        WireType::ThirtyTwoBit => 4,
        WireType::StartGroup | WireType::EndGroup => return Err(Malformed),
    };
    let (value, rest) = wire.split_at_checked(length).ok_or(Malformed)?;
    *wire = rest;
    Ok(match wire_type {
        WireType::LengthDelimited => Value::Delimited(value),
        _ => Value::Fixed,
    })
}

/// Integers of 64 bits are strings in JSON, as a double could not hold them.
#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
fn write_value(
    schema: &Schema,
    field: &FieldShape,
    value: Value<'_>,
    json: &mut Vec<u8>,
    depth: u32,
) -> Result<(), Malformed> {
    let written = match (field.kind, value) {
        (Kind::Bool, Value::Varint(value)) => write!(json, "{}", value != 0),
        (Kind::Int32, Value::Varint(value)) => write!(json, "{}", value as i32),
        (Kind::Uint32, Value::Varint(value)) => write!(json, "{}", value as u32),
        (Kind::Int64, Value::Varint(value)) => write!(json, "\"{}\"", value as i64),
        (Kind::Uint64, Value::Varint(value)) => write!(json, "\"{value}\""),
        (Kind::Enum(index), Value::Varint(value)) => {
            match schema.enumeration(index).value_name(value as i32) {
                Some(name) => write!(json, "\"{name}\""),
                None => write!(json, "{}", value as i32),
            }
        }
        (Kind::Bytes, Value::Delimited(value)) => {
            write!(json, "\"{}\"", Base64Display::new(value, &STANDARD))
        }
        (Kind::String, Value::Delimited(value)) => {
            write_text(std::str::from_utf8(value).map_err(|_| Malformed)?, json);
            Ok(())
        }
        (Kind::Message(message), Value::Delimited(value)) => {
            return write_message(schema, message, value, json, depth);
        }
        _ => return Err(Malformed),
    };
    written.map_err(|_| Malformed)
}

/// A JSON string with its quotes.
pub(super) fn write_text(text: &str, json: &mut Vec<u8>) {
    // Writing to memory does not fail, and a string has no key that is not a string.
    let _ = serde_json::to_writer(json, text);
}
