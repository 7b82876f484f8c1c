//! Which part of an old object a part of a new one stands for, and whether it has changed.
//!
//! Fields stand for fields of their name; elements of a list that is a map for those of the same
//! keys; elements of other lists for none. Invariant: what stands for something was found by the
//! schema alone, never by position.

use std::collections::HashMap;

use serde_json::Value;

use super::table::{ListKind, NodeId, Table};
use crate::limits::DEPTH_MAX;

/// A part of a new object with the part of the old one that it stands for.
#[derive(Clone, Copy)]
pub(crate) struct Pair<'v> {
    pub(crate) new: &'v Value,
    pub(crate) old: &'v Value,
    pub(crate) node: NodeId,
}

impl<'v> Pair<'v> {
    /// The field of this name.
    pub(crate) fn field(self, table: &Table, name: &str) -> Option<Self> {
        Some(Self {
            new: self.new.as_object()?.get(name)?,
            old: self.old.as_object()?.get(name)?,
            node: table.field(self.node, name)?,
        })
    }

    /// The elements of a list, found once for all of them.
    pub(crate) fn elements(self, table: &Table) -> Elements<'v> {
        let node = table.node(self.node);
        let olds = match (node.list, self.old) {
            (ListKind::Map, Value::Array(items)) => keyed(table, self.node, items),
            _ => HashMap::new(),
        };
        Elements {
            olds,
            list: self.node,
            node: node.items,
        }
    }

    /// Whether nothing has changed.
    pub(crate) fn is_unchanged(self, table: &Table) -> bool {
        unchanged(table, self.node, self.new, self.old, DEPTH_MAX)
    }
}

/// The old elements of a list, by their keys.
pub(crate) struct Elements<'v> {
    olds: HashMap<String, &'v Value>,
    list: NodeId,
    node: NodeId,
}

impl<'v> Elements<'v> {
    /// What a new element stands for.
    pub(crate) fn old(&self, table: &Table, new: &Value) -> Option<&'v Value> {
        if self.olds.is_empty() {
            return None;
        }
        self.olds.get(&keys_of(table, self.list, new)?).copied()
    }

    /// The element, with what it stands for.
    pub(crate) fn pair(&self, table: &Table, new: &'v Value) -> Option<Pair<'v>> {
        Some(Pair {
            new,
            old: self.old(table, new).filter(|old| !old.is_null())?,
            node: table.some(self.node)?,
        })
    }
}

fn keyed<'v>(table: &Table, list: NodeId, items: &'v [Value]) -> HashMap<String, &'v Value> {
    let mut olds = HashMap::with_capacity(items.len());
    for item in items {
        if let Some(keys) = keys_of(table, list, item) {
            olds.entry(keys).or_insert(item);
        }
    }
    olds
}

/// The values of an element's keys, as one text.
fn keys_of(table: &Table, list: NodeId, item: &Value) -> Option<String> {
    let fields = item.as_object()?;
    let mut keys = String::new();
    for name in table.map_keys(list) {
        match fields.get(name) {
            None => {}
            Some(Value::Array(_) | Value::Object(_) | Value::Null) => return None,
            Some(scalar) => keys.push_str(&scalar.to_string()),
        }
        keys.push('\u{0}');
    }
    Some(keys)
}

fn unchanged(table: &Table, node: NodeId, new: &Value, old: &Value, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else {
        return false;
    };
    match (new, old) {
        (Value::Object(news), Value::Object(olds)) => {
            news.len() == olds.len()
                && news.iter().all(|(name, new)| {
                    match (olds.get(name), table.field(node, name)) {
                        (Some(old), Some(field)) => unchanged(table, field, new, old, depth),
                        // What the schema does not know cannot be compared.
                        _ => false,
                    }
                })
        }
        (Value::Array(news), Value::Array(olds)) => {
            if news.len() != olds.len() {
                return false;
            }
            let this = table.node(node);
            let (ListKind::Map, Some(items)) = (this.list, table.some(this.items)) else {
                return news == olds;
            };
            let olds = keyed(table, node, olds);
            news.iter().all(|new| {
                let keys = keys_of(table, node, new);
                keys.and_then(|keys| olds.get(&keys))
                    .is_some_and(|old| unchanged(table, items, new, old, depth))
            })
        }
        (new, old) => new == old,
    }
}
