//! A compiled schema in memory: nodes, what is said of them, and the texts they name.
//!
//! Written for size: a schema of a hundred kilobytes becomes a tenth of that. Equal parts of a
//! schema are one node, so the table is a graph without cycles. Knows nothing about objects.
//! Invariant: every number and span in a table lies within it; only `compile` makes one.

use serde_json::Value;

/// The number of a node, or `NO_NODE`.
pub(crate) type NodeId = u32;
/// The number of a text.
pub(crate) type NameId = u32;
/// Where there is no node.
pub(crate) const NO_NODE: NodeId = u32::MAX;

/// `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// None is said.
    Any,
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    /// `x-kubernetes-int-or-string`.
    IntOrString,
}

impl Kind {
    pub(crate) fn of(name: &str) -> Self {
        match name {
            "object" => Self::Object,
            "array" => Self::Array,
            "string" => Self::String,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            _ => Self::Any,
        }
    }

    /// As messages name it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::IntOrString => "integer,string",
        }
    }
}

/// `x-kubernetes-list-type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ListKind {
    Unsaid,
    Atomic,
    Set,
    Map,
}

/// What is true or false of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Flags(pub(crate) u16);

impl Flags {
    pub(crate) const NULLABLE: u16 = 1;
    /// `x-kubernetes-preserve-unknown-fields`.
    pub(crate) const KEEPS_UNKNOWN: u16 = 1 << 1;
    /// `x-kubernetes-embedded-resource`.
    pub(crate) const EMBEDDED: u16 = 1 << 2;
    /// `additionalProperties` is there, as true, false or a schema.
    pub(crate) const ADDITIONAL: u16 = 1 << 3;
    /// `additionalProperties: false`.
    pub(crate) const CLOSED: u16 = 1 << 4;
    /// `x-kubernetes-map-type: atomic`.
    pub(crate) const ATOMIC_MAP: u16 = 1 << 5;
    /// A rule is here or further down.
    pub(crate) const HAS_RULES: u16 = 1 << 6;
    /// An embedded resource is here or further down.
    pub(crate) const HAS_EMBEDDED: u16 = 1 << 7;
    /// A list that is a set or a map is here or further down.
    pub(crate) const HAS_LISTS: u16 = 1 << 8;
    /// A default is here or further down.
    pub(crate) const HAS_DEFAULTS: u16 = 1 << 9;
    /// `properties` is there, if only empty.
    pub(crate) const PROPERTIES: u16 = 1 << 10;
    /// What a node takes over from the nodes below it.
    pub(crate) const INHERITED: u16 =
        Self::HAS_RULES | Self::HAS_EMBEDDED | Self::HAS_LISTS | Self::HAS_DEFAULTS;

    pub(crate) const fn has(self, flag: u16) -> bool {
        self.0 & flag != 0
    }

    pub(crate) const fn set(&mut self, flag: u16, to: bool) {
        if to {
            self.0 |= flag;
        }
    }
}

/// A run of places in one of the tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl Span {
    fn of<T>(self, table: &[T]) -> &[T] {
        let start = self.start as usize;
        &table[start..start + self.len as usize]
    }
}

/// A node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) list: ListKind,
    pub(crate) flags: Flags,
    /// Pairs of name and node, sorted by name.
    pub(crate) properties: Span,
    pub(crate) facets: Span,
    /// The items of an array.
    pub(crate) items: NodeId,
    /// The schema that is `additionalProperties`.
    pub(crate) values: NodeId,
}

impl Node {
    pub(crate) const fn has(&self, flag: u16) -> bool {
        self.flags.has(flag)
    }
}

/// A number as it is compared: by its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Float(u64);

impl Float {
    pub(crate) fn new(number: f64) -> Self {
        Self(number.to_bits())
    }

    pub(crate) fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// What else is said of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Facet {
    Default(u32),
    Enum(Span),
    Format(NameId),
    Pattern(NameId),
    Maximum(Float, bool),
    Minimum(Float, bool),
    MultipleOf(Float),
    MaxLength(i64),
    MinLength(i64),
    MaxItems(i64),
    MinItems(i64),
    MaxProperties(i64),
    MinProperties(i64),
    UniqueItems,
    Required(Span),
    MapKeys(Span),
    AllOf(Span),
    AnyOf(Span),
    OneOf(Span),
    Not(NodeId),
    Rules(Span),
}

/// One of `x-kubernetes-validations`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Rule {
    pub(crate) rule: Box<str>,
    pub(crate) message: Box<str>,
    pub(crate) message_expression: Box<str>,
    pub(crate) reason: Reason,
    pub(crate) field_path: Box<str>,
    pub(crate) optional_old_self: Option<bool>,
}

