//! A configuration merged into an object: nothing goes, and what both have is the
//! configuration's.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::atom::{Atom, List, Listing, Map, Model};
use crate::fields::Element;

/// `object` with `config`.
pub(crate) fn merge(model: Model<'_>, object: &Value, config: &Value) -> Value {
    merged(model, Some(object), Some(config)).unwrap_or_else(|| config.clone())
}

fn merged(model: Model<'_>, left: Option<&Value>, right: Option<&Value>) -> Option<Value> {
    let leaf = || right.or(left).cloned();
    match model.atom_of(right.or(left)) {
        Atom::Scalar(_) => leaf(),
        Atom::List(list) => {
            let left_items = left
                .and_then(Value::as_array)
                .map_or(&[][..], Vec::as_slice);
            let right_items = right
                .and_then(Value::as_array)
                .map_or(&[][..], Vec::as_slice);
            // Two empty ones are a leaf, so that null and empty stay apart.
            let empty = left_items.is_empty() && right_items.is_empty();
            if empty || matches!(list.kind, Listing::Atomic) {
                leaf()
            } else {
                Some(Value::Array(merged_items(list, left_items, right_items)))
            }
        }
        Atom::Map(map) | Atom::Untyped(_, map) => {
            let none = serde_json::Map::new();
            let left_fields = left.and_then(Value::as_object).unwrap_or(&none);
            let right_fields = right.and_then(Value::as_object).unwrap_or(&none);
            if map.atomic || left_fields.is_empty() && right_fields.is_empty() {
                leaf()
            } else {
                Some(Value::Object(merged_fields(map, left_fields, right_fields)))
            }
        }
    }
}

fn merged_fields(
    map: Map<'_>,
    left: &serde_json::Map<String, Value>,
    right: &serde_json::Map<String, Value>,
) -> serde_json::Map<String, Value> {
    let new = right.keys().filter(|key| !left.contains_key(*key));
    let fields = left.keys().chain(new).filter_map(|key| {
        let field = merged(map.model(key), left.get(key), right.get(key))?;
        Some((key.clone(), field))
    });
    fields.collect()
}

/// In the object's order where the configuration changes nothing about it, else in the
/// configuration's, with what only the object has between.
fn merged_items(list: List<'_>, left: &[Value], right: &[Value]) -> Vec<Value> {
    let with_elements = |items: &'_ [Value]| -> Vec<Element> {
        let elements = items.iter().filter_map(|item| list.element_of(item).ok());
        elements.collect()
    };
    let left_items: Vec<&Value> = left
        .iter()
        .filter(|item| list.element_of(item).is_ok())
        .collect();
    let (left, right_all) = (with_elements(left), right);
    let mut left_by_element: BTreeMap<&Element, Option<&Value>> = BTreeMap::new();
    for (element, item) in left.iter().zip(&left_items) {
        left_by_element
            .entry(element)
            // There more than once: nothing of it is merged.
            .and_modify(|known| *known = None)
            .or_insert(Some(*item));
    }
    let right_items: Vec<&Value> = right_all
        .iter()
        .filter(|item| list.element_of(item).is_ok())
        .collect();
    let right = with_elements(right_all);
    let in_right: BTreeSet<&Element> = right.iter().collect();

    let mut shared = right
        .iter()
        .filter(|element| left_by_element.contains_key(element));
    let mut next_shared = shared.next();
    let mut done: BTreeSet<&Element> = BTreeSet::new();
    let mut out = Vec::with_capacity(left.len().max(right.len()));
    let (mut from_left, mut from_right) = (0, 0);
    while from_left < left.len() || from_right < right.len() {
        if let Some(element) = left.get(from_left) {
            let is_next = right.get(from_right) == Some(element);
            let elsewhere = next_shared.is_some_and(|next| next != element);
            if !in_right.contains(element) {
                out.extend(merged(
                    list.element,
                    left_items.get(from_left).copied(),
                    None,
                ));
                from_left += 1;
                continue;
            }
            if !is_next && from_right < right.len() && elsewhere {
                // The configuration has it at another place.
                from_left += 1;
                continue;
            }
            if is_next || done.contains(element) {
                from_left += 1;
            }
        }
        let Some(element) = right.get(from_right) else {
            continue;
        };
        let object = left_by_element.get(element).copied().flatten();
        let config = right_items.get(from_right).copied();
        out.extend(merged(list.element, object, config));
        done.insert(element);
        from_right += 1;
        if next_shared == Some(element) {
            next_shared = shared.next();
        }
    }
    out
}
