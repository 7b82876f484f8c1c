//! `x-kubernetes-list-type`: sets and maps hold every element once.

use std::collections::HashMap;

use serde_json::{Map, Value};
use skerry_kinds::Path;

use super::table::{Flags, ListKind, NodeId, Table};
use crate::error::{Errors, child, index, key};

/// Notes what stands in a set or a map twice.
pub(crate) fn validate(
    table: &Table,
    node: NodeId,
    value: &Value,
    path: Option<&Path<'_>>,
    errors: &mut Errors,
) {
    let this = *table.node(node);
    if !this.has(Flags::HAS_LISTS) {
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if let Some(values) = table.some(this.values) {
                    validate(table, values, value, Some(&key(path, name)), errors);
                }
                if let Some(property) = table.property(node, name) {
                    validate(table, property, value, Some(&child(path, name)), errors);
                }
            }
        }
        Value::Array(items) => {
            match this.list {
                ListKind::Set => set(items, path, errors),
                ListKind::Map => map(table, node, items, path, errors),
                _ => {}
            }
            if let Some(node) = table.some(this.items) {
                for (i, item) in items.iter().enumerate() {
                    validate(table, node, item, Some(&index(path, i)), errors);
                }
            }
        }
        _ => {}
    }
}

/// The place of the first element that stands there a second time.
pub(crate) fn first_twin(items: &[Value]) -> Option<usize> {
    twins(items.iter().map(Value::to_string)).first().copied()
}

/// The places of elements that stand there a second time, once for each.
fn twins(items: impl Iterator<Item = String>) -> Vec<usize> {
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut twins = Vec::new();
    for (i, item) in items.enumerate() {
        let times = seen.entry(item).or_default();
        *times += 1;
        if *times == 2 {
            twins.push(i);
        }
    }
    twins
}

fn set(items: &[Value], path: Option<&Path<'_>>, errors: &mut Errors) {
    for place in twins(items.iter().map(Value::to_string)) {
        errors.duplicate(&index(path, place), items[place].clone());
    }
}

fn map(table: &Table, node: NodeId, items: &[Value], path: Option<&Path<'_>>, errors: &mut Errors) {
    for (i, item) in items.iter().enumerate() {
        if !item.is_null() && !item.is_object() {
            let detail = "must be an object for an array of list-type map";
            return errors.invalid(&index(path, i), item.clone(), detail);
        }
    }
    let keys_of = |item: &Value| -> Map<String, Value> {
        let names = table.map_keys(node);
        let keys = names.filter_map(|name| Some((name.to_owned(), item.get(name)?.clone())));
        keys.collect()
    };
    let keys: Vec<Map<String, Value>> = items.iter().map(keys_of).collect();
    let texts = keys
        .iter()
        .map(|keys| serde_json::to_string(keys).unwrap_or_default());
    for place in twins(texts) {
        errors.duplicate(&index(path, place), Value::Object(keys[place].clone()));
    }
}
