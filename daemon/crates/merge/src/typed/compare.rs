//! What differs between two objects.

use std::collections::BTreeMap;

use serde_json::Value;

use super::atom::{Atom, List, Listing, Map, Model};
use crate::fields::{Element, Set};
use crate::value;

/// What became of the fields of an object. No field is in two of the sets.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) removed: Set,
    pub(crate) modified: Set,
    pub(crate) added: Set,
}

impl Comparison {
    /// Without these fields and what is below them.
    pub(crate) fn without_trees(&self, ignored: &Set) -> Self {
        Self {
            removed: self.removed.without_trees(ignored),
            modified: self.modified.without_trees(ignored),
            added: self.added.without_trees(ignored),
        }
    }

    /// What is new, or not what it was.
    pub(crate) fn written(&self) -> Set {
        self.modified.clone().union(self.added.clone())
    }
}

/// What became of `left`, now that it is `right`.
pub(crate) fn compare(model: Model<'_>, left: &Value, right: &Value) -> Comparison {
    let mut walk = Walk::default();
    walk.place(model, Some(left), Some(right));
    walk.comparison
}

#[derive(Default)]
struct Walk {
    path: Vec<Element>,
    comparison: Comparison,
}

impl Walk {
    fn place(&mut self, model: Model<'_>, left: Option<&Value>, right: Option<&Value>) {
        match (left, right) {
            (None, None) => return,
            (None, Some(_)) => self.comparison.added.insert(&self.path),
            (Some(_), None) => self.comparison.removed.insert(&self.path),
            (Some(_), Some(_)) => {}
        }
        let left_atom = model.atom_of(left);
        let right_atom = model.atom_of(right);
        match (left, right) {
            (_, None) => self.atom(left_atom, left, right),
            (None, _) => self.atom(right_atom, left, right),
            _ if left_atom.agrees(right_atom) => self.atom(right_atom, left, right),
            _ => {
                self.atom(left_atom, left, right);
                self.atom(right_atom, left, right);
            }
        }
    }

    fn element(
        &mut self,
        element: Element,
        model: Model<'_>,
        left: Option<&Value>,
        right: Option<&Value>,
    ) {
        self.path.push(element);
        self.place(model, left, right);
        self.path.pop();
    }

    fn atom(&mut self, atom: Atom<'_>, left: Option<&Value>, right: Option<&Value>) {
        match atom {
            Atom::Scalar(_) => self.leaf(left, right),
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
                    self.leaf(left, right);
                } else {
                    self.items(list, left_items, right_items);
                }
            }
            Atom::Map(map) | Atom::Untyped(_, map) => {
                let none = serde_json::Map::new();
                let left_fields = left.and_then(Value::as_object).unwrap_or(&none);
                let right_fields = right.and_then(Value::as_object).unwrap_or(&none);
                if map.atomic || left_fields.is_empty() && right_fields.is_empty() {
                    self.leaf(left, right);
                } else {
                    self.fields(map, left_fields, right_fields);
                }
            }
        }
    }

    fn leaf(&mut self, left: Option<&Value>, right: Option<&Value>) {
        if let (Some(left), Some(right)) = (left, right)
            && !value::same(left, right)
        {
            self.comparison.modified.insert(&self.path);
        }
    }

    fn fields(
        &mut self,
        map: Map<'_>,
        left: &serde_json::Map<String, Value>,
        right: &serde_json::Map<String, Value>,
    ) {
        let new = right.keys().filter(|key| !left.contains_key(*key));
        for key in left.keys().chain(new) {
            let element = Element::Field(key.clone());
            self.element(element, map.model(key), left.get(key), right.get(key));
        }
    }

    fn items(&mut self, list: List<'_>, left: &[Value], right: &[Value]) {
        type Sides<'v> = (Vec<&'v Value>, Vec<&'v Value>);
        let mut found: BTreeMap<Element, Sides<'_>> = BTreeMap::new();
        for item in left {
            if let Ok(element) = list.element_of(item) {
                found.entry(element).or_default().0.push(item);
            }
        }
        for item in right {
            if let Ok(element) = list.element_of(item) {
                found.entry(element).or_default().1.push(item);
            }
        }
        for (element, (left, right)) in found {
            match (left.as_slice(), right.as_slice()) {
                ([] | [_], [] | [_]) => {
                    let (left, right) = (left.first().copied(), right.first().copied());
                    self.element(element, list.element, left, right);
                }
                // Those that are there more than once are one leaf.
                ([_, _, ..], [_, _, ..]) => {
                    let same = left.len() == right.len()
                        && left
                            .iter()
                            .zip(&right)
                            .all(|(left, right)| value::same(left, right));
                    if !same {
                        self.path.push(element);
                        self.comparison.modified.insert(&self.path);
                        self.path.pop();
                    }
                }
                ([_, _, ..], _) => {
                    self.path.push(element);
                    self.comparison.removed.insert(&self.path);
                    self.place(list.element, None, right.first().copied());
                    self.path.pop();
                }
                (_, _) => {
                    self.path.push(element);
                    self.comparison.added.insert(&self.path);
                    self.place(list.element, left.first().copied(), None);
                    self.path.pop();
                }
            }
        }
    }
}
