//! One step of the way to a field.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Map, Value};

use super::wire::BadFields;
use crate::value;

/// What is chosen within a map or a list.
#[derive(Debug, Clone)]
pub enum Element {
    /// The field of this name.
    Field(String),
    /// The element of a list whose key fields, sorted by name, have these values.
    Key(Vec<(String, Value)>),
    /// The element of a set that is this value.
    Value(Value),
    /// The element at this place.
    Index(i64),
}

impl Element {
    /// From `f:name`, `k:{"name":"x"}`, `v:"x"` or `i:0`. Nothing where the sort is unknown: a
    /// later version may know it.
    ///
    /// # Errors
    /// Where what follows is not of the sort.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, BadFields> {
        let bad = || BadFields::Element(text.to_owned());
        let (sort, rest) = text.split_once(':').ok_or_else(bad)?;
        if sort.len() != 1 {
            return Err(bad());
        }
        let element = match sort {
            "f" => Self::Field(rest.to_owned()),
            "k" => {
                let keys: Map<String, Value> = serde_json::from_str(rest).map_err(|_| bad())?;
                Self::Key(keys.into_iter().collect())
            }
            "v" => Self::Value(serde_json::from_str(rest).map_err(|_| bad())?),
            "i" => Self::Index(rest.parse().map_err(|_| bad())?),
            _ => return Ok(None),
        };
        Ok(Some(element))
    }

    /// As `parse` reads it.
    pub(super) fn to_wire(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => {
                let keys = keys.iter();
                let keys = keys.map(|(name, key)| (name.clone(), value::canonical(key)));
                format!("k:{}", Value::Object(keys.collect()))
            }
            Self::Value(value) => format!("v:{}", value::canonical(value)),
            Self::Index(index) => format!("i:{index}"),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Field(_) => 0,
            Self::Key(_) => 1,
            Self::Value(_) => 2,
            Self::Index(_) => 3,
        }
    }
}

impl Ord for Element {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Field(left), Self::Field(right)) => left.cmp(right),
            (Self::Key(left), Self::Key(right)) => {
                let pairs = left.iter().zip(right);
                let mut orders = pairs.map(|((left_name, left), (right_name, right))| {
                    left_name
                        .cmp(right_name)
                        .then_with(|| value::order(left, right))
                });
                let first = orders.find(|order| order.is_ne());
                first.unwrap_or_else(|| left.len().cmp(&right.len()))
            }
            (Self::Value(left), Self::Value(right)) => value::order(left, right),
            (Self::Index(left), Self::Index(right)) => left.cmp(right),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Element {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Element {}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(keys) => {
                let keys: Vec<String> = keys
                    .iter()
                    .map(|(name, key)| format!("{name}={}", value::printed(key)))
                    .collect();
                write!(f, "[{}]", keys.join(","))
            }
            Self::Value(value) => write!(f, "[={}]", value::printed(value)),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// The way to a field from the root of an object: `.spec.ports[name="web"].port`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(pub Vec<Element>);

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|element| element.fmt(f))
    }
}
