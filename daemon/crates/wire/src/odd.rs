//! Messages that look different in JSON: quantities, times, raw JSON, either-ors.
//!
//! Reading only; their writing is in `encode`.

use serde_json::Value;

use crate::built_in::TABLE;
use crate::decode::{Decoder, go_name, run, text, wrong};
use crate::envelope::{MAGIC, open};
use crate::error::DecodeError;
use crate::read::{Reader, Wire};
use crate::table::{Field, Many, Message, Of, Shape};
use crate::time;

/// The fields of a message of numbers and one text.
#[derive(Default)]
struct Few<'b> {
    /// By number, less one.
    numbers: [u64; 3],
    bytes: &'b [u8],
}

impl Decoder {
    /// The value of a message that is no object; null where it says nothing.
    pub(crate) fn odd(
        &mut self,
        of: Message,
        field: Field,
        bytes: &[u8],
        depth: usize,
    ) -> Result<Value, DecodeError> {
        self.within(depth)?;
        match of.shape {
            Shape::List => return self.list(of, field, bytes, depth),
            Shape::OrBool | Shape::OrList | Shape::OrTexts => {
                return self.either(of, field, bytes, depth);
            }
            _ => {}
        }
        let few = few(of, bytes)?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
        let number = |place: usize| few.numbers[place] as i64;
        let unspeakable = || DecodeError::Unspeakable {
            field: go_name(field),
        };
        Ok(match of.shape {
            Shape::Quantity if few.bytes.is_empty() => "0".into(),
            Shape::Quantity => text(few.bytes).into(),
            #[allow(clippy::cast_possible_truncation)]
            Shape::IntOrString => match number(0) {
                0 => (number(1) as i32).into(),
                _ => text(few.bytes).into(),
            },
            Shape::Duration => time::duration(number(0)).into(),
            // Go's zero time is the first second of the year 1, and prints as null.
            Shape::Time | Shape::MicroTime if bytes.is_empty() || number(0) == ZERO_TIME => {
                Value::Null
            }
            Shape::Time => time::rfc3339(number(0), None)
                .ok_or_else(unspeakable)?
                .into(),
            #[allow(clippy::cast_possible_truncation)]
            Shape::MicroTime => time::rfc3339(number(0), Some(number(1) as i32))
                .ok_or_else(unspeakable)?
                .into(),
            _ => self.raw(field, few.bytes, depth)?,
        })
    }

    fn raw(&mut self, field: Field, raw: &[u8], depth: usize) -> Result<Value, DecodeError> {
        if raw.is_empty() {
            return Ok(Value::Null);
        }
        if raw.starts_with(MAGIC) {
            return Ok(self.opened(open(raw)?, depth)?.value);
        }
        let bad = |error: serde_json::Error| DecodeError::Raw {
            field: go_name(field),
            why: error.to_string(),
        };
        let value: Value = serde_json::from_slice(raw).map_err(bad)?;
        self.measure(&value, depth)?;
        Ok(value)
    }

    /// Counts what came as JSON.
    fn measure(&mut self, value: &Value, depth: usize) -> Result<(), DecodeError> {
        match value {
            Value::Array(list) => {
                self.within(depth)?;
                list.iter()
                    .try_for_each(|inner| self.measure(inner, depth + 1))
            }
            Value::Object(fields) => {
                self.within(depth)?;
                fields
                    .values()
                    .try_for_each(|inner| self.measure(inner, depth + 1))
            }
            _ => self.count(1),
        }
    }

    fn list(
        &mut self,
        of: Message,
        outer: Field,
        bytes: &[u8],
        depth: usize,
    ) -> Result<Value, DecodeError> {
        let mut list = Vec::new();
        let mut fields = Reader(bytes);
        while let Some((number, wire)) = fields.field(TABLE.name(of.name))? {
            if let Some(field) = TABLE.field(of, number) {
                let value = match field.of {
                    Of::Message(inner) => {
                        let bytes = run(outer, wire)?;
                        self.message(TABLE.message(inner), field, bytes, depth + 1)?
                    }
                    scalar => self.scalar(field, scalar, wire)?.0,
                };
                list.push(value);
            }
        }
        Ok(Value::Array(list))
    }

    /// `JSONSchemaPropsOr...`: a schema, or what stands in its place.
    fn either(
        &mut self,
        of: Message,
        outer: Field,
        bytes: &[u8],
        depth: usize,
    ) -> Result<Value, DecodeError> {
        let (mut schema, mut list, mut allows) = (None, Vec::new(), false);
        let mut fields = Reader(bytes);
        while let Some((number, wire)) = fields.field(TABLE.name(of.name))? {
            let Some(field) = TABLE.field(of, number) else {
                continue;
            };
            let deeper = depth + usize::from(field.many == Many::List);
            match field.of {
                Of::Message(inner) => {
                    let bytes = run(outer, wire)?;
                    let value = self.message(TABLE.message(inner), field, bytes, deeper)?;
                    match field.many {
                        Many::List => list.push(value),
                        _ => schema = Some(value),
                    }
                }
                scalar => match self.scalar(field, scalar, wire)?.0 {
                    Value::Bool(truth) => allows = truth,
                    value => list.push(value),
                },
            }
        }
        Ok(match (schema, of.shape) {
            (Some(schema), Shape::OrBool) => schema,
            (None, Shape::OrBool) => allows.into(),
            (_, _) if !list.is_empty() => Value::Array(list),
            (Some(schema), _) => schema,
            (None, _) => Value::Null,
        })
    }
}

/// Of the year 1, in seconds since 1970.
pub(crate) const ZERO_TIME: i64 = -62_135_596_800;

fn few(of: Message, bytes: &[u8]) -> Result<Few<'_>, DecodeError> {
    let mut few = Few::default();
    let mut fields = Reader(bytes);
    while let Some((number, wire)) = fields.field(TABLE.name(of.name))? {
        let Some(field) = TABLE.field(of, number) else {
            continue;
        };
        match (field.of, wire) {
            (Of::Text | Of::Bytes, Wire::Bytes(bytes)) => few.bytes = bytes,
            (Of::Int32 | Of::Int64, Wire::Varint(value)) => {
                if let Some(place) = few.numbers.get_mut(usize::from(field.number) - 1) {
                    *place = value;
                }
            }
            (_, wire) => return Err(wrong(field, wire)),
        }
    }
    Ok(few)
}
