//! The fields that a configuration speaks of.

use std::collections::BTreeSet;

use serde_json::Value;

use super::atom::{Atom, List, Listing, Map, Model};
use crate::fields::{Element, Set};

/// Every leaf that `value` has, every element of its lists, and every key of its maps that is data.
pub(crate) fn members(model: Model<'_>, value: &Value) -> Set {
    let mut set = Set::default();
    gather(model, value, &mut Vec::new(), &mut set);
    set
}

fn gather(model: Model<'_>, value: &Value, path: &mut Vec<Element>, set: &mut Set) {
    match model.atom_of(Some(value)) {
        Atom::Scalar(_) => set.insert(path),
        Atom::List(list) if matches!(list.kind, Listing::Atomic) => set.insert(path),
        Atom::Map(map) | Atom::Untyped(_, map) if map.atomic => set.insert(path),
        Atom::List(list) => {
            if let Value::Array(items) = value {
                gather_items(list, items, path, set);
            }
        }
        Atom::Map(map) | Atom::Untyped(_, map) => {
            if let Value::Object(fields) = value {
                gather_fields(map, fields, path, set);
            }
        }
    }
}

/// Elements that are there more than once are owned together, and nothing below them is.
fn gather_items(list: List<'_>, items: &[Value], path: &mut Vec<Element>, set: &mut Set) {
    let elements = items.iter().map(|item| list.element_of(item).ok());
    let elements: Vec<Option<Element>> = elements.collect();
    let mut seen = BTreeSet::new();
    let twice = elements
        .iter()
        .flatten()
        .filter(|element| !seen.insert(*element));
    let twice: BTreeSet<&Element> = twice.collect();
    for (element, item) in elements.iter().zip(items) {
        let Some(element) = element else { continue };
        path.push(element.clone());
        if !twice.contains(element) {
            gather(list.element, item, path, set);
        }
        set.insert(path);
        path.pop();
    }
}

fn gather_fields(
    map: Map<'_>,
    fields: &serde_json::Map<String, Value>,
    path: &mut Vec<Element>,
    set: &mut Set,
) {
    for (key, field) in fields {
        path.push(Element::Field(key.clone()));
        gather(map.model(key), field, path, set);
        let empty = match field {
            Value::Null => true,
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        if empty || !map.names(key) {
            set.insert(path);
        }
        path.pop();
    }
}

/// With every field that its type names, where something below it is a member.
pub(crate) fn ensure_named(set: &Set, model: Model<'_>) -> Set {
    ensure(set, Some(model))
}

fn ensure(set: &Set, model: Option<Model<'_>>) -> Set {
    let atom = model.map(Model::atom);
    let map = match atom {
        Some(Atom::Map(map) | Atom::Untyped(_, map)) => Some(map),
        _ => None,
    };
    let list = match atom {
        Some(Atom::List(list) | Atom::Untyped(list, _)) => Some(list),
        _ => None,
    };
    let mut ensured = set.clone();
    for (element, node) in &mut ensured.nodes {
        let below = match element {
            Element::Field(name) => {
                node.member |= map.is_some_and(|map| map.names(name));
                map.and_then(|map| map.declared(name))
            }
            Element::Key(_) => list.map(|list| list.element),
            Element::Value(_) | Element::Index(_) => None,
        };
        node.below = ensure(&node.below, below);
    }
    ensured
}
