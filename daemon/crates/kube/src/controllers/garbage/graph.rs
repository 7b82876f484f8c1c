//! Who owns whom, as far as the collector has to know.
//!
//! Knows nothing about deleting. Invariant: objects without owners that do not wait have no line.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use crate::decode;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::object;
use crate::registry::Resource;
use crate::verbs::delete::{FOREGROUND, ORPHAN};

/// Which object: where its resource's objects are kept, namespace and name.
pub(in crate::controllers) type Place = (Arc<str>, String, String);

/// Who owns what, by uid.
#[derive(Default)]
pub(super) struct Graph {
    /// Objects with owners, by the owner's uid.
    dependents: HashMap<String, BTreeSet<Place>>,
    /// The owners of each such object.
    pub(super) owners: BTreeMap<Place, Vec<String>>,
    /// The uid of every object that somebody names as an owner, or that waits for the collector.
    pub(super) waiting: BTreeMap<Place, String>,
    /// Of which owners of which objects it was said that they cannot be theirs.
    pub(super) told: HashSet<(Place, String)>,
}

impl Graph {
    pub(super) fn put(&mut self, place: &Place, owners: Vec<String>) {
        self.remove(place);
        for uid in &owners {
            let dependents = self.dependents.entry(uid.clone()).or_default();
            dependents.insert(place.clone());
        }
        if !owners.is_empty() {
            self.owners.insert(place.clone(), owners);
        }
    }

    pub(super) fn remove(&mut self, place: &Place) {
        for uid in self.owners.remove(place).unwrap_or_default() {
            if let Some(dependents) = self.dependents.get_mut(&uid) {
                dependents.remove(place);
                if dependents.is_empty() {
                    self.dependents.remove(&uid);
                }
            }
        }
    }

    pub(super) fn of(&self, uid: &str) -> Vec<Place> {
        let places = self.dependents.get(uid).into_iter().flatten();
        places.cloned().collect()
    }
}

/// Owners that wait for the collector.
pub(super) fn waiting(graph: &Graph, uids: &[String]) -> Vec<Place> {
    let all = graph.waiting.iter();
    all.filter(|(_, uid)| uids.contains(uid))
        .map(|(place, _)| place.clone())
        .collect()
}

/// Notes who owns an object; true where there may be something to do about it.
pub(super) fn note(graph: &mut Graph, place: &Place, value: &[u8]) -> Result<bool, ApiError> {
    let has = |needle: &[u8]| value.windows(needle.len()).any(|window| window == needle);
    // Most objects have neither: they are not even parsed.
    if !has(b"\"ownerReferences\"") && !has(b"\"deletionTimestamp\"") {
        graph.remove(place);
        graph.waiting.remove(place);
        return Ok(false);
    }
    let object = decode::stored(value)?;
    let owners = owner_uids(&object);
    let owned = !owners.is_empty();
    graph.put(place, owners);
    let held = object::finalizers(&object)
        .iter()
        .any(|finalizer| finalizer == ORPHAN || finalizer == FOREGROUND);
    let waits = held && object::is_terminating(&object);
    match waits {
        true => {
            _ = graph
                .waiting
                .insert(place.clone(), object::uid(&object).to_owned())
        }
        false => _ = graph.waiting.remove(place),
    }
    Ok(owned || waits)
}

pub(super) fn owners(object: &Value) -> impl Iterator<Item = &Value> {
    let list = object::metadata(object).get("ownerReferences");
    list.and_then(Value::as_array).into_iter().flatten()
}

pub(super) fn owner_uids(object: &Value) -> Vec<String> {
    let uids = owners(object).filter_map(|owner| owner.get("uid")?.as_str());
    uids.map(str::to_owned).collect()
}

/// From keys to places.
pub(in crate::controllers) struct Prefixes {
    /// Longest first: `services/specs` before `services`.
    built_in: Vec<(Arc<str>, bool)>,
    /// Of custom resources, as they are met.
    custom: RefCell<HashSet<Arc<str>>>,
}

impl Prefixes {
    pub(in crate::controllers) fn new(engine: &Engine) -> Prefixes {
        let all = engine.registry.built_in().iter();
        let all = all.filter(|resource| !resource.storage_prefix.is_empty());
        let facts = |resource: &Arc<Resource>| {
            (resource.storage_prefix.as_str().into(), resource.namespaced)
        };
        let mut built_in: Vec<(Arc<str>, bool)> = all.map(facts).collect();
        built_in.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.cmp(b)));
        built_in.dedup();
        Prefixes {
            built_in,
            custom: RefCell::default(),
        }
    }

    pub(in crate::controllers) fn place(&self, key: &[u8]) -> Option<Place> {
        let key = std::str::from_utf8(key).ok()?.strip_prefix("/registry/")?;
        let built_in = self.built_in.iter().find_map(|(prefix, namespaced)| {
            let rest = key.strip_prefix(&**prefix)?.strip_prefix('/')?;
            Some((prefix, rest, *namespaced))
        });
        if let Some((prefix, rest, namespaced)) = built_in {
            let (namespace, name) = match namespaced {
                true => rest.split_once('/')?,
                false => ("", rest),
            };
            return Some((Arc::clone(prefix), namespace.to_owned(), name.to_owned()));
        }
        // A custom one: its group has a dot, and its keys say whether it has namespaces.
        let (group, rest) = key
            .split_once('/')
            .filter(|(group, _)| group.contains('.'))?;
        let (plural, rest) = rest.split_once('/')?;
        let (namespace, name) = rest.split_once('/').unwrap_or(("", rest));
        let prefix = self.custom(&key[..=group.len() + plural.len()]);
        Some((prefix, namespace.to_owned(), name.to_owned()))
    }

    /// One and the same text for all objects of a resource.
    fn custom(&self, prefix: &str) -> Arc<str> {
        let mut known = self.custom.borrow_mut();
        if let Some(known) = known.get(prefix) {
            return Arc::clone(known);
        }
        let prefix: Arc<str> = prefix.into();
        known.insert(Arc::clone(&prefix));
        prefix
    }
}
