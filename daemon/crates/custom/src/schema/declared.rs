//! A schema as the types that rules see, and how large their values can get.
//!
//! What has no type of its own is not seen at all, and neither is what holds it. Of a resource
//! its `apiVersion`, `kind` and names are always seen. Sizes are upstream's reckoning from the
//! largest request. Knows nothing about expressions.

use std::sync::Arc;

use serde_json::Value;
use skerry_cel::limits::REQUEST_BYTES_MAX;
use skerry_cel::{Form, ListKind as CelList, NodeId as CelNode, StringForm};

use super::table::{Facet, Flags, Kind, ListKind, NodeId, Table};

/// Marks a node that is looked at as a resource though its schema does not say so.
const RESOURCE: CelNode = 1 << 31;
/// A name, an `apiVersion` or a `kind`.
const TEXT: CelNode = (1 << 31) - 1;
/// The metadata of a resource.
const METADATA: CelNode = (1 << 31) - 2;

/// How large values of a node are.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    is_seen: bool,
    /// Fewest bytes of JSON.
    bytes_min: u64,
    /// Most elements, or bytes of a text.
    elements_max: u64,
}

/// A schema as rules see it.
#[derive(Debug)]
pub struct Declared {
    table: Arc<Table>,
    sizes: Box<[Size]>,
}

impl Declared {
    pub(crate) fn new(table: Arc<Table>) -> Self {
        // A node comes after all nodes within it.
        let mut sizes: Vec<Size> = Vec::with_capacity(table.nodes.len());
        for id in 0..table.nodes.len() {
            let size = size(&table, id as NodeId, &sizes);
            sizes.push(size);
        }
        let sizes = sizes.into();
        Self { table, sizes }
    }

    /// The node as it is named to the language.
    pub(crate) fn place(node: NodeId, is_resource: bool) -> CelNode {
        match is_resource {
            true => node | RESOURCE,
            false => node,
        }
    }

    /// Whether rules see a node at all.
    pub(crate) fn is_seen(&self, node: NodeId) -> bool {
        self.size(node).is_seen
    }

    /// How often values of a node fit into the largest request.
    pub(crate) fn cardinality_max(&self, node: NodeId) -> u64 {
        REQUEST_BYTES_MAX / (self.size(node).bytes_min + 1)
    }

    fn size(&self, node: NodeId) -> Size {
        self.sizes.get(node as usize).copied().unwrap_or_default()
    }

    /// Whether a resource's schema says of itself all that is seen of every resource.
    fn says_metadata(&self, node: NodeId) -> bool {
        let table = &self.table;
        let is = |node: NodeId, name: &str, kind: Kind| {
            let property = table.property(node, name);
            property.filter(|property| table.node(*property).kind == kind)
        };
        let metadata = is(node, "metadata", Kind::Object);
        is(node, "kind", Kind::String).is_some()
            && is(node, "apiVersion", Kind::String).is_some()
            && metadata.is_some_and(|metadata| {
                is(metadata, "name", Kind::String).is_some()
                    && is(metadata, "generateName", Kind::String).is_some()
            })
    }

    /// Whether objects of a node are resources: the whole object, or one that it embeds.
    #[must_use]
    pub fn is_resource(&self, node: CelNode) -> bool {
        match node {
            TEXT | METADATA => false,
            node if node & RESOURCE != 0 => true,
            node => self.table.node(node).has(Flags::EMBEDDED),
        }
    }
}

fn format_of(table: &Table, node: NodeId) -> &str {
    let name = table.facet(node, |facet| match facet {
        Facet::Format(name) => Some(*name),
        _ => None,
    });
    name.map_or("", |name| table.name(name))
}

/// The bound that the question picks; none is below zero.
fn bound(table: &Table, node: NodeId, pick: fn(&Facet) -> Option<i64>) -> Option<u64> {
    table
        .facet(node, pick)
        .map(|bound| u64::try_from(bound).unwrap_or(0))
}

fn size(table: &Table, node: NodeId, sizes: &[Size]) -> Size {
    let of = |id: NodeId| sizes.get(id as usize).copied().unwrap_or_default();
    let max_length = || {
        bound(table, node, |facet| match facet {
            Facet::MaxLength(max) => Some(*max),
            _ => None,
        })
    };
    let seen = |bytes_min: u64, elements_max: u64| Size {
        is_seen: true,
        bytes_min,
        elements_max,
    };
    let this = table.node(node);
    match this.kind {
        Kind::Any => Size::default(),
        Kind::IntOrString => {
            let max = max_length().map(|max| max.saturating_mul(4));
            seen(1, max.unwrap_or(REQUEST_BYTES_MAX - 2))
        }
        Kind::Boolean => seen(4, 0),
        Kind::Integer | Kind::Number => seen(1, 0),
        Kind::String => match format_of(table, node) {
            "byte" => seen(2, max_length().unwrap_or(REQUEST_BYTES_MAX - 2)),
            "duration" => seen(3, 32),
            "date" => seen(12, 12),
            "date-time" => seen(21, 32),
            _ => {
                let max = max_length().map(|max| max.saturating_mul(4));
                let max = max.or_else(|| longest_of_enum(table, node));
                seen(2, max.unwrap_or(REQUEST_BYTES_MAX - 2))
            }
        },
        Kind::Array => {
            let Some(items) = table.some(this.items).map(of).filter(|items| items.is_seen) else {
                return Size::default();
            };
            let max = bound(table, node, |facet| match facet {
                Facet::MaxItems(max) => Some(*max),
                _ => None,
            });
            seen(
                2,
                max.unwrap_or((REQUEST_BYTES_MAX - 2) / (items.bytes_min + 1)),
            )
        }
        Kind::Object => {
            let Some(values) = table.some(this.values) else {
                return seen(object_bytes_min(table, node, sizes), 0);
            };
            let values = of(values);
            if !values.is_seen {
                return Size::default();
            }
            let max = bound(table, node, |facet| match facet {
                Facet::MaxProperties(max) => Some(*max),
                _ => None,
            });
            seen(
                2,
                max.unwrap_or((REQUEST_BYTES_MAX - 2) / (values.bytes_min + 6)),
            )
        }
    }
}

