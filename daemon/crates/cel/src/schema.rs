//! What a schema says of JSON values: how to read them, and what types they have.
//!
//! Knows nothing about OpenAPI: whoever has schemas (custom resources, built-in kinds) implements
//! [`Schema`] over its own compact memory. Invariant: the nodes of a schema never change.

use crate::escape::{escape, unescape};
use crate::types::Type;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A node of a schema: what the implementer likes, for example an index into its table.
pub type NodeId = u32;

/// Types that JSON values have, as a graph of nodes.
pub trait Schema: Send + Sync {
    /// What kind of value the node describes.
    fn form(&self, node: NodeId) -> Form;

    /// The node of a field of a [`Form::Object`], by its name in the JSON (unescaped).
    fn field(&self, node: NodeId, name: &str) -> Option<NodeId>;

    /// The names in the JSON of all fields of a [`Form::Object`].
    fn fields(&self, node: NodeId) -> Vec<String>;

    /// The keys of a list that is a map (`x-kubernetes-list-map-keys`).
    fn map_keys(&self, node: NodeId) -> Vec<String> {
        let _ = node;
        Vec::new()
    }

    /// The name of an object's type, unique within an environment: two objects are of one type
    /// exactly when the names are equal (`selfType.spec.template`).
    fn type_name(&self, node: NodeId) -> String;

    /// The most elements, bytes or pairs that a value can have, for estimates; `None` when the
    /// schema says nothing (upstream's `DeclType.MaxElements`, which is never unknown for
    /// structural schemas: reckon it from [`crate::limits::REQUEST_BYTES_MAX`]).
    fn size_max(&self, node: NodeId) -> Option<u64> {
        let _ = node;
        None
    }

    /// Whether expressions write field names escaped ([`crate::escape`]), as for schemas of custom
    /// resources; `false` for objects whose fields are declared by name (`request`).
    fn escapes_names(&self) -> bool {
        true
    }

    /// Whether JSON null is a value of the node rather than an error.
    fn nullable(&self, node: NodeId) -> bool {
        let _ = node;
        false
    }
}

/// The name in the JSON of a field as expressions write it; `None` when no field is written so.
pub(crate) fn plain_name<'n>(schema: &dyn Schema, name: &'n str) -> Option<Cow<'n, str>> {
    if !schema.escapes_names() {
        return Some(Cow::Borrowed(name));
    }
    let plain = unescape(name)?;
    if escape(&plain).as_deref() == Some(name) {
        Some(Cow::Owned(plain))
    } else {
        None
    }
}

/// The kind of value that a node describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As the JSON itself says; numbers without fraction or exponent are ints.
    Any,
    /// Unknown data that expressions cannot reach into, only compare.
    Preserved,
    /// `true` or `false`.
    Bool,
    /// A whole number of 64 bits.
    Int,
    /// A double, also where the JSON has a whole number.
    Double,
    /// A string or a whole number; `dyn` to the checker.
    IntOrString,
    /// A string, or what its format makes of it.
    String(StringForm),
    /// An array.
    List {
        /// The node of its items.
        items: NodeId,
        /// How two lists are compared and joined.
        kind: ListKind,
    },
    /// An object with `additionalProperties`: a map from strings.
    Map {
        /// The node of its values.
        values: NodeId,
    },
    /// An object with named properties; absent and null ones are not there.
    Object,
}

/// What a string's format makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StringForm {
    /// A string.
    Plain,
    /// `byte`: base64, read as bytes.
    Bytes,
    /// `date-time`: a timestamp.
    DateTime,
    /// `date`: a timestamp at midnight UTC.
    Date,
    /// `duration`: a duration.
    Duration,
}

/// How two lists are compared and joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// Element by element.
    Atomic,
    /// As sets of scalars.
    Set,
    /// As maps by the keys that [`Schema::map_keys`] gives.
    Map,
}

/// A place in a schema, held by a value while it is read.
#[derive(Clone, Copy)]
pub struct Shape<'a> {
    /// The schema.
    pub schema: &'a dyn Schema,
    /// The node of it.
    pub node: NodeId,
}

impl fmt::Debug for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shape({}: {:?})", self.node, self.schema.form(self.node))
    }
}

impl Type {
    /// The type that expressions see at a node: objects by name, lists and maps of what they hold,
    /// timestamps for dates, `dyn` for what may be anything.
    #[must_use]
    pub fn of(schema: &Arc<dyn Schema>, node: NodeId) -> Type {
        Type::declared(schema, node).unwrap_or(Type::Dyn)
    }

    /// The same; `None` for what expressions cannot reach ([`Form::Preserved`], and lists and maps
    /// of it).
    pub(crate) fn declared(schema: &Arc<dyn Schema>, node: NodeId) -> Option<Type> {
        Some(match schema.form(node) {
            Form::Preserved => return None,
            Form::Any | Form::IntOrString => Type::Dyn,
            Form::Bool => Type::Bool,
            Form::Int => Type::Int,
            Form::Double => Type::Double,
            Form::String(StringForm::Plain) => Type::String,
            Form::String(StringForm::Bytes) => Type::Bytes,
            Form::String(StringForm::DateTime | StringForm::Date) => Type::Timestamp,
            Form::String(StringForm::Duration) => Type::Duration,
            Form::List { items, .. } => Type::list(Type::declared(schema, items)?),
            Form::Map { values } => Type::map(Type::String, Type::declared(schema, values)?),
            Form::Object => Type::object(schema.clone(), node),
        })
    }
}
