//! Takes out of an object what its schema does not know, and nulls that are not allowed.
//!
//! Invariant: pruning what has been pruned changes nothing.

use serde_json::{Map, Value};

use super::table::{Flags, NodeId, Table};
use crate::limits::{DEPTH_MAX, UNKNOWN_FIELDS_MAX};

/// Whether a field is a resource's own, which its schema need not say.
pub(crate) fn is_meta_field(name: &str) -> bool {
    matches!(name, "apiVersion" | "kind" | "metadata")
}

/// Takes out unknown fields, and notes their paths. `is_resource` says that the value is a
/// resource though its schema does not say so.
pub(crate) fn prune(
    table: &Table,
    node: NodeId,
    is_resource: bool,
    value: &mut Value,
) -> Vec<String> {
    let mut pruning = Pruning {
        table,
        path: String::new(),
        unknown: Vec::new(),
    };
    pruning.known(value, node, is_resource, DEPTH_MAX);
    pruning.unknown.sort_unstable();
    pruning.unknown
}

struct Pruning<'t> {
    table: &'t Table,
    path: String,
    unknown: Vec<String>,
}

impl Pruning<'_> {
    fn known(&mut self, value: &mut Value, node: NodeId, is_resource: bool, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        let this = *self.table.node(node);
        if this.has(Flags::KEEPS_UNKNOWN) {
            return self.kept(value, node, is_resource, depth);
        }
        let is_resource = is_resource || this.has(Flags::EMBEDDED);
        match value {
            Value::Object(fields) => {
                self.fields(fields, node, is_resource, depth);
                if this.has(Flags::ADDITIONAL) {
                    return;
                }
                let table = self.table;
                fields.retain(|name, _| {
                    let is_known = (is_resource && is_meta_field(name))
                        || table.property(node, name).is_some();
                    let is_own = self.path.is_empty() && is_meta_field(name);
                    if !is_known && !is_own {
                        self.note(name);
                    }
                    is_known
                });
            }
            Value::Array(items) => self.each(items, |this, item| {
                match this.table.some(this.table.node(node).items) {
                    Some(node) => this.known(item, node, false, depth),
                    None => this.unknown(item, depth),
                }
            }),
            _ => {}
        }
    }

    /// What has no schema: every field of every object goes.
    fn unknown(&mut self, value: &mut Value, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        match value {
            Value::Object(fields) => {
                for name in fields.keys() {
                    self.note(name);
                }
                fields.clear();
            }
            Value::Array(items) => self.each(items, |this, item| this.unknown(item, depth)),
            _ => {}
        }
    }

    /// What has a schema that keeps the unknown: only the fields it knows are looked into.
    fn kept(&mut self, value: &mut Value, node: NodeId, is_resource: bool, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        let is_resource = is_resource || self.table.node(node).has(Flags::EMBEDDED);
        match value {
            Value::Object(fields) => self.fields(fields, node, is_resource, depth),
            Value::Array(items) => {
                let Some(node) = self.table.some(self.table.node(node).items) else {
                    return;
                };
                self.each(items, |this, item| this.kept(item, node, false, depth));
            }
            _ => {}
        }
    }

    fn fields(
        &mut self,
        fields: &mut Map<String, Value>,
        node: NodeId,
        is_resource: bool,
        depth: usize,
    ) {
        for (name, value) in fields {
            if is_resource && is_meta_field(name) {
                continue;
            }
            let outer = self.path.len();
            if outer > 0 {
                self.path.push('.');
            }
            self.path.push_str(name);
            match self.table.field(node, name) {
                Some(field) => self.known(value, field, false, depth),
                None if self.table.node(node).has(Flags::ADDITIONAL) => {
                    self.unknown(value, depth);
                }
                None => {}
            }
            self.path.truncate(outer);
        }
    }

    fn each(&mut self, items: &mut [Value], mut visit: impl FnMut(&mut Self, &mut Value)) {
        let outer = self.path.len();
        for (i, item) in items.iter_mut().enumerate() {
            if item.is_object() || item.is_array() {
                self.path.push_str(&format!("[{i}]"));
                visit(self, item);
                self.path.truncate(outer);
            }
        }
    }

    fn note(&mut self, name: &str) {
        if self.unknown.len() < UNKNOWN_FIELDS_MAX {
            self.unknown.push(match self.path.as_str() {
                "" => name.to_owned(),
                path => format!("{path}.{name}"),
            });
        }
    }
}

/// Takes out fields that are null though null is not allowed, but for those that have a default
/// to stand in.
pub(crate) fn nulls(table: &Table, node: Option<NodeId>, value: &mut Value, depth: usize) {
    let (Some(depth), Some(node)) = (depth.checked_sub(1), node) else {
        return;
    };
    match value {
        Value::Object(fields) => fields.retain(|name, value| {
            let field = table.field(node, name);
            let goes = value.is_null()
                && field.is_some_and(|field| {
                    !table.node(field).has(Flags::NULLABLE) && table.default(field).is_none()
                });
            if !goes {
                nulls(table, field, value, depth);
            }
            !goes
        }),
        Value::Array(items) => {
            let node = table.some(table.node(node).items);
            for item in items {
                nulls(table, node, item, depth);
            }
        }
        _ => {}
    }
}
