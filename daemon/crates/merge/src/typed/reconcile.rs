//! Sets of fields after their types changed: what has become atomic since is owned as a whole.

use super::atom::{Atom, Listing, Model};
use crate::fields::{Element, Set};

/// `set`, with what is owned below an atomic field turned into the field.
pub(crate) fn reconcile(set: &Set, model: Model<'_>) -> Set {
    let mut whole = Set::default();
    find(set, model, &mut Vec::new(), &mut whole);
    if whole.is_empty() {
        return set.clone();
    }
    set.without_trees(&whole).union(whole)
}

fn find(set: &Set, model: Model<'_>, path: &mut Vec<Element>, whole: &mut Set) {
    for (element, node) in &set.nodes {
        let below = match (model.atom(), element) {
            (Atom::Map(map), _) if map.is_deduced() => None,
            (Atom::Map(map), Element::Field(name)) => map.declared(name),
            (Atom::List(list), _) => Some(list.element),
            _ => None,
        };
        let Some(below) = below else { continue };
        path.push(element.clone());
        let atomic = match below.atom() {
            Atom::Map(map) => map.atomic,
            Atom::List(list) => matches!(list.kind, Listing::Atomic),
            Atom::Scalar(_) | Atom::Untyped(..) => false,
        };
        if !atomic {
            find(&node.below, below, path, whole);
        } else if !node.below.is_empty() {
            whole.insert(path);
        }
        path.pop();
    }
}
