//! Fields taken out of an object.

use serde_json::Value;

use super::atom::{Atom, List, Listing, Map, Model};
use crate::fields::{Element, Set};

/// `value` without the fields in `gone`; nothing where nothing is left of a list or map.
pub(crate) fn remove(model: Model<'_>, value: &Value, gone: &Set) -> Option<Value> {
    if gone.is_empty() {
        return Some(value.clone());
    }
    match (model.atom_of(Some(value)), value) {
        (Atom::Scalar(_), value) => Some(value.clone()),
        (Atom::List(list), Value::Array(items)) if !matches!(list.kind, Listing::Atomic) => {
            remove_items(list, items, gone)
        }
        (Atom::Map(map) | Atom::Untyped(_, map), Value::Object(fields)) if !map.atomic => {
            remove_fields(map, fields, gone)
        }
        _ => None,
    }
}

fn remove_items(list: List<'_>, items: &[Value], gone: &Set) -> Option<Value> {
    let left = items.iter().filter_map(|item| {
        let node = list.element_of(item).ok();
        let Some(node) = node.and_then(|element| gone.nodes.get(&element)) else {
            return Some(item.clone());
        };
        if node.member {
            return None;
        }
        let left = remove(list.element, item, &node.below);
        Some(left.unwrap_or_else(|| Value::Object(serde_json::Map::new())))
    });
    let left: Vec<Value> = left.collect();
    (!left.is_empty()).then_some(Value::Array(left))
}

fn remove_fields(
    map: Map<'_>,
    fields: &serde_json::Map<String, Value>,
    gone: &Set,
) -> Option<Value> {
    let left = fields.iter().filter_map(|(key, field)| {
        let left = match gone.nodes.get(&Element::Field(key.clone())) {
            None => field.clone(),
            Some(node) if node.member => return None,
            Some(node) => remove(map.model(key), field, &node.below)?,
        };
        Some((key.clone(), left))
    });
    let left: serde_json::Map<String, Value> = left.collect();
    (!left.is_empty()).then_some(Value::Object(left))
}
