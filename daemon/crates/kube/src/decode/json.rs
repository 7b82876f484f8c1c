//! JSON into a value, noting fields that are there more than once.
//!
//! Invariant: recursion ends at [`DEPTH_MAX`].

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::Decoded;
use crate::limits::DEPTH_MAX;

/// Duplicates that are named; a body cannot make the answer longer than itself.
const DUPLICATES_MAX: usize = 32;

pub(super) fn parse(body: &[u8]) -> Result<Decoded, serde_json::Error> {
    let notes = RefCell::new(Notes::default());
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = Element {
        notes: &notes,
        depth: 0,
    }
    .deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(Decoded {
        value,
        duplicates: notes.into_inner().duplicates,
    })
}

#[derive(Default)]
struct Notes {
    path: String,
    duplicates: Vec<String>,
}

#[derive(Clone, Copy)]
struct Element<'n> {
    notes: &'n RefCell<Notes>,
    depth: usize,
}

impl Element<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth >= DEPTH_MAX {
            return Err(E::custom("exceeded max depth"));
        }
        Ok(Element {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Element<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Element<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let element = self.deeper()?;
        let before = self.notes.borrow().path.len();
        let mut list = Vec::new();
        loop {
            self.notes
                .borrow_mut()
                .path
                .push_str(&format!("[{}]", list.len()));
            let next = elements.next_element_seed(element)?;
            self.notes.borrow_mut().path.truncate(before);
            match next {
                Some(value) => list.push(value),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let element = self.deeper()?;
        let before = self.notes.borrow().path.len();
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            {
                let mut notes = self.notes.borrow_mut();
                if before > 0 {
                    notes.path.push('.');
                }
                notes.path.push_str(&key);
                if object.contains_key(&key) && notes.duplicates.len() < DUPLICATES_MAX {
                    let fault = format!("duplicate field {:?}", notes.path);
                    notes.duplicates.push(fault);
                }
            }
            let value = entries.next_value_seed(element)?;
            self.notes.borrow_mut().path.truncate(before);
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_two_fields_counts_and_both_are_named() {
        let found = parse(br#"{"a":{"b":1,"b":2},"c":[{"d":1,"d":3}],"a":{"b":4}}"#).unwrap();
        assert_eq!(found.value.to_string(), r#"{"a":{"b":4},"c":[{"d":3}]}"#);
        let faults = ["a.b", "c[0].d", "a"].map(|path| format!("duplicate field {path:?}"));
        assert_eq!(found.duplicates, faults);
    }

    #[test]
    fn bodies_deeper_than_the_limit_are_refused() {
        let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert!(parse(&nested(DEPTH_MAX)).is_ok());
        assert!(parse(&nested(DEPTH_MAX + 1)).is_err());
        assert!(parse(&nested(200_000)).is_err());
    }

    #[test]
    fn odd_numbers_are_refused_or_kept_but_never_panic() {
        assert!(parse(b"1e999").is_err());
        for text in [
            "18446744073709551615",
            "-9223372036854775808",
            "1e-400",
            "99999999999999999999",
        ] {
            assert!(parse(text.as_bytes()).is_ok(), "{text}");
        }
        for text in ["", "{", "nul", "\"\\u12\"", "{\"a\":1,}", "[1 2]", "\u{0}"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
