//! Deletes what nobody owns any more, and sees to it that owners wait or let go as they were asked.
//!
//! Keeps one line for each object that has owners, and nothing of the others. Invariant: an object
//! is deleted only after the store itself has said that none of its owners is there.

pub(super) mod graph;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use self::graph::{Graph, Place, Prefixes, note, owners, waiting};
use super::warnings::Warning;
use super::{RETRY_INTERVAL, own_options};
use crate::decode;
use crate::engine::{Engine, Kept};
use crate::error::ApiError;
use crate::limits::{CLEANING_INTERVAL, CONFLICT_RETRIES_MAX, REVISIT_INTERVAL};
use crate::object;
use crate::options::{DeleteOptions, Propagation};
use crate::registry::Resource;
use crate::storage;
use crate::verbs::delete::{FOREGROUND, ORPHAN};

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
    // What somebody would not have done, and when it is tried again.
    let mut refused = BTreeSet::new();
    let mut again_at = Instant::now() + CLEANING_INTERVAL;
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
            match engine.collect(&mut graph, &place).await {
                // Others do not wait for what somebody has against this one.
                Err(error) if error.by_others => {
                    tracing::warn!(%error, name = place.2, "an object stays that nobody owns");
                    again_at = again_at.min(Instant::now() + REVISIT_INTERVAL);
                    refused.insert(place);
                }
                done => done?,
            }
        }
        if refused.is_empty() {
            again_at = Instant::now() + CLEANING_INTERVAL;
        }
        let changes = tokio::select! {
            changes = cursor.next() => changes?,
            () = sleep_until(again_at) => {
                work.extend(std::mem::take(&mut refused));
                again_at = Instant::now() + CLEANING_INTERVAL;
                continue;
            }
        };
        for change in changes {
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

impl Engine {
    fn kept_at(&self, place: &Place) -> Result<Option<(Arc<Resource>, Kept)>, ApiError> {
        let (prefix, namespace, name) = place;
        let Some(resource) = self.registry.at_prefix(prefix) else {
            return Ok(None);
        };
        let kept = self.read(&resource, namespace, name)?;
        Ok(kept.map(|kept| (resource, kept)))
    }

    /// Does what there is to do about one object.
    async fn collect(&self, graph: &mut Graph, place: &Place) -> Result<(), ApiError> {
        let Some((resource, kept)) = self.kept_at(place)? else {
            return Ok(());
        };
        if !object::is_terminating(&kept.object) {
            return self.judge(graph, place, &resource, &kept).await;
        }
        let uid = object::uid(&kept.object);
        if has_finalizer(&kept.object, ORPHAN) {
            // It lets go only of what is free of it: whatever still named it would be deleted.
            for dependent in graph.of(uid) {
                if !self.disown(&dependent, &[uid.to_owned()]).await? {
                    return Ok(());
                }
            }
            return self.release(&resource, &kept, ORPHAN).await;
        }
        if has_finalizer(&kept.object, FOREGROUND) {
            let mut blocked = false;
            for dependent in graph.of(uid) {
                blocked |= self.settle_dependent(graph, &dependent, uid).await?;
            }
            if !blocked {
                return self.release(&resource, &kept, FOREGROUND).await;
            }
        }
        Ok(())
    }

    /// Deletes an object that has owners of which none is there to stay, and takes those off that
    /// are not where others are.
    async fn judge(
        &self,
        graph: &mut Graph,
        place: &Place,
        resource: &Resource,
        kept: &Kept,
    ) -> Result<(), ApiError> {
        let namespace = object::namespace(&kept.object);
        let (mut solid, mut waiting, mut others) = (false, false, Vec::new());
        for owner in owners(&kept.object) {
            let uid = owner.get("uid").and_then(Value::as_str).unwrap_or_default();
            match self.standing(owner, namespace) {
                Standing::Solid => solid = true,
                Standing::Gone => others.push(uid.to_owned()),
                Standing::Waiting => {
                    waiting = true;
                    others.push(uid.to_owned());
                }
                // Nobody can say whether it is there: the object is left as it is.
                Standing::Misplaced => {
                    if graph.told.insert((place.clone(), uid.to_owned())) {
                        self.tell_misplaced(resource, &kept.object, owner).await?;
                    }
                    return Ok(());
                }
            }
        }
        if others.is_empty() {
            return Ok(());
        }
        if solid {
            return self.disown(place, &others).await.map(drop);
        }
        let dependents = graph.of(object::uid(&kept.object));
        let propagation = match () {
            () if waiting && !dependents.is_empty() => Propagation::Foreground,
            () if has_finalizer(&kept.object, ORPHAN) => Propagation::Orphan,
            () if has_finalizer(&kept.object, FOREGROUND) => Propagation::Foreground,
            () => Propagation::Background,
        };
        // Objects that own each other in a circle would wait for each other for ever.
        let in_circle = dependents.iter().any(|one| graph.waiting.contains_key(one));
        if waiting && in_circle && self.unblock(resource, kept).await? {
            // The change of the object brings us back to it.
            return Ok(());
        }
        self.delete_kept(resource, kept, propagation).await
    }

    /// Settles a dependent of an owner that waits for it; whether the owner has to go on waiting.
    async fn settle_dependent(
        &self,
        graph: &mut Graph,
        place: &Place,
        owner: &str,
    ) -> Result<bool, ApiError> {
        let Some((resource, kept)) = self.kept_at(place)? else {
            return Ok(false);
        };
        if !object::is_terminating(&kept.object) {
            self.judge(graph, place, &resource, &kept).await?;
        }
        let Some((_, kept)) = self.kept_at(place)? else {
            return Ok(false);
        };
        let blocks = owners(&kept.object).any(|reference| {
            let of_owner = reference.get("uid").and_then(Value::as_str) == Some(owner);
            of_owner && reference.get("blockOwnerDeletion") == Some(&Value::Bool(true))
        });
        Ok(blocks)
    }

    /// How an owner that a reference names stands.
    fn standing(&self, owner: &Value, namespace: &str) -> Standing {
        let text = |field: &str| owner.get(field).and_then(Value::as_str).unwrap_or_default();
        let api_version = text("apiVersion");
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let of_kind = |resource: &&Arc<Resource>| {
            resource.group == group
                && resource.kind == text("kind")
                && !resource.storage_prefix.is_empty()
        };
        let kinds = self.registry.kinds();
        let Some(resource) = kinds.iter().find(of_kind) else {
            // Nobody knows such a kind here: it may be there all the same.
            return Standing::Solid;
        };
        if resource.namespaced && namespace.is_empty() {
            return Standing::Misplaced;
        }
        match self.read(resource, namespace, text("name")) {
            Ok(Some(found)) if object::uid(&found.object) != text("uid") => Standing::Gone,
            Ok(Some(found))
                if object::is_terminating(&found.object)
                    && has_finalizer(&found.object, FOREGROUND) =>
            {
                Standing::Waiting
            }
            Ok(Some(_)) | Err(_) => Standing::Solid,
            Ok(None) => Standing::Gone,
        }
    }

    /// Has none of an object's owners wait for it; false where none does.
    async fn unblock(&self, resource: &Resource, kept: &Kept) -> Result<bool, ApiError> {
        let mut next = kept.object.clone();
        let references = object::metadata_mut(&mut next).get_mut("ownerReferences");
        let references = references.and_then(Value::as_array_mut);
        for reference in references.into_iter().flatten() {
            if reference.get("blockOwnerDeletion") == Some(&Value::Bool(true)) {
                reference["blockOwnerDeletion"] = false.into();
            }
        }
        if next == kept.object {
            return Ok(false);
        }
        match self.rewrite(resource, kept, next).await {
            Err(error) if error.code == 422 && !error.by_others => Ok(false),
            done => done.map(|_| true),
        }
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
            // Somebody may have taken it over meanwhile: that change brings us back to it.
            resource_version: Some(object::text(&kept.object, "resourceVersion").to_owned()),
            ..DeleteOptions::default()
        };
        match self.delete_object(&call, namespace, name, &options).await {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.code, 404 | 409) && !error.by_others => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes owners out of an object. False where that could not be done: the object's next change
    /// brings us back to it.
    async fn disown(&self, place: &Place, uids: &[String]) -> Result<bool, ApiError> {
        for _ in 0..CONFLICT_RETRIES_MAX {
            let Some((resource, kept)) = self.kept_at(place)? else {
                return Ok(true);
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
            match self.rewrite(&resource, &kept, next).await {
                Ok(false) => {}
                Ok(true) => return Ok(true),
                Err(error) if error.code == 422 && !error.by_others => {
                    tracing::warn!(%error, name = object::name(&kept.object), "it keeps its owners");
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(false)
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
        match self.rewrite(resource, kept, next).await {
            Err(error) if error.code == 422 && !error.by_others => {
                tracing::warn!(%error, finalizer, "a finalizer cannot be taken off");
                Ok(())
            }
            done => done.map(drop),
        }
    }

    /// False where the object has changed meanwhile; that change brings us back to it.
    async fn rewrite(
        &self,
        resource: &Resource,
        kept: &Kept,
        next: Value,
    ) -> Result<bool, ApiError> {
        let (namespace, name) = (object::namespace(&kept.object), object::name(&kept.object));
        let (group, version) = (&resource.group, &resource.version);
        let call = self.own_call("update", group, version, &resource.plural, namespace, name)?;
        match self.replace(&call, kept, next, &own_options()).await {
            Ok(written) => Ok(written.is_some()),
            Err(error) if error.code == 404 && !error.by_others => Ok(true),
            Err(error) if error.code == 409 && !error.by_others => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Says of an object without namespace that its owner has one.
    async fn tell_misplaced(
        &self,
        resource: &Resource,
        object: &Value,
        owner: &Value,
    ) -> Result<(), ApiError> {
        let text = |field: &str| owner.get(field).and_then(Value::as_str).unwrap_or_default();
        let namespace = object::namespace(object);
        let message = format!(
            "ownerRef [{}/{}, namespace: {namespace}, name: {}, uid: {}] does not exist in namespace {namespace:?}",
            text("apiVersion"),
            text("kind"),
            text("name"),
            text("uid"),
        );
        let warning = Warning {
            component: "garbage-collector-controller",
            reason: "OwnerRefInvalidNamespace",
            message,
        };
        self.warn_of(resource, object, warning).await
    }
}

/// How an owner stands.
enum Standing {
    /// It is there, and does not wait for its dependents to go.
    Solid,
    /// It waits for its dependents to go.
    Waiting,
    Gone,
    /// It has a namespace, and its dependent has none.
    Misplaced,
}

fn has_finalizer(object: &Value, wanted: &str) -> bool {
    let mut finalizers = object::finalizers(object).into_iter();
    finalizers.any(|finalizer| finalizer == wanted)
}
