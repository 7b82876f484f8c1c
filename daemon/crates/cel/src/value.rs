//! The values of the language. They borrow JSON where it comes from outside, and share what
//! expressions make; a clone never copies a list or a map.
//!
//! Knows nothing about expressions. Invariant: a value read twice from the same JSON is equal.

use crate::error::Error;
use crate::json;
use crate::map::Entries;
use crate::schema::Shape;
use crate::types::Type;
use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A value.
#[derive(Debug, Clone)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// `int`.
    Int(i64),
    /// `uint`.
    Uint(u64),
    /// `double`.
    Double(f64),
    /// `string`.
    String(Str<'a>),
    /// `bytes`.
    Bytes(Blob<'a>),
    /// `duration`.
    Duration(Duration),
    /// `timestamp`.
    Timestamp(Timestamp),
    /// `list`.
    List(List<'a>),
    /// `map`, and objects.
    Map(Map<'a>),
    /// `optional_type`.
    Optional(Option<Arc<Value<'a>>>),
    /// A type as a value.
    Type(Type),
    /// A value of a library's own type.
    Opaque(Arc<dyn Opaque>),
    /// Data that expressions may only compare ([`crate::Form::Preserved`]).
    Preserved(&'a serde_json::Value),
}

impl<'a> Value<'a> {
    /// JSON as it stands: no schema.
    #[must_use]
    pub fn json(value: &'a serde_json::Value) -> Self {
        json::plain(value)
    }

    /// JSON as a schema reads it.
    ///
    /// # Errors
    /// The JSON is not of the form that the schema has.
    pub fn typed(value: &'a serde_json::Value, shape: Shape<'a>) -> Result<Self, Error> {
        json::read(Json {
            value,
            shape: Some(shape),
        })
    }

    /// A string that is borrowed.
    #[must_use]
    pub fn str(text: &'a str) -> Self {
        Self::String(Str::Borrowed(text))
    }

    /// A string that is made.
    #[must_use]
    pub fn string(text: impl Into<Arc<str>>) -> Self {
        Self::String(Str::Shared(text.into()))
    }

    /// Bytes that are made.
    #[must_use]
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::Bytes(Blob::Shared(bytes.into()))
    }

    /// A list that is made.
    #[must_use]
    pub fn list(items: Vec<Value<'a>>) -> Self {
        Self::List(List::Made(Arc::new(items)))
    }

    /// A map that is made; of two entries with one key the last stays.
    ///
    /// # Errors
    /// A key is of a type that cannot be one.
    pub fn map(entries: impl IntoIterator<Item = (Value<'a>, Value<'a>)>) -> Result<Self, Error> {
        let mut made = Entries::default();
        for (key, value) in entries {
            made.put(key, value)?;
        }
        Ok(Self::Map(Map::Made(Arc::new(made))))
    }

    /// An optional with a value.
    #[must_use]
    pub fn some(value: Value<'a>) -> Self {
        Self::Optional(Some(Arc::new(value)))
    }

    /// The optional without one.
    #[must_use]
    pub fn none() -> Self {
        Self::Optional(None)
    }

    /// A value of a library's own type.
    #[must_use]
    pub fn opaque(value: impl Opaque) -> Self {
        Self::Opaque(Arc::new(value))
    }

    /// A variable whose fields the [`crate::Activation`] gives one by one when they are read.
    #[must_use]
    pub fn scope(name: &'a str) -> Self {
        Self::Map(Map::Scope(Str::Borrowed(name)))
    }

    /// The type at run time, without what lists and maps hold: what `type(x)` gives.
    #[must_use]
    pub fn kind(&self) -> Type {
        match self {
            Self::Null => Type::Null,
            Self::Bool(_) => Type::Bool,
            Self::Int(_) => Type::Int,
            Self::Uint(_) => Type::Uint,
            Self::Double(_) => Type::Double,
            Self::String(_) => Type::String,
            Self::Bytes(_) => Type::Bytes,
            Self::Duration(_) => Type::Duration,
            Self::Timestamp(_) => Type::Timestamp,
            Self::List(_) => Type::list(Type::Dyn),
            Self::Map(_) => Type::map(Type::Dyn, Type::Dyn),
            Self::Optional(_) => Type::optional(Type::Dyn),
            Self::Type(_) => Type::kind(Type::Dyn),
            Self::Opaque(value) => Type::opaque(value.type_name()),
            Self::Preserved(_) => Type::opaque("unknown"),
        }
    }

    /// Whether the two are equal, as `==` says: across numeric types, and by a schema's keys.
    ///
    /// # Errors
    /// JSON is not of the form that its schema has.
    pub fn equals(&self, other: &Value<'a>) -> Result<bool, Error> {
        crate::equality::equal(self, other)
    }

    /// The order of two values of one type, or of two numbers, as `<` says.
    ///
    /// # Errors
    /// `no such overload` for values that have no order, or none with one another.
    pub fn compare(&self, other: &Value<'a>) -> Result<std::cmp::Ordering, Error> {
        crate::equality::compare(self, other)
    }

    /// The text, when the value is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// The library's value behind it, when it is of the type.
    #[must_use]
    pub fn as_opaque<T: Any>(&self) -> Option<&T> {
        if let Self::Opaque(value) = self {
            value.as_any().downcast_ref()
        } else {
            None
        }
    }

    /// What `size()` says: code points, bytes, elements or entries; `None` for what has no size.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        let size = match self {
            Self::String(text) => text.chars().count(),
            Self::Bytes(bytes) => bytes.len(),
            Self::List(list) => list.len(),
            Self::Map(map) => map.len(),
            _ => return None,
        };
        Some(size as u64)
    }

    /// The size that costs are reckoned from: as [`Value::size`], of what an optional holds, and 1
    /// for everything else.
    #[must_use]
    pub fn cost_size(&self) -> u64 {
        match self {
            Self::Optional(Some(inner)) => inner.cost_size(),
            Self::Opaque(value) => value.cost_size(),
            _ => self.size().unwrap_or(1),
        }
    }
}

/// As messages of errors show it.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::format::display(self))
    }
}

