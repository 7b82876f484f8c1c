//! The types of the API: a table of shapes that refer to each other by number.
//!
//! Compact, because a server holds all of them for as long as it runs: names are interned, and a
//! type that many fields share is there once. Invariant: every `TypeId`, name and range in a
//! `Types` lies within it; only `Builder` makes one.

use serde::{Deserialize, Serialize};

/// The number of a type in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TypeId(pub(crate) u32);

impl TypeId {
    /// As a number, for whoever has numbers of its own kind; see [`Types::at`].
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }
}

/// The number of a string in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct NameId(pub(crate) u32);

/// A table of types, with the named ones (`io.k8s.api.core.v1.Pod`) to start from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Types {
    pub(crate) names: Vec<Box<str>>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) fields: Vec<FieldNode>,
    pub(crate) keys: Vec<NameId>,
    /// Sorted by name.
    pub(crate) definitions: Vec<(NameId, TypeId)>,
}

/// A run of places in one of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    fn of<T>(self, table: &[T]) -> &[T] {
        &table[self.start as usize..self.end as usize]
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Node {
    /// Reserved by the builder for a type that is being made.
    Pending,
    Any,
    String(Format),
    Integer(Format),
    Number,
    Boolean,
    IntOrString,
    List {
        element: TypeId,
        kind: ListNode,
    },
    Map {
        element: TypeId,
        atomic: bool,
    },
    /// Fields are sorted by name.
    Object {
        fields: Span,
        atomic: bool,
        keeps_unknown: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ListNode {
    Atomic,
    Set,
    Map(Span),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FieldNode {
    pub(crate) name: NameId,
    pub(crate) of: TypeId,
    pub(crate) required: bool,
    /// JSON.
    pub(crate) default: Option<NameId>,
    pub(crate) merges: bool,
    pub(crate) replaces: bool,
    pub(crate) retains_keys: bool,
    pub(crate) merge_key: Option<NameId>,
}

/// What a string or integer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Format {
    Plain,
    /// Base64.
    Byte,
    /// RFC 3339.
    DateTime,
    Quantity,
    Int32,
    Int64,
}

/// A type within its table.
#[derive(Clone, Copy)]
pub struct Type<'t> {
    pub(crate) types: &'t Types,
    pub(crate) id: TypeId,
}

/// What a value of a type looks like.
#[derive(Clone, Copy)]
#[allow(missing_docs)]
pub enum Shape<'t> {
    /// Anything at all: nothing is known, nothing is pruned.
    Any,
    String(Format),
    Integer(Format),
    Number,
    Boolean,
    IntOrString,
    List(List<'t>),
    Map(Map<'t>),
    Object(Object<'t>),
}

/// A JSON array.
#[derive(Clone, Copy)]
pub struct List<'t> {
    /// What each element is.
    pub element: Type<'t>,
    /// `x-kubernetes-list-type`: how server-side apply sees it.
    pub kind: ListKind<'t>,
}

/// `x-kubernetes-list-type`.
#[derive(Clone, Copy)]
#[allow(missing_docs)]
pub enum ListKind<'t> {
    Atomic,
    Set,
    /// Elements are told apart by these fields.
    Map(Keys<'t>),
}

/// `x-kubernetes-list-map-keys`.
#[derive(Clone, Copy)]
pub struct Keys<'t> {
    types: &'t Types,
    keys: &'t [NameId],
}

impl<'t> Keys<'t> {
    /// The names of the fields, in their declared order.
    pub fn iter(self) -> impl Iterator<Item = &'t str> {
        self.keys.iter().map(move |key| self.types.name(*key))
    }
}

/// A JSON object whose keys are data.
#[derive(Clone, Copy)]
pub struct Map<'t> {
    /// What each value is.
    pub element: Type<'t>,
    /// `x-kubernetes-map-type: atomic`.
    pub atomic: bool,
}

/// A JSON object whose keys are fields.
#[derive(Clone, Copy)]
pub struct Object<'t> {
    types: &'t Types,
    fields: &'t [FieldNode],
    /// `x-kubernetes-map-type: atomic`.
    pub atomic: bool,
    /// `x-kubernetes-preserve-unknown-fields`.
    pub keeps_unknown: bool,
}

impl<'t> Object<'t> {
    /// The field of this name.
    #[must_use]
    pub fn field(self, name: &str) -> Option<Field<'t>> {
        let place = self
            .fields
            .binary_search_by(|field| self.types.name(field.name).cmp(name))
            .ok()?;
        Some(self.types.field(&self.fields[place]))
    }

    /// All fields, by name.
    pub fn fields(self) -> impl ExactSizeIterator<Item = Field<'t>> {
        self.fields.iter().map(move |field| self.types.field(field))
    }
}

