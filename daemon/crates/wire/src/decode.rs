//! From bytes to a value.
//!
//! Fields that the table does not have are passed over, as upstream passes over them. Invariant:
//! whatever the bytes, the answer is a value within the limits, or an error.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use crate::built_in::{TABLE, message};
use crate::envelope::{self, Opened};
use crate::error::{DecodeError, Refused};
use crate::limits::Limits;
use crate::read::{Reader, Wire};
use crate::table::{Field, Many, Message, Of, Shape};

/// An object that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// As in the envelope, and in the value.
    pub api_version: String,
    /// As in the envelope, and in the value.
    pub kind: String,
    /// The object, as upstream's JSON would say it.
    pub value: Value,
}

/// Reads an object with its envelope.
pub fn decode(bytes: &[u8], limits: Limits) -> Result<Decoded, DecodeError> {
    if bytes.len() > limits.bytes {
        return Err(DecodeError::TooLong(limits.bytes));
    }
    let opened = envelope::open(bytes)?;
    Decoder::new(limits).opened(opened, 1)
}

/// Reads an object with its envelope; what that does not say of its kind is taken from what is
/// expected.
pub fn decode_as(
    bytes: &[u8],
    limits: Limits,
    api_version: &str,
    kind: &str,
) -> Result<Decoded, Refused> {
    let unsaid = |error| Refused { said: None, error };
    if bytes.len() > limits.bytes {
        return Err(unsaid(DecodeError::TooLong(limits.bytes)));
    }
    let mut opened = envelope::open(bytes).map_err(unsaid)?;
    if opened.kind.is_empty() {
        kind.clone_into(&mut opened.kind);
    }
    if opened.api_version.is_empty() {
        api_version.clone_into(&mut opened.api_version);
    }
    let said = (opened.api_version.clone(), opened.kind.clone());
    let decoded = Decoder::new(limits).opened(opened, 1);
    decoded.map_err(|error| Refused {
        said: Some(said),
        error,
    })
}

/// What is left of the limits.
pub(crate) struct Decoder {
    pub(crate) limits: Limits,
    values: usize,
}

impl Decoder {
    fn new(limits: Limits) -> Decoder {
        Decoder {
            limits,
            values: limits.values,
        }
    }

    /// `depth` is the level of the object.
    pub(crate) fn opened(
        &mut self,
        opened: Opened<'_>,
        depth: usize,
    ) -> Result<Decoded, DecodeError> {
        if opened.kind.is_empty() {
            return Err(DecodeError::NoKind);
        }
        let (api_version, kind) = (opened.api_version, opened.kind);
        let of = message(&api_version, &kind).filter(|of| of.shape == Shape::Object);
        let Some(of) = of else {
            return Err(DecodeError::UnknownKind { api_version, kind });
        };
        let mut object = Map::new();
        self.fields(of, opened.raw, depth, &mut object)?;
        object.insert("apiVersion".into(), api_version.clone().into());
        object.insert("kind".into(), kind.clone().into());
        let value = Value::Object(object);
        Ok(Decoded {
            api_version,
            kind,
            value,
        })
    }

    /// Reads the fields of a message into what is known of it.
    pub(crate) fn fields(
        &mut self,
        of: Message,
        bytes: &[u8],
        depth: usize,
        object: &mut Map<String, Value>,
    ) -> Result<(), DecodeError> {
        self.within(depth)?;
        let mut fields = Reader(bytes);
        while let Some((number, wire)) = fields.field(TABLE.name(of.name))? {
            if let Some(field) = TABLE.field(of, number) {
                self.field(field, wire, depth, object)?;
            }
        }
        self.fill(of, depth, object)
    }

