//! The types of the language, as the checker sees them, and their names in messages.

use crate::schema::{NodeId, Schema};
use std::fmt;
use std::sync::Arc;

/// A type. Cheap to clone; compared by structure, objects and opaque types by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// Anything; the checker asks nothing, the evaluator finds out.
    Dyn,
    /// What the checker gives to an expression it has found wrong.
    Error,
    /// `null_type`.
    Null,
    /// `bool`.
    Bool,
    /// `int`: 64 bits, signed.
    Int,
    /// `uint`: 64 bits, unsigned.
    Uint,
    /// `double`.
    Double,
    /// `string`.
    String,
    /// `bytes`.
    Bytes,
    /// `google.protobuf.Timestamp`.
    Timestamp,
    /// `google.protobuf.Duration`.
    Duration,
    /// A primitive or null (`wrapper(int)`).
    Wrapper(Arc<Type>),
    /// `list(T)`.
    List(Arc<Type>),
    /// `map(K, V)`.
    Map(Arc<(Type, Type)>),
    /// `optional_type(T)`.
    Optional(Arc<Type>),
    /// `type(T)`: the type of types.
    Type(Arc<Type>),
    /// A type that the checker has yet to find, by number; in a signature, a type parameter.
    Var(u32),
    /// A type of a library, by name (`kubernetes.Quantity`).
    Opaque(Arc<str>),
    /// An object with fields, given by a schema.
    Object(ObjectType),
    /// An object type that [`crate::Constructors`] knows by name.
    Named(Arc<str>),
}

/// An object type: a node of a schema. Equal when the names are.
#[derive(Clone)]
pub struct ObjectType {
    name: Arc<str>,
    schema: Arc<dyn Schema>,
    node: NodeId,
}

impl ObjectType {
    /// The type's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type of a field, by its escaped name as expressions write it.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Type> {
        let plain = crate::schema::plain_name(&*self.schema, name)?;
        let node = self.schema.field(self.node, &plain)?;
        Type::declared(&self.schema, node)
    }

    /// The schema and the node that give the type.
    #[must_use]
    pub fn place(&self) -> (&Arc<dyn Schema>, NodeId) {
        (&self.schema, self.node)
    }
}

impl PartialEq for ObjectType {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for ObjectType {}

impl fmt::Debug for ObjectType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Type {
    /// `list(element)`.
    #[must_use]
    pub fn list(element: Type) -> Self {
        Self::List(Arc::new(element))
    }

    /// `map(key, value)`.
    #[must_use]
    pub fn map(key: Type, value: Type) -> Self {
        Self::Map(Arc::new((key, value)))
    }

    /// `optional_type(element)`.
    #[must_use]
    pub fn optional(element: Type) -> Self {
        Self::Optional(Arc::new(element))
    }

    /// `type(inner)`.
    #[must_use]
    pub fn kind(inner: Type) -> Self {
        Self::Type(Arc::new(inner))
    }

    /// A library's type.
    #[must_use]
    pub fn opaque(name: &str) -> Self {
        Self::Opaque(name.into())
    }

    /// The object type at a node whose form is [`crate::Form::Object`].
    #[must_use]
    pub fn object(schema: Arc<dyn Schema>, node: NodeId) -> Self {
        Self::Object(ObjectType {
            name: schema.type_name(node).into(),
            schema,
            node,
        })
    }

    /// The type of the language that a name stands for as an expression (`int`, `list`,
    /// `google.protobuf.Timestamp`); `None` for other names.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "bool" => Self::Bool,
            "int" => Self::Int,
            "uint" => Self::Uint,
            "double" => Self::Double,
            "string" => Self::String,
            "bytes" => Self::Bytes,
            "null_type" => Self::Null,
            "list" => Self::list(Self::Dyn),
            "map" => Self::map(Self::Dyn, Self::Dyn),
            "type" => Self::kind(Self::Dyn),
            "optional_type" => Self::optional(Self::Dyn),
            "google.protobuf.Timestamp" => Self::Timestamp,
            "google.protobuf.Duration" => Self::Duration,
            _ => return None,
        })
    }

    /// The name of the type as a value, without its parameters: what `type(x)` compares and what
    /// errors at run time say.
    #[must_use]
    pub fn runtime_name(&self) -> &str {
        match self {
            Self::Dyn | Self::Var(_) => "dyn",
            Self::Error => "error",
            Self::Null => "null_type",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Timestamp => "google.protobuf.Timestamp",
            Self::Duration => "google.protobuf.Duration",
            Self::Wrapper(inner) => inner.runtime_name(),
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Optional(_) => "optional_type",
            Self::Type(_) => "type",
            Self::Opaque(name) | Self::Named(name) => name,
            Self::Object(object) => object.name(),
        }
    }
}

/// As cel-go's `FormatCELType`: `list(int)`, `map(string, dyn)`, `timestamp`, `type(int)`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error => f.write_str("!error!"),
            Self::Null => f.write_str("null"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Duration => f.write_str("duration"),
            Self::Wrapper(inner) => write!(f, "wrapper({inner})"),
            Self::List(element) => write!(f, "list({element})"),
            Self::Map(pair) => write!(f, "map({}, {})", pair.0, pair.1),
            Self::Optional(element) => write!(f, "optional_type({element})"),
            Self::Type(inner) => write!(f, "type({inner})"),
            Self::Var(number) => write!(f, "_var{number}"),
            plain => f.write_str(plain.runtime_name()),
        }
    }
}
