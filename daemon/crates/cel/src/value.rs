//! The values of the language. They borrow JSON where it comes from outside, and share what
//! expressions make; a clone never copies a list or a map.
//!
//! Knows nothing about expressions. Invariant: a value read twice from the same JSON is equal.

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
    pub fn json(json: &'a serde_json::Value) -> Self {
        Self::Map(Map::Json(Json {
            value: json,
            shape: None,
        }))
    }

    /// JSON as a schema reads it.
    #[must_use]
    pub fn typed(json: &'a serde_json::Value, shape: Shape<'a>) -> Self {
        Self::Map(Map::Json(Json {
            value: json,
            shape: Some(shape),
        }))
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

    /// A list that is made.
    #[must_use]
    pub fn list(items: Vec<Value<'a>>) -> Self {
        Self::List(List::Made(Arc::new(items)))
    }

    /// A variable whose fields the [`crate::Activation`] gives one by one when they are read.
    #[must_use]
    pub fn scope(name: &'a str) -> Self {
        Self::Map(Map::Scope(Str::Borrowed(name)))
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

/// A map or an object. Read it with the methods: the variants may grow.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Map<'a> {
    /// A JSON object, read lazily.
    Json(Json<'a>),
    /// Made by an expression, in the order of insertion.
    Made(Arc<Vec<(Value<'a>, Value<'a>)>>),
    /// Fields that the activation gives when they are read.
    Scope(Str<'a>),
}

/// A value of a library's own type: a quantity, a URL, an authorizer.
pub trait Opaque: fmt::Debug + Any + Send + Sync {
    /// The type's name (`kubernetes.Quantity`).
    fn type_name(&self) -> &'static str;

    /// Whether the two are equal; `other` may be of another type.
    fn equals(&self, other: &dyn Opaque) -> bool;

    /// For functions that know the type: `value.as_any().downcast_ref::<Quantity>()`.
    fn as_any(&self) -> &dyn Any;
}