    fn field(
        &mut self,
        field: Field,
        wire: Wire<'_>,
        depth: usize,
        object: &mut Map<String, Value>,
    ) -> Result<(), DecodeError> {
        let name = TABLE.name(field.name);
        match (field.many, field.of) {
            (Many::List, of) => {
                let list = entry(object, name, || Value::Array(Vec::new()));
                if let Value::Array(list) = list {
                    self.element(field, of, wire, depth + 2, list)?;
                }
            }
            (Many::Map, of) => {
                let (key, value) = self.pair(field, of, wire, depth + 2)?;
                let map = entry(object, name, || Value::Object(Map::new()));
                if let Value::Object(map) = map {
                    map.insert(key, value);
                }
            }
            (Many::One, Of::Message(number)) => {
                let of = TABLE.message(number);
                let bytes = run(field, wire)?;
                if field.flags.is_inline() {
                    return self.fields(of, bytes, depth, object);
                }
                if of.shape == Shape::Object {
                    // Twice the same message is one that has the fields of both.
                    let inner = entry(object, name, || Value::Object(Map::new()));
                    if let Value::Object(inner) = inner {
                        self.fields(of, bytes, depth + 1, inner)?;
                    }
                    return Ok(());
                }
                let value = self.odd(of, field, bytes, depth + 1)?;
                let is_zero = value.is_null() || (of.shape == Shape::IntOrString && value == 0);
                set(object, field, name, value, is_zero);
            }
            (Many::One, of) => {
                let (value, is_zero) = self.scalar(field, of, wire)?;
                set(object, field, name, value, is_zero);
            }
        }
        Ok(())
    }

    /// Numbers may stand in one packed field, or each in its own.
    fn element(
        &mut self,
        field: Field,
        of: Of,
        wire: Wire<'_>,
        depth: usize,
        list: &mut Vec<Value>,
    ) -> Result<(), DecodeError> {
        if let (Of::Bool | Of::Int32 | Of::Int64, Wire::Bytes(packed)) = (of, wire) {
            let mut packed = Reader(packed);
            while !packed.0.is_empty() {
                let number = Wire::Varint(packed.varint()?);
                list.push(self.scalar(field, of, number)?.0);
            }
            return Ok(());
        }
        let value = self.whole(field, of, wire, depth)?;
        list.push(value);
        Ok(())
    }

    fn pair(
        &mut self,
        field: Field,
        of: Of,
        wire: Wire<'_>,
        depth: usize,
    ) -> Result<(String, Value), DecodeError> {
        let (mut key, mut value) = (String::new(), None);
        let mut fields = Reader(run(field, wire)?);
        while let Some((number, wire)) = fields.field(TABLE.name(field.name))? {
            match number {
                1 => key = text(run(field, wire)?),
                2 => value = Some(self.whole(field, of, wire, depth)?),
                _ => {}
            }
        }
        let value = match value {
            Some(value) => value,
            None => self.whole(field, of, zero(of), depth)?,
        };
        Ok((key, value))
    }

    /// What is an element or a map's value: there even where it is zero.
    fn whole(
        &mut self,
        field: Field,
        of: Of,
        wire: Wire<'_>,
        depth: usize,
    ) -> Result<Value, DecodeError> {
        let Of::Message(number) = of else {
            return Ok(self.scalar(field, of, wire)?.0);
        };
        self.message(TABLE.message(number), field, run(field, wire)?, depth)
    }

    /// A message of any shape; `depth` is the level of its value.
    pub(crate) fn message(
        &mut self,
        of: Message,
        field: Field,
        bytes: &[u8],
        depth: usize,
    ) -> Result<Value, DecodeError> {
        if of.shape != Shape::Object {
            return self.odd(of, field, bytes, depth);
        }
        let mut object = Map::new();
        self.fields(of, bytes, depth, &mut object)?;
        Ok(Value::Object(object))
    }

    /// A scalar, and whether it is zero.
    pub(crate) fn scalar(
        &mut self,
        field: Field,
        of: Of,
        wire: Wire<'_>,
    ) -> Result<(Value, bool), DecodeError> {
        self.count(1)?;
        Ok(match (of, wire) {
            (Of::Text, Wire::Bytes(bytes)) => (text(bytes).into(), bytes.is_empty()),
            (Of::Bytes, Wire::Bytes(bytes)) => (STANDARD.encode(bytes).into(), bytes.is_empty()),
            (Of::Bool, Wire::Varint(number)) => ((number != 0).into(), number == 0),
            #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
            (Of::Int32, Wire::Varint(number)) => ((number as i32).into(), number as i32 == 0),
            #[allow(clippy::cast_possible_wrap)]
            (Of::Int64, Wire::Varint(number)) => ((number as i64).into(), number == 0),
            (Of::Double, Wire::Fixed64(bits)) => {
                let double = f64::from_bits(bits);
                let number = number(double).ok_or_else(|| DecodeError::Unspeakable {
                    field: go_name(field),
                })?;
                (Value::Number(number), double == 0.0)
            }
            (_, wire) => return Err(wrong(field, wire)),
        })
    }

