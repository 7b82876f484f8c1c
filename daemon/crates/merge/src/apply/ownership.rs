//! Fields that change hands. Knows nothing about who asks.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::fields::Set;
use crate::managers::{Manager, Managers, Owned};
use crate::typed::{Comparison, Emptied, Model, ensure_named, members, remove};

pub(super) fn nothing(api_version: &str) -> Owned {
    Owned {
        set: Set::default(),
        api_version: api_version.to_owned(),
    }
}

/// Without what says which object it is, and what only the server writes: nobody owns that.
pub(super) fn without_identity(set: &Set) -> Set {
    set.difference(&Set::of_names(&[
        &["apiVersion"],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "clusterName"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ]))
}

/// What others than `writer` own of what was written.
pub(super) fn conflicts(
    managers: &Managers,
    comparison: &Comparison,
    writer: &Manager,
) -> BTreeMap<Manager, Set> {
    let written = comparison.written();
    let others = managers
        .owned
        .iter()
        .filter(|(manager, _)| *manager != writer);
    let sets = others.map(|(manager, owned)| {
        let conflicts = owned.set.intersection(&written);
        (manager.clone(), conflicts)
    });
    sets.filter(|(_, set)| !set.is_empty()).collect()
}

/// Takes what was written, and what is gone, from all but `writer`.
pub(super) fn lose(managers: &mut Managers, comparison: &Comparison, writer: Option<&Manager>) {
    let written = comparison.written();
    managers.owned.retain(|manager, owned| {
        if Some(manager) != writer {
            owned.set = owned.set.difference(&written);
            owned.set = owned.set.difference(&comparison.removed);
        }
        !owned.set.is_empty()
    });
}

/// `merged` without what was applied `before`, is not any more, and nobody owns.
pub(super) fn prune(model: Model<'_>, merged: &Value, before: &Set, managers: &Managers) -> Value {
    if before.is_empty() {
        return merged.clone();
    }
    let all_of = |value: &Value| ensure_named(&members(model, value), model);
    let left_without = |gone: &Set| all_of(&remove(model, merged, gone, Emptied::Null));

    let before = ensure_named(before, model);
    let there = all_of(merged);
    let left = left_without(&before);

    // Back comes what anybody owns.
    let owned = managers.owned.values();
    let owned = owned.fold(Set::default(), |all, owned| all.union(owned.set.clone()));
    let kept = left.union(ensure_named(&owned, model));
    let left = left_without(&there.difference(&kept));

    // And what went with a list or map, but was never the applier's. Upstream leaves null where
    // all of a list or map went and it is still owned; an empty one is what its owner said.
    let gone = there.difference(&left).intersection(&before);
    remove(model, merged, &gone, Emptied::Empty)
}
