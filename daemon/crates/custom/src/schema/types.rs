//! A schema as the types of server-side apply.
//!
//! What the schema does not describe is untyped. Invariant: equal nodes are one type.

use std::collections::HashMap;

use serde_json::Value;
use skerry_schema::{Builder, FieldSpec, Format, TypeId, Types};

use super::object_meta;
use super::table::{Flags, Kind, ListKind, NodeId, Table};

/// The name of the root in `Schema::types`.
pub const ROOT: &str = "object";

pub(crate) fn types(table: &Table) -> Types {
    let mut typing = Typing {
        table,
        builder: Builder::default(),
        known: HashMap::new(),
        metadata: None,
    };
    let root = typing.object(table.root, true);
    typing.builder.define(ROOT, root);
    typing.builder.finish()
}

struct Typing<'t> {
    table: &'t Table,
    builder: Builder,
    known: HashMap<NodeId, TypeId>,
    metadata: Option<TypeId>,
}

impl Typing<'_> {
    fn of(&mut self, node: NodeId) -> TypeId {
        if let Some(known) = self.known.get(&node) {
            return *known;
        }
        let this = *self.table.node(node);
        let of = match this.kind {
            Kind::Any => self.builder.any(),
            Kind::String => self.builder.string(Format::Plain),
            Kind::Integer => self.builder.integer(Format::Int64),
            Kind::Number => self.builder.number(),
            Kind::Boolean => self.builder.boolean(),
            Kind::IntOrString => self.builder.int_or_string(),
            Kind::Array => self.list(node),
            Kind::Object => self.object(node, this.has(Flags::EMBEDDED)),
        };
        self.known.insert(node, of);
        of
    }

    fn list(&mut self, node: NodeId) -> TypeId {
        let this = *self.table.node(node);
        let element = match self.table.some(this.items) {
            Some(items) => self.of(items),
            None => self.builder.any(),
        };
        match this.list {
            ListKind::Unsaid | ListKind::Atomic => self.builder.atomic_list(element),
            ListKind::Set => self.builder.set(element),
            ListKind::Map => {
                let keys: Vec<&str> = self.table.map_keys(node).collect();
                self.builder.map_list(element, &keys)
            }
        }
    }

    fn object(&mut self, node: NodeId, is_resource: bool) -> TypeId {
        let table = self.table;
        let this = *table.node(node);
        let is_atomic = this.has(Flags::ATOMIC_MAP);
        let keeps_unknown = this.has(Flags::KEEPS_UNKNOWN);
        if !is_resource && this.has(Flags::ADDITIONAL) && !this.has(Flags::PROPERTIES) {
            let element = match table.some(this.values) {
                Some(values) => self.of(values),
                None => self.builder.any(),
            };
            return self.builder.map(element, is_atomic);
        }
        let mut fields: Vec<(&str, TypeId, Option<String>)> = Vec::new();
        if is_resource {
            let text = self.builder.string(Format::Plain);
            let metadata = match self.metadata {
                Some(metadata) => metadata,
                None => object_meta::declare(&mut self.builder),
            };
            self.metadata = Some(metadata);
            fields.push(("apiVersion", text, None));
            fields.push(("kind", text, None));
            fields.push(("metadata", metadata, None));
        }
        for (name, property) in table.properties(node) {
            if is_resource && super::prune::is_meta_field(name) {
                continue;
            }
            let default = table.default(property).map(Value::to_string);
            fields.push((name, self.of(property), default));
        }
        let specs: Vec<FieldSpec<'_>> = fields
            .iter()
            .map(|(name, of, default)| FieldSpec {
                default: default.as_deref(),
                ..FieldSpec::optional(name, *of)
            })
            .collect();
        self.builder.object(&specs, is_atomic, keeps_unknown)
    }
}