    /// Adds what Go's types always have.
    fn fill(
        &mut self,
        of: Message,
        depth: usize,
        object: &mut Map<String, Value>,
    ) -> Result<(), DecodeError> {
        self.within(depth)?;
        for field in TABLE.fields(of) {
            if field.many != Many::One || field.flags.is_pointer() {
                continue;
            }
            let name = TABLE.name(field.name);
            let Of::Message(number) = field.of else {
                if !field.flags.omits_empty() && !object.contains_key(name) {
                    let (value, _) = self.scalar(*field, field.of, zero(field.of))?;
                    object.insert(name.into(), value);
                }
                continue;
            };
            let inner = TABLE.message(number);
            if field.flags.is_inline() {
                self.fill(inner, depth, object)?;
                continue;
            }
            let value = match (inner.shape, object.contains_key(name)) {
                (_, true) => continue,
                (Shape::Object, false) => {
                    let mut value = Map::new();
                    self.count(1)?;
                    self.fill(inner, depth + 1, &mut value)?;
                    Value::Object(value)
                }
                (Shape::Quantity, false) => "0".into(),
                (Shape::Duration, false) if !field.flags.omits_empty() => "0s".into(),
                (Shape::IntOrString, false) if !field.flags.omits_empty() => 0.into(),
                _ => continue,
            };
            object.insert(name.into(), value);
        }
        Ok(())
    }

    pub(crate) fn within(&mut self, depth: usize) -> Result<(), DecodeError> {
        if depth > self.limits.depth {
            return Err(DecodeError::TooDeep(self.limits.depth));
        }
        self.count(1)
    }

    pub(crate) fn count(&mut self, values: usize) -> Result<(), DecodeError> {
        let left = self.values.checked_sub(values);
        self.values = left.ok_or(DecodeError::TooMany(self.limits.values))?;
        Ok(())
    }
}

/// A scalar that is zero is left out where Go leaves it out.
fn set(object: &mut Map<String, Value>, field: Field, name: &str, value: Value, is_zero: bool) {
    let left_out = field.flags.omits_empty() && !field.flags.is_pointer();
    if value.is_null() || (is_zero && left_out) {
        object.remove(name);
    } else {
        object.insert(name.into(), value);
    }
}

fn entry<'o>(
    object: &'o mut Map<String, Value>,
    name: &str,
    empty: impl FnOnce() -> Value,
) -> &'o mut Value {
    match object.entry(name) {
        Entry::Occupied(there) => there.into_mut(),
        Entry::Vacant(place) => place.insert(empty()),
    }
}

pub(crate) fn run<'b>(field: Field, wire: Wire<'b>) -> Result<&'b [u8], DecodeError> {
    match wire {
        Wire::Bytes(bytes) => Ok(bytes),
        wire => Err(wrong(field, wire)),
    }
}

pub(crate) fn wrong(field: Field, wire: Wire<'_>) -> DecodeError {
    DecodeError::WrongWireType {
        wire_type: wire.wire_type(),
        field: go_name(field),
    }
}

/// As Go calls the field, or nearly so.
pub(crate) fn go_name(field: Field) -> String {
    let name = TABLE.name(field.name);
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// Go's JSON replaces what is not UTF-8, too.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn zero(of: Of) -> Wire<'static> {
    match of {
        Of::Text | Of::Bytes | Of::Message(_) => Wire::Bytes(&[]),
        Of::Bool | Of::Int32 | Of::Int64 => Wire::Varint(0),
        Of::Double => Wire::Fixed64(0),
    }
}

/// Whole numbers are printed without a point.
fn number(double: f64) -> Option<Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if double.fract() == 0.0 && double.abs() <= EXACT {
        #[allow(clippy::cast_possible_truncation)]
        return Some(Number::from(double as i64));
    }
    Number::from_f64(double)
}
