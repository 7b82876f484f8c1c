//! Maps that expressions make, and how every map is read.
//!
//! Knows nothing about schemas beyond asking [`crate::json`]. Invariant: `1`, `1u` and `1.0` are
//! one key.

use crate::error::Error;
use crate::json;
use crate::value::{Map, Str, Value};
use std::collections::BTreeMap;

/// A key as it is found: numbers by what they count, whatever their type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Bool(bool),
    Number(i128),
    /// A double between whole numbers, by its bits.
    Fraction(u64),
    Text(Text<'a>),
}

/// A string that is ordered by its text.
#[derive(Debug, Clone)]
struct Text<'a>(Str<'a>);

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        *self.0 == *other.0
    }
}
impl Eq for Text<'_> {}
impl PartialOrd for Text<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Text<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&*other.0)
    }
}

impl<'a> Key<'a> {
    fn of(value: &Value<'a>) -> Option<Self> {
        Some(match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(number) => Self::Number(i128::from(*number)),
            Value::Uint(number) => Self::Number(i128::from(*number)),
            Value::Double(number) => {
                // A whole double below 2^64 in size is exactly an i128.
                #[allow(clippy::cast_possible_truncation)]
                if number.fract() == 0.0 && number.abs() < 1.9e19 {
                    Self::Number(*number as i128)
                } else {
                    Self::Fraction(number.to_bits())
                }
            }
            Value::String(text) => Self::Text(Text(text.clone())),
            _ => return None,
        })
    }
}

/// The entries of a map that an expression made, in the order of insertion.
#[derive(Debug, Clone, Default)]
pub struct Entries<'a> {
    list: Vec<(Value<'a>, Value<'a>)>,
    places: BTreeMap<Key<'a>, usize>,
}

impl<'a> Entries<'a> {
    /// Puts an entry in; `true` when the key was not there yet.
    ///
    /// # Errors
    /// The key is of a type that cannot be one.
    pub fn put(&mut self, key: Value<'a>, value: Value<'a>) -> Result<bool, Error> {
        let Some(found) = Key::of(&key) else {
            let kind = key.kind();
            return Err(Error::new(format!(
                "unsupported key type: {}",
                kind.runtime_name()
            )));
        };
        if let Some(place) = self.places.get(&found) {
            self.list[*place] = (key, value);
            return Ok(false);
        }
        self.places.insert(found, self.list.len());
        self.list.push((key, value));
        Ok(true)
    }

    /// Whether the key is there.
    pub(crate) fn has(&self, key: &Value<'_>) -> bool {
        // Keys are looked up by what they are, not by how long they live.
        Key::of(key).is_some_and(|key| self.places.contains_key(&key))
    }

    /// Takes an entry out, as an absent optional does in a literal.
    pub(crate) fn remove(&mut self, key: &Value<'a>) {
        let Some(place) = Key::of(key).and_then(|key| self.places.remove(&key)) else {
            return;
        };
        self.list.remove(place);
        for other in self.places.values_mut().filter(|other| **other > place) {
            *other -= 1;
        }
    }
}

impl<'a> Map<'a> {
    /// How many entries it has; 0 for a scope, whose fields only the activation knows.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Json(json) => json.value.as_object().map_or(0, serde_json::Map::len),
            Self::Made(entries) => entries.list.len(),
            Self::Scope(_) => 0,
        }
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a key.
    ///
    /// # Errors
    /// The key is of a type that no key of the map can have, or the value's JSON is not of the
    /// form that the schema has.
    pub fn get(&self, key: &Value<'a>) -> Result<Option<Value<'a>>, Error> {
        match self {
            Self::Json(json) => match key {
                Value::String(name) => json::field(*json, name),
                _ if json.shape.is_some() => Err(Error::no_such_overload()),
                _ => Ok(None),
            },
            Self::Made(entries) => {
                let place = Key::of(key).and_then(|key| entries.places.get(&key));
                Ok(place.map(|place| entries.list[*place].1.clone()))
            }
            Self::Scope(_) => Ok(None),
        }
    }

    /// The value of a string key.
    ///
    /// # Errors
    /// The value's JSON is not of the form that the schema has.
    pub fn get_str(&self, name: &str) -> Result<Option<Value<'a>>, Error> {
        match self {
            Self::Json(json) => json::field(*json, name),
            Self::Made(entries) => {
                let key = Key::Text(Text(Str::Shared(name.into())));
                Ok(entries
                    .places
                    .get(&key)
                    .map(|place| entries.list[*place].1.clone()))
            }
            Self::Scope(_) => Ok(None),
        }
    }

    /// The keys in order; of an object only those of declared fields, escaped.
    pub fn keys(&self) -> Vec<Value<'a>> {
        match self {
            Self::Json(json) => json::keys(*json).collect(),
            Self::Made(entries) => entries.list.iter().map(|(key, _)| key.clone()).collect(),
            Self::Scope(_) => Vec::new(),
        }
    }

    /// The entries in order.
    pub fn iter(&self) -> impl Iterator<Item = Result<(Value<'a>, Value<'a>), Error>> + '_ {
        self.keys()
            .into_iter()
            .filter_map(|key| match self.get(&key) {
                Ok(value) => value.map(|value| Ok((key, value))),
                Err(error) => Some(Err(error)),
            })
    }
}
