//! Deletes what nobody owns any more, and sees to it that owners wait or let go as they were asked.
//!
//! Keeps one line for each object that has owners, and nothing of the others. Invariant: an object
//! is deleted only after the store itself has said that none of its owners is there.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;
use skerry_schema::Resource;

use super::{RETRY_INTERVAL, own_options};
use crate::decode;
use crate::engine::{Engine, Kept};
use crate::error::ApiError;
use crate::object;
use crate::options::{DeleteOptions, Propagation};
use crate::storage;
use crate::verbs::delete::{FOREGROUND, ORPHAN};

/// Which object: its resource's place in the registry, namespace and name.
pub(super) type Place = (usize, String, String);

/// Who owns what, by uid.
#[derive(Default)]
struct Graph {
    /// Objects with owners, by the owner's uid.
    dependents: HashMap<String, BTreeSet<Place>>,
    /// The owners of each such object.
    owners: BTreeMap<Place, Vec<String>>,
    /// The uid of every object that somebody names as an owner, or that waits for the collector.
    waiting: BTreeMap<Place, String>,
}

impl Graph {
    fn put(&mut self, place: &Place, owners: Vec<String>) {
        self.remove(place);
        for uid in &owners {
            let dependents = self.dependents.entry(uid.clone()).or_default();
            dependents.insert(place.clone());
        }
        if !owners.is_empty() {
            self.owners.insert(place.clone(), owners);
        }
    }

    fn remove(&mut self, place: &Place) {
        for uid in self.owners.remove(place).unwrap_or_default() {
            if let Some(dependents) = self.dependents.get_mut(&uid) {
                dependents.remove(place);
                if dependents.is_empty() {
                    self.dependents.remove(&uid);
                }
            }
        }
    }

    fn of(&self, uid: &str) -> Vec<Place> {
        let places = self.dependents.get(uid).into_iter().flatten();
        places.cloned().collect()
    }
}