fn longest_of_enum(table: &Table, node: NodeId) -> Option<u64> {
    let values = table.facet(node, |facet| match facet {
        Facet::Enum(span) => Some(*span),
        _ => None,
    })?;
    let lengths = table.values(values).iter().filter_map(Value::as_str);
    Some(lengths.map(|text| text.len() as u64).max().unwrap_or(0))
}

/// Braces, and every field that is required and has no default.
fn object_bytes_min(table: &Table, node: NodeId, sizes: &[Size]) -> u64 {
    let required = table.facet(node, |facet| match facet {
        Facet::Required(names) => Some(*names),
        _ => None,
    });
    let mut bytes = 2;
    for name in table.names(required.unwrap_or_default()) {
        let Some(property) = table.property(node, name) else {
            continue;
        };
        let size = sizes.get(property as usize).copied().unwrap_or_default();
        if size.is_seen && table.default(property).is_none() {
            bytes += name.len() as u64 + size.bytes_min + 4;
        }
    }
    bytes
}

impl skerry_cel::Schema for Declared {
    fn form(&self, node: CelNode) -> Form {
        match node {
            TEXT => return Form::String(StringForm::Plain),
            METADATA => return Form::Object,
            _ => {}
        }
        let id = node & !RESOURCE;
        let table = &self.table;
        let this = table.node(id);
        match this.kind {
            Kind::Any => Form::Preserved,
            Kind::IntOrString => Form::IntOrString,
            Kind::Boolean => Form::Bool,
            Kind::Integer => Form::Int,
            Kind::Number => Form::Double,
            Kind::String => Form::String(match format_of(table, id) {
                "byte" => StringForm::Bytes,
                "duration" => StringForm::Duration,
                "date" => StringForm::Date,
                "date-time" => StringForm::DateTime,
                _ => StringForm::Plain,
            }),
            Kind::Array => match table.some(this.items) {
                Some(items) => Form::List {
                    items,
                    kind: match this.list {
                        ListKind::Set => CelList::Set,
                        ListKind::Map => CelList::Map,
                        _ => CelList::Atomic,
                    },
                },
                None => Form::Preserved,
            },
            Kind::Object => match table.some(this.values) {
                Some(values) => Form::Map { values },
                None => Form::Object,
            },
        }
    }

    fn field(&self, node: CelNode, name: &str) -> Option<CelNode> {
        match node {
            TEXT => return None,
            METADATA => return matches!(name, "name" | "generateName").then_some(TEXT),
            _ => {}
        }
        let id = node & !RESOURCE;
        if self.is_resource(node) && !self.says_metadata(id) {
            match name {
                "apiVersion" | "kind" => return Some(TEXT),
                "metadata" => return Some(METADATA),
                _ => {}
            }
        }
        let property = self.table.property(id, name)?;
        self.is_seen(property).then_some(property)
    }

    fn fields(&self, node: CelNode) -> Vec<String> {
        match node {
            TEXT => return Vec::new(),
            METADATA => return vec!["generateName".to_owned(), "name".to_owned()],
            _ => {}
        }
        let id = node & !RESOURCE;
        let mut names: Vec<String> = Vec::new();
        for (name, property) in self.table.properties(id) {
            if self.is_seen(property) {
                names.push(name.to_owned());
            }
        }
        if self.is_resource(node) {
            for name in ["apiVersion", "kind", "metadata"] {
                if !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
            }
        }
        names
    }

    fn map_keys(&self, node: CelNode) -> Vec<String> {
        match node {
            TEXT | METADATA => Vec::new(),
            node => self
                .table
                .map_keys(node & !RESOURCE)
                .map(str::to_owned)
                .collect(),
        }
    }

    fn type_name(&self, node: CelNode) -> String {
        format!("selfType{node}")
    }

    fn size_max(&self, node: CelNode) -> Option<u64> {
        match node {
            TEXT => Some(REQUEST_BYTES_MAX - 2),
            METADATA => Some(0),
            node => Some(self.size(node & !RESOURCE).elements_max),
        }
    }

    fn nullable(&self, node: CelNode) -> bool {
        match node {
            TEXT | METADATA => false,
            node => self.table.node(node & !RESOURCE).has(Flags::NULLABLE),
        }
    }
}
