//! JSON to protocol buffers: a request's body becomes the message that the gRPC method takes.
//!
//! The rules are those of protobuf's JSON mapping as etcd's gateway applies it: fields in either
//! spelling, 64-bit integers as numbers or strings, bytes in either base64 alphabet, enums by
//! name or number, `null` for an absent field, unknown fields ignored. It is written to the wire
//! as it is read, so memory is linear in the body whatever the body is.

use std::fmt;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use prost::encoding::{WireType, encode_key, encode_varint};
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::schema::{FieldShape, Kind, MessageIndex, Schema};

const EITHER_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, EITHER_PADDING);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, EITHER_PADDING);

/// Reads the first JSON value of `body` as a message and encodes it. What follows the value is
/// not looked at, and an empty body is an empty message, as with etcd.
pub(super) fn encode(
    schema: &Schema,
    message: MessageIndex,
    body: &[u8],
) -> Result<Vec<u8>, serde_json::Error> {
    let mut wire = Vec::new();
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(wire);
    }
    let seed = MessageSeed {
        schema,
        message,
        wire: &mut wire,
    };
    seed.deserialize(&mut serde_json::Deserializer::from_slice(body))?;
    Ok(wire)
}

struct MessageSeed<'a> {
    schema: &'a Schema,
    message: MessageIndex,
    wire: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for MessageSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MessageSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let shape = self.schema.message(self.message);
        let mut seen: Vec<u32> = Vec::new();
        let mut seen_oneofs: Vec<u32> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            let Some(field) = shape.by_name(&name) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let given = map.next_value_seed(FieldSeed {
                schema: self.schema,
                field,
                wire: self.wire,
            })?;
            if !given {
                continue;
            }
            if seen.contains(&field.number) {
                return Err(de::Error::custom(format!("duplicate field {name}")));
            }
            seen.push(field.number);
            if let Some(oneof) = field.oneof {
                if seen_oneofs.contains(&oneof) {
                    return Err(de::Error::custom(format!(
                        "field {name}: another field of its oneof is already set"
                    )));
                }
                seen_oneofs.push(oneof);
            }
        }
        Ok(())
    }
}

/// One field's value; tells whether there was one, which `null` is not.
struct FieldSeed<'a> {
    schema: &'a Schema,
    field: &'a FieldShape,
    wire: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for FieldSeed<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for FieldSeed<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value for field {}", self.field.name)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_none<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        let value = ValueSeed {
            schema: self.schema,
            field: self.field,
            wire: self.wire,
        };
        if self.field.repeated {
            deserializer.deserialize_seq(ListVisitor(value))?;
        } else {
            value.deserialize(deserializer)?;
        }
        Ok(true)
    }
}

struct ListVisitor<'a>(ValueSeed<'a>);

impl<'de> Visitor<'de> for ListVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array for field {}", self.0.field.name)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let ValueSeed {
            schema,
            field,
            wire,
        } = self.0;
        loop {
            let element = ValueSeed {
                schema,
                field,
                wire: &mut *wire,
            };
            if seq.next_element_seed(element)?.is_none() {
                return Ok(());
            }
        }
    }
}

/// One value, written with its key.
struct ValueSeed<'a> {
    schema: &'a Schema,
    field: &'a FieldShape,
    wire: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.field.kind {
            Kind::Message(message) => {
                let mut nested = Vec::new();
                MessageSeed {
                    schema: self.schema,
                    message,
                    wire: &mut nested,
                }
                .deserialize(deserializer)?;
                self.put_delimited(&nested);
                Ok(())
            }
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl ValueSeed<'_> {
    fn put_varint(self, value: u64) {
        encode_key(self.field.number, WireType::Varint, self.wire);
        encode_varint(value, self.wire);
    }

    fn put_delimited(self, value: &[u8]) {
        encode_key(self.field.number, WireType::LengthDelimited, self.wire);
        encode_varint(value.len() as u64, self.wire);
        self.wire.extend_from_slice(value);
    }

    /// Writes an integer if it fits the field; negative numbers are sign-extended to 64 bits.
    #[allow(clippy::cast_sign_loss)]
    fn put_integer<E: de::Error>(self, value: i128) -> Result<(), E> {
        let fits = match self.field.kind {
            Kind::Int32 | Kind::Enum(_) => i32::try_from(value).is_ok(),
            Kind::Int64 => i64::try_from(value).is_ok(),
            Kind::Uint32 => u32::try_from(value).is_ok(),
            Kind::Uint64 => u64::try_from(value).is_ok(),
            Kind::Bool | Kind::String | Kind::Bytes | Kind::Message(_) => false,
        };
        if !fits {
            return Err(self.invalid(value));
        }
        self.put_varint(value as u64);
        Ok(())
    }

    fn invalid<E: de::Error>(&self, value: impl fmt::Display) -> E {
        let kind = match self.field.kind {
            Kind::Bool => "bool",
            Kind::Int32 => "int32",
            Kind::Int64 => "int64",
            Kind::Uint32 => "uint32",
            Kind::Uint64 => "uint64",
            Kind::String => "string",
            Kind::Bytes => "bytes",
            Kind::Enum(_) => "enum",
            Kind::Message(_) => "message",
        };
        let name = &self.field.name;
        E::custom(format!("invalid value for {kind} field {name}: {value}"))
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value for field {}", self.field.name)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        if self.field.kind != Kind::Bool {
            return Err(self.invalid(value));
        }
        self.put_varint(u64::from(value));
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.put_integer(i128::from(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.put_integer(i128::from(value))
    }

    /// `5.0` and `5e0` are integers too, as far as a double is exact.
    #[allow(clippy::cast_possible_truncation)]
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if value.fract() == 0.0 && value.abs() <= EXACT {
            self.put_integer(value as i128)
        } else {
            Err(self.invalid(value))
        }
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        match self.field.kind {
            Kind::String => {
                self.put_delimited(value.as_bytes());
                Ok(())
            }
            Kind::Bytes => {
                let decoded = if value.contains(['-', '_']) {
                    BASE64_URL.decode(value)
                } else {
                    BASE64.decode(value)
                };
                match decoded {
                    Ok(decoded) => {
                        self.put_delimited(&decoded);
                        Ok(())
                    }
                    Err(_) => Err(self.invalid(Quoted(value))),
                }
            }
            Kind::Enum(index) => {
                let shape = self.schema.enumeration(index);
                match shape.number(value) {
                    Some(number) => self.put_integer(i128::from(number)),
                    None => Err(E::custom(format!(
                        "unknown value {} for enum {}",
                        Quoted(value),
                        shape.name
                    ))),
                }
            }
            Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 => {
                match value.parse::<i128>() {
                    Ok(number) => self.put_integer(number),
                    Err(_) => Err(self.invalid(Quoted(value))),
                }
            }
            Kind::Bool | Kind::Message(_) => Err(self.invalid(Quoted(value))),
        }
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Err(self.invalid("null"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _seq: A) -> Result<(), A::Error> {
        Err(self.invalid("["))
    }

    fn visit_map<A: MapAccess<'de>>(self, _map: A) -> Result<(), A::Error> {
        Err(self.invalid("{"))
    }
}

/// A client's string in an error, cut short: an error must not carry a whole request back.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN_CHARS: usize = 64;
        match self.0.char_indices().nth(SHOWN_CHARS) {
            None => write!(f, "{:?}", self.0),
            Some((end, _)) => write!(f, "{:?}...", &self.0[..end]),
        }
    }
}