/// The `reason` of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    Invalid,
    Forbidden,
    Required,
    Duplicate,
}

/// A compiled schema.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) nodes: Box<[Node]>,
    pub(crate) properties: Box<[(NameId, NodeId)]>,
    pub(crate) facets: Box<[Facet]>,
    /// Lists of numbers: of names and of nodes.
    pub(crate) numbers: Box<[u32]>,
    pub(crate) values: Box<[Value]>,
    pub(crate) rules: Box<[Rule]>,
    /// All texts, one after the other; text `i` ends at `ends[i]`.
    pub(crate) text: Box<str>,
    pub(crate) ends: Box<[u32]>,
    pub(crate) root: NodeId,
}

impl Table {
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    /// The node, where there is one.
    pub(crate) fn some(&self, id: NodeId) -> Option<NodeId> {
        (id != NO_NODE).then_some(id)
    }

    pub(crate) fn name(&self, id: NameId) -> &str {
        let id = id as usize;
        let start = match id {
            0 => 0,
            _ => self.ends[id - 1],
        };
        &self.text[start as usize..self.ends[id] as usize]
    }

    /// The properties of a node, by name.
    pub(crate) fn properties(&self, id: NodeId) -> impl Iterator<Item = (&str, NodeId)> {
        let span = self.node(id).properties.of(&self.properties);
        span.iter().map(|(name, node)| (self.name(*name), *node))
    }

    /// The property of this name.
    pub(crate) fn property(&self, id: NodeId, name: &str) -> Option<NodeId> {
        let span = self.node(id).properties.of(&self.properties);
        let place = span
            .binary_search_by(|(known, _)| self.name(*known).cmp(name))
            .ok()?;
        Some(span[place].1)
    }

    /// The schema of a field: its property, or else that of additional ones.
    pub(crate) fn field(&self, id: NodeId, name: &str) -> Option<NodeId> {
        let property = self.property(id, name);
        property.or_else(|| self.some(self.node(id).values))
    }

    pub(crate) fn facets(&self, id: NodeId) -> &[Facet] {
        self.node(id).facets.of(&self.facets)
    }

    /// The facet that the question picks.
    pub(crate) fn facet<T>(&self, id: NodeId, pick: impl Fn(&Facet) -> Option<T>) -> Option<T> {
        self.facets(id).iter().find_map(pick)
    }

    pub(crate) fn numbers(&self, span: Span) -> &[u32] {
        span.of(&self.numbers)
    }

    pub(crate) fn names(&self, span: Span) -> impl Iterator<Item = &str> {
        self.numbers(span).iter().map(|id| self.name(*id))
    }

    pub(crate) fn values(&self, span: Span) -> &[Value] {
        span.of(&self.values)
    }

    /// The default of a node; never null.
    pub(crate) fn default(&self, id: NodeId) -> Option<&Value> {
        let place = self.facet(id, |facet| match facet {
            Facet::Default(place) => Some(*place),
            _ => None,
        })?;
        self.values.get(place as usize)
    }

    /// The names of the fields that tell the elements of a list apart.
    pub(crate) fn map_keys(&self, id: NodeId) -> impl Iterator<Item = &str> {
        let span = self.facet(id, |facet| match facet {
            Facet::MapKeys(span) => Some(*span),
            _ => None,
        });
        self.names(span.unwrap_or_default())
    }

    /// The rules of a node alone.
    pub(crate) fn rules(&self, id: NodeId) -> &[Rule] {
        let span = self.facet(id, |facet| match facet {
            Facet::Rules(span) => Some(*span),
            _ => None,
        });
        span.unwrap_or_default().of(&self.rules)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let rules = self.rules.iter().map(|rule| {
            size_of::<Rule>()
                + rule.rule.len()
                + rule.message.len()
                + rule.message_expression.len()
                + rule.field_path.len()
        });
        size_of_val(&*self.nodes)
            + size_of_val(&*self.properties)
            + size_of_val(&*self.facets)
            + size_of_val(&*self.numbers)
            + size_of_val(&*self.ends)
            + self.text.len()
            + rules.sum::<usize>()
            + self.values.iter().map(value_bytes).sum::<usize>()
    }
}

/// About how much memory a value holds, itself included.
fn value_bytes(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(list) => list.iter().map(value_bytes).sum(),
            Value::Object(map) => {
                let entries = map
                    .iter()
                    .map(|(key, value)| size_of::<String>() + key.len() + value_bytes(value));
                entries.sum::<usize>() * 3 / 2
            }
            _ => 0,
        }
}