/// A string, borrowed or shared.
#[derive(Debug, Clone)]
pub enum Str<'a> {
    /// Borrowed from JSON or from a program.
    Borrowed(&'a str),
    /// Made by an expression.
    Shared(Arc<str>),
}

impl Deref for Str<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

/// Bytes, borrowed or shared.
#[derive(Debug, Clone)]
pub enum Blob<'a> {
    /// Borrowed from a program.
    Borrowed(&'a [u8]),
    /// Made by an expression.
    Shared(Arc<[u8]>),
}

impl Deref for Blob<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// A span of time in nanoseconds, as Go's `time.Duration`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration {
    /// The nanoseconds; negative spans reach back.
    pub nanos: i64,
}

/// A point in time, between the years 1 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Nanoseconds past the second, below 1,000,000,000.
    pub nanos: u32,
}

/// JSON and the place in a schema that says how to read it.
#[derive(Debug, Clone, Copy)]
pub struct Json<'a> {
    /// The JSON.
    pub value: &'a serde_json::Value,
    /// How to read it; `None`: as it stands.
    pub shape: Option<Shape<'a>>,
}

/// A list. Read it with the methods: the variants may grow.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum List<'a> {
    /// A JSON array, read lazily.
    Json(Json<'a>),
    /// Made by an expression.
    Made(Arc<Vec<Value<'a>>>),
}

impl<'a> List<'a> {
    /// How many items it has.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Json(json) => json.value.as_array().map_or(0, Vec::len),
            Self::Made(items) => items.len(),
        }
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The item at an index; `None` past the end.
    ///
    /// # Errors
    /// The item's JSON is not of the form that the schema has.
    pub fn get(&self, index: usize) -> Result<Option<Value<'a>>, Error> {
        match self {
            Self::Json(json) => {
                let item = json.value.as_array().and_then(|items| items.get(index));
                item.map(|item| json::item(*json, item)).transpose()
            }
            Self::Made(items) => Ok(items.get(index).cloned()),
        }
    }

    /// The items in order.
    pub fn iter(&self) -> impl Iterator<Item = Result<Value<'a>, Error>> + '_ {
        (0..self.len()).filter_map(|index| self.get(index).transpose())
    }
}

/// A map or an object. Read it with the methods: the variants may grow.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Map<'a> {
    /// A JSON object, read lazily.
    Json(Json<'a>),
    /// Made by an expression, in the order of insertion.
    Made(Arc<Entries<'a>>),
    /// Fields that the activation gives when they are read.
    Scope(Str<'a>),
}

/// A value of a library's own type: a quantity, a URL, an authorizer.
pub trait Opaque: fmt::Debug + Any + Send + Sync {
    /// The type's name (`kubernetes.Quantity`).
    fn type_name(&self) -> &'static str;

    /// Whether the two are equal; `other` may be of another type.
    fn equals(&self, other: &dyn Opaque) -> bool;

    /// The size that costs are reckoned from.
    fn cost_size(&self) -> u64 {
        1
    }

    /// For functions that know the type: `value.as_any().downcast_ref::<Quantity>()`.
    fn as_any(&self) -> &dyn Any;
}