pub(super) async fn run(engine: &Engine) {
    loop {
        if let Err(error) = follow(engine).await {
            tracing::warn!(%error, "owners are looked at anew");
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

async fn follow(engine: &Engine) -> Result<(), ApiError> {
    let prefixes = Prefixes::new(engine);
    let everything = storage::below("/registry/");
    let mut graph = Graph::default();
    let mut work = Vec::new();
    let mut listing = engine.storage.list(everything.clone(), 0)?;
    let from = listing.revision() + 1;
    let mut cursor = engine.storage.watch(everything, from)?;
    loop {
        let chunk = listing.next_chunk()?;
        if chunk.is_empty() {
            break;
        }
        for stored in chunk {
            if let Some(place) = prefixes.place(&stored.key)
                && note(&mut graph, &place, &stored.value)?
            {
                work.push(place);
            }
        }
        tokio::task::yield_now().await;
    }
    drop(listing);
    loop {
        for place in std::mem::take(&mut work) {
            engine.collect(&graph, &place).await?;
        }
        for change in cursor.next().await? {
            let Some(place) = prefixes.place(&change.key) else {
                continue;
            };
            match &change.now {
                Some(stored) => {
                    let before = graph.owners.get(&place).cloned();
                    if note(&mut graph, &place, &stored.value)? {
                        work.push(place.clone());
                    }
                    // An owner that was waited for may go on.
                    let freed = before.unwrap_or_default();
                    work.extend(waiting(&graph, &freed));
                }
                None => {
                    let owners = graph.owners.get(&place).cloned().unwrap_or_default();
                    graph.remove(&place);
                    work.extend(waiting(&graph, &owners));
                    graph.waiting.remove(&place);
                    if let Some(before) = cursor.before(&change)? {
                        let uid = object::uid(&decode::stored(&before.value)?).to_owned();
                        work.extend(graph.of(&uid));
                    }
                }
            }
        }
    }
}

/// Owners that wait for the collector.
fn waiting(graph: &Graph, uids: &[String]) -> Vec<Place> {
    let all = graph.waiting.iter();
    all.filter(|(_, uid)| uids.contains(uid))
        .map(|(place, _)| place.clone())
        .collect()
}

/// Notes who owns an object; true where there may be something to do about it.
fn note(graph: &mut Graph, place: &Place, value: &[u8]) -> Result<bool, ApiError> {
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

fn owners(object: &Value) -> impl Iterator<Item = &Value> {
    let list = object::metadata(object).get("ownerReferences");
    list.and_then(Value::as_array).into_iter().flatten()
}

fn owner_uids(object: &Value) -> Vec<String> {
    let uids = owners(object).filter_map(|owner| owner.get("uid")?.as_str());
    uids.map(str::to_owned).collect()
}

/// From keys to places.
pub(super) struct Prefixes {
    /// Longest first: `services/specs` before `services`.
    prefixes: Vec<(String, usize, bool)>,
}

impl Prefixes {
    pub(super) fn new(engine: &Engine) -> Prefixes {
        let mut seen = HashSet::new();
        let all = engine.registry.all().iter().enumerate();
        let mut prefixes: Vec<(String, usize, bool)> = all
            .filter(|(_, resource)| !resource.storage_prefix.is_empty())
            .filter(|(_, resource)| seen.insert(resource.storage_prefix.clone()))
            .map(|(place, resource)| {
                let prefix = format!("/registry/{}/", resource.storage_prefix);
                (prefix, place, resource.namespaced)
            })
            .collect();
        prefixes.sort_by_key(|(prefix, ..)| std::cmp::Reverse(prefix.len()));
        Prefixes { prefixes }
    }

    pub(super) fn place(&self, key: &[u8]) -> Option<Place> {
        let key = std::str::from_utf8(key).ok()?;
        let (rest, resource, namespaced) = self.prefixes.iter().find_map(|entry| {
            let (prefix, resource, namespaced) = entry;
            let rest = key.strip_prefix(prefix.as_str())?;
            Some((rest, *resource, *namespaced))
        })?;
        let (namespace, name) = match namespaced {
            true => rest.split_once('/')?,
            false => ("", rest),
        };
        Some((resource, namespace.to_owned(), name.to_owned()))
    }
}

impl Engine {
    fn kept_at(&self, place: &Place) -> Result<Option<(Arc<Resource>, Kept)>, ApiError> {
        let (resource, namespace, name) = place;
        let Some(resource) = self.registry.all().get(*resource) else {
            return Ok(None);
        };
        let kept = self.read(resource, namespace, name)?;
        Ok(kept.map(|kept| (Arc::clone(resource), kept)))
    }

    /// Does what there is to do about one object.
    async fn collect(&self, graph: &Graph, place: &Place) -> Result<(), ApiError> {
        let Some((resource, kept)) = self.kept_at(place)? else {
            return Ok(());
        };
        let finalizers = object::finalizers(&kept.object);
        let has = |wanted: &str| finalizers.iter().any(|finalizer| finalizer == wanted);
        if object::is_terminating(&kept.object) {
            let uid = object::uid(&kept.object);
            if has(ORPHAN) {
                for dependent in graph.of(uid) {
                    self.disown(&dependent, &[uid.to_owned()]).await?;
                }
                return self.release(&resource, &kept, ORPHAN).await;
            }
            if has(FOREGROUND) {
                let mut blocked = false;
                for dependent in graph.of(uid) {
                    blocked |= self.delete_dependent(&dependent, uid).await?;
                }
                if !blocked {
                    return self.release(&resource, &kept, FOREGROUND).await;
                }
            }
            return Ok(());
        }
        let (gone, there): (Vec<&Value>, Vec<&Value>) = owners(&kept.object)
            .partition(|owner| self.is_gone(owner, object::namespace(&kept.object)));
        if gone.is_empty() {
            return Ok(());
        }
        if there.is_empty() {
            let propagation = match (has(ORPHAN), has(FOREGROUND)) {
                (true, _) => Propagation::Orphan,
                (_, true) => Propagation::Foreground,
                _ => Propagation::Background,
            };
            return self.delete_kept(&resource, &kept, propagation).await;
        }
        let gone: Vec<String> = gone
            .iter()
            .filter_map(|owner| owner.get("uid")?.as_str().map(str::to_owned))
            .collect();
        self.disown(place, &gone).await
    }

    /// Whether the store has no object that an owner reference names.
    fn is_gone(&self, owner: &Value, namespace: &str) -> bool {
        let text = |field: &str| owner.get(field).and_then(Value::as_str).unwrap_or_default();
        let api_version = text("apiVersion");
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let of_kind = |resource: &&Arc<Resource>| {
            resource.group == group
                && resource.kind == text("kind")
                && !resource.storage_prefix.is_empty()
        };
        let Some(resource) = self.registry.all().iter().find(of_kind) else {
            // Nobody knows such a kind here: it may be there all the same.
            return false;
        };
        if resource.namespaced && namespace.is_empty() {
            // What has no namespace cannot be owned by what has one; upstream leaves it alone too.
            return false;
        }
        match self.read(resource, namespace, text("name")) {
            Ok(Some(found)) => object::uid(&found.object) != text("uid"),
            Ok(None) => true,
            Err(_) => false,
        }
    }

    /// Deletes a dependent of an owner that waits for it; whether the owner has to go on waiting.
    async fn delete_dependent(&self, place: &Place, owner: &str) -> Result<bool, ApiError> {
        let Some((resource, kept)) = self.kept_at(place)? else {
            return Ok(false);
        };
        let reference = owners(&kept.object)
            .find(|reference| reference.get("uid").and_then(Value::as_str) == Some(owner));
        let Some(reference) = reference else {
            return Ok(false);
        };
        let blocks = reference.get("blockOwnerDeletion").and_then(Value::as_bool) == Some(true);
        if !object::is_terminating(&kept.object) {
            let propagation = match blocks {
                true => Propagation::Foreground,
                false => Propagation::Background,
            };
            self.delete_kept(&resource, &kept, propagation).await?;
        }
        Ok(blocks && self.kept_at(place)?.is_some())
    }

    async fn delete_kept(
        &self,
        resource: &Resource,
        kept: &Kept,
        propagation: Propagation,
    ) -> Result<(), ApiError> {
        let (namespace, name) = (object::namespace(&kept.object), object::name(&kept.object));
        let (group, version) = (&resource.group, &resource.version);
        let call = self.own_call("delete", group, version, &resource.plural, namespace, name)?;
        let options = DeleteOptions {
            propagation: Some(propagation),
            uid: Some(object::uid(&kept.object).to_owned()),
            ..DeleteOptions::default()
        };
        match self.delete_object(&call, namespace, name, &options).await {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.code, 404 | 409) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes owners that are no more out of an object.
    async fn disown(&self, place: &Place, uids: &[String]) -> Result<(), ApiError> {
        let Some((resource, kept)) = self.kept_at(place)? else {
            return Ok(());
        };
        let mut next = kept.object.clone();
        let metadata = object::metadata_mut(&mut next);
        if let Some(Value::Array(list)) = metadata.get_mut("ownerReferences") {
            list.retain(|owner| {
                let uid = owner.get("uid").and_then(Value::as_str).unwrap_or_default();
                !uids.iter().any(|gone| gone == uid)
            });
            if list.is_empty() {
                metadata.remove("ownerReferences");
            }
        }
        self.rewrite(&resource, &kept, next).await
    }

    /// Takes a finalizer off an object.
    async fn release(
        &self,
        resource: &Resource,
        kept: &Kept,
        finalizer: &str,
    ) -> Result<(), ApiError> {
        let mut next = kept.object.clone();
        let mut finalizers = object::finalizers(&next);
        finalizers.retain(|held| held != finalizer);
        object::set_finalizers(&mut next, finalizers);
        self.rewrite(resource, kept, next).await
    }

    /// Where the object has changed meanwhile, that change brings us back to it.
    async fn rewrite(&self, resource: &Resource, kept: &Kept, next: Value) -> Result<(), ApiError> {
        let (namespace, name) = (object::namespace(&kept.object), object::name(&kept.object));
        let (group, version) = (&resource.group, &resource.version);
        let call = self.own_call("update", group, version, &resource.plural, namespace, name)?;
        match self.replace(&call, kept, next, &own_options()).await {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.code, 404 | 409 | 422) => {
                tracing::debug!(%error, name, "an owner cannot be changed");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}