/// A field of an object.
#[derive(Clone, Copy)]
pub struct Field<'t> {
    /// Its name in JSON.
    pub name: &'t str,
    /// What it holds.
    pub of: Type<'t>,
    /// It must be there.
    pub required: bool,
    /// What it is where it is missing: JSON.
    pub default: Option<&'t str>,
    /// How strategic merge patch treats it.
    pub patch: Patch<'t>,
}

/// `x-kubernetes-patch-strategy` and `x-kubernetes-patch-merge-key`. Neither `merges` nor
/// `replaces`: lists are replaced, maps and objects are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Patch<'t> {
    pub merges: bool,
    pub replaces: bool,
    pub retains_keys: bool,
    pub merge_key: Option<&'t str>,
}

impl Types {
    /// The type of this name, as in OpenAPI: `io.k8s.api.core.v1.Pod`.
    #[must_use]
    pub fn definition(&self, name: &str) -> Option<Type<'_>> {
        let place = self
            .definitions
            .binary_search_by(|(id, _)| self.name(*id).cmp(name))
            .ok()?;
        Some(self.get(self.definitions[place].1))
    }

    /// All named types, by name.
    pub fn definitions(&self) -> impl ExactSizeIterator<Item = (&str, Type<'_>)> {
        let of = |(name, id): &(NameId, TypeId)| (self.name(*name), self.get(*id));
        self.definitions.iter().map(of)
    }

    /// The type of this number, which must be of this table.
    #[must_use]
    pub fn get(&self, id: TypeId) -> Type<'_> {
        Type { types: self, id }
    }

    /// The type of a number that [`TypeId::number`] gave, if the table has it.
    #[must_use]
    pub fn at(&self, number: u32) -> Option<Type<'_>> {
        let is_there = (number as usize) < self.nodes.len();
        is_there.then(|| self.get(TypeId(number)))
    }

    pub(crate) fn name(&self, id: NameId) -> &str {
        &self.names[id.0 as usize]
    }

    fn field<'t>(&'t self, field: &FieldNode) -> Field<'t> {
        Field {
            name: self.name(field.name),
            of: self.get(field.of),
            required: field.required,
            default: field.default.map(|id| self.name(id)),
            patch: Patch {
                merges: field.merges,
                replaces: field.replaces,
                retains_keys: field.retains_keys,
                merge_key: field.merge_key.map(|id| self.name(id)),
            },
        }
    }
}

impl<'t> Type<'t> {
    /// Its number in its table.
    #[must_use]
    pub fn id(self) -> TypeId {
        self.id
    }

    /// The name that it is defined under, where it is a named type: for messages.
    #[must_use]
    pub fn name(self) -> Option<&'t str> {
        let mut definitions = self.types.definitions.iter();
        let own = definitions.find(|(_, id)| *id == self.id)?;
        Some(self.types.name(own.0))
    }

    /// What a value of it looks like.
    #[must_use]
    pub fn shape(self) -> Shape<'t> {
        let types = self.types;
        match types.nodes[self.id.0 as usize] {
            Node::Pending | Node::Any => Shape::Any,
            Node::String(format) => Shape::String(format),
            Node::Integer(format) => Shape::Integer(format),
            Node::Number => Shape::Number,
            Node::Boolean => Shape::Boolean,
            Node::IntOrString => Shape::IntOrString,
            Node::List { element, kind } => Shape::List(List {
                element: types.get(element),
                kind: match kind {
                    ListNode::Atomic => ListKind::Atomic,
                    ListNode::Set => ListKind::Set,
                    ListNode::Map(keys) => ListKind::Map(Keys {
                        types,
                        keys: keys.of(&types.keys),
                    }),
                },
            }),
            Node::Map { element, atomic } => Shape::Map(Map {
                element: types.get(element),
                atomic,
            }),
            Node::Object {
                fields,
                atomic,
                keeps_unknown,
            } => Shape::Object(Object {
                types,
                fields: fields.of(&types.fields),
                atomic,
                keeps_unknown,
            }),
        }
    }

    /// The field of this name, where it is an object that has one.
    #[must_use]
    pub fn field(self, name: &str) -> Option<Field<'t>> {
        match self.shape() {
            Shape::Object(object) => object.field(name),
            _ => None,
        }
    }
}
