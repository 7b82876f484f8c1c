//! Fields taken out of an object.

use serde_json::Value;

use super::atom::{Atom, List, Listing, Map, Model};
use crate::fields::{Element, Set};

/// What stands for a list or map of which nothing is left.
#[derive(Clone, Copy)]
pub(crate) enum Emptied {
    /// Null: it counts as said, as a null does.
    Null,
    /// An empty one.
    Empty,
}

/// `value` without the fields in `gone`.
pub(crate) fn remove(model: Model<'_>, value: &Value, gone: &Set, emptied: Emptied) -> Value {
    if gone.is_empty() {
        return value.clone();
    }
    let left = match (model.atom_of(Some(value)), value) {
        (Atom::List(list), Value::Array(items)) if !matches!(list.kind, Listing::Atomic) => {
            let left = remove_items(list, items, gone, emptied);
            (!left.is_empty()).then_some(Value::Array(left))
        }
        (Atom::Map(map) | Atom::Untyped(_, map), Value::Object(fields)) if !map.atomic => {
            let left = remove_fields(map, fields, gone, emptied);
            (!left.is_empty()).then_some(Value::Object(left))
        }
        (Atom::List(_) | Atom::Map(_) | Atom::Untyped(..), _) => None,
        (Atom::Scalar(_), scalar) => Some(scalar.clone()),
    };
    left.unwrap_or_else(|| match (emptied, value) {
        (Emptied::Empty, Value::Array(_)) => Value::Array(Vec::new()),
        (Emptied::Empty, Value::Object(_)) => Value::Object(serde_json::Map::new()),
        _ => Value::Null,
    })
}

fn remove_items(list: List<'_>, items: &[Value], gone: &Set, emptied: Emptied) -> Vec<Value> {
    let left = items.iter().filter_map(|item| {
        let element = list.element_of(item).ok();
        match element.and_then(|element| gone.nodes.get(&element)) {
            None => Some(item.clone()),
            Some(node) if node.member => None,
            Some(node) => Some(remove(list.element, item, &node.below, emptied)),
        }
    });
    left.collect()
}

fn remove_fields(
    map: Map<'_>,
    fields: &serde_json::Map<String, Value>,
    gone: &Set,
    emptied: Emptied,
) -> serde_json::Map<String, Value> {
    let left = fields.iter().filter_map(|(key, field)| {
        let left = match gone.nodes.get(&Element::Field(key.clone())) {
            None => field.clone(),
            Some(node) if node.member => return None,
            Some(node) => remove(map.model(key), field, &node.below, emptied),
        };
        Some((key.clone(), left))
    });
    left.collect()
}
