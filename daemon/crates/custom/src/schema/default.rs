//! Fills in the defaults of a schema.
//!
//! Invariant: filling in twice is filling in once.

use serde_json::Value;

use super::table::{Flags, NodeId, Table};

/// Fills in defaults, in what is there and in what is filled in.
pub(crate) fn default(table: &Table, node: NodeId, value: &mut Value, depth: usize) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    let this = *table.node(node);
    if !this.has(Flags::HAS_DEFAULTS) {
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, property) in table.properties(node) {
                let Some(default) = table.default(property) else {
                    continue;
                };
                match fields.get_mut(name) {
                    None => {
                        fields.insert(name.to_owned(), default.clone());
                    }
                    Some(value) => stand_in(table, property, value),
                }
            }
            for (name, value) in fields {
                if let Some(property) = table.property(node, name) {
                    self::default(table, property, value, depth);
                } else if let Some(values) = table.some(this.values) {
                    stand_in(table, values, value);
                    self::default(table, values, value, depth);
                }
            }
        }
        Value::Array(items) => {
            let Some(node) = table.some(this.items) else {
                return;
            };
            for item in items {
                stand_in(table, node, item);
                self::default(table, node, item, depth);
            }
        }
        _ => {}
    }
}

/// A default in place of a null that is not allowed.
fn stand_in(table: &Table, node: NodeId, value: &mut Value) {
    if value.is_null()
        && !table.node(node).has(Flags::NULLABLE)
        && let Some(default) = table.default(node)
    {
        *value = default.clone();
    }
}
