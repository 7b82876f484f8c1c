//! Empties namespaces that are to go, and lets them go.
//!
//! Invariant: a namespace goes only when nothing is left in it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::remaining::Remaining;
use super::{RETRY_INTERVAL, own_options};
use crate::engine::{self, Engine, Kept};
use crate::error::ApiError;
use crate::object;
use crate::options::{DeleteOptions, Propagation};
use crate::registry::{self, Resource};
use crate::time;
use crate::verbs::delete::Deleted;

/// What the server itself holds a namespace by.
const FINALIZER: &str = "kubernetes";
/// Between two tries to empty a namespace whose objects have finalizers of their own.
const WAIT: Duration = Duration::from_secs(2);

pub(super) async fn run(engine: &Engine) {
    loop {
        if let Err(error) = follow(engine).await {
            tracing::warn!(%error, "namespaces are looked at anew");
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

async fn follow(engine: &Engine) -> Result<(), ApiError> {
    let found = engine.registry.find("", "v1", "namespaces");
    let namespaces = Arc::clone(found.ok_or_else(ApiError::no_such_path)?);
    let mut listing = engine.storage.list(registry::keys(&namespaces, ""), 0)?;
    let mut waiting = BTreeSet::new();
    loop {
        let chunk = listing.next_chunk()?;
        if chunk.is_empty() {
            break;
        }
        for stored in chunk {
            let namespace = engine::present(&namespaces, &stored)?;
            if object::is_terminating(&namespace) {
                waiting.insert(object::name(&namespace).to_owned());
            }
        }
    }
    let from = listing.revision() + 1;
    drop(listing);
    let mut cursor = engine
        .storage
        .watch(registry::keys(&namespaces, ""), from)?;
    loop {
        for name in std::mem::take(&mut waiting) {
            match engine.empty_namespace(&namespaces, &name).await {
                Ok(true) => {}
                Ok(false) => _ = waiting.insert(name),
                // The others do not wait for what somebody has against this one.
                Err(error) if error.by_others => {
                    tracing::warn!(%error, name, "a namespace cannot be let go");
                    waiting.insert(name);
                }
                Err(error) => return Err(error),
            }
        }
        let changes = match waiting.is_empty() {
            true => cursor.next().await?,
            false => tokio::select! {
                changes = cursor.next() => changes?,
                () = tokio::time::sleep(WAIT) => Vec::new(),
            },
        };
        for stored in changes.into_iter().filter_map(|change| change.now) {
            let namespace = engine::present(&namespaces, &stored)?;
            if object::is_terminating(&namespace) {
                waiting.insert(object::name(&namespace).to_owned());
            }
        }
    }
}

impl Engine {
    /// Deletes what is in a namespace, and lets it go once nothing is left; false where something
    /// is.
    async fn empty_namespace(
        &self,
        namespaces: &Arc<Resource>,
        name: &str,
    ) -> Result<bool, ApiError> {
        let Some(live) = self.read(namespaces, "", name)? else {
            return Ok(true);
        };
        let held = live
            .object
            .pointer("/spec/finalizers")
            .and_then(Value::as_array);
        let held = held.is_some_and(|all| all.iter().any(|finalizer| finalizer == FINALIZER));
        if !object::is_terminating(&live.object) || !held {
            return Ok(true);
        }
        let remaining = self.delete_content(name, &live.object).await?;
        let stays = !remaining.is_none() || is_held_by_others(&live.object);
        let live = match stays {
            true => self.tell_remaining(live, &remaining).await?,
            false => Some(live),
        };
        let Some(live) = live.filter(|_| remaining.is_none()) else {
            return Ok(false);
        };
        let call = self.own_call("update", "", "v1", "namespaces", "", name)?;
        let mut call = call;
        call.info.subresource = "finalize".into();
        let mut next = live.object.clone();
        let finalizers = next
            .pointer_mut("/spec/finalizers")
            .and_then(Value::as_array_mut);
        if let Some(finalizers) = finalizers {
            finalizers.retain(|finalizer| finalizer != FINALIZER);
            if finalizers.is_empty() {
                next["spec"] = json!({});
            }
        }
        let done = self.replace(&call, &live, next, &own_options()).await?;
        Ok(done.is_some())
    }

    /// Deletes what is in a namespace: Pods before all else, for these use it; what is left.
    async fn delete_content(&self, name: &str, namespace: &Value) -> Result<Remaining, ApiError> {
        let mut remaining = Remaining::default();
        let mut seen = BTreeSet::new();
        let mut resources = self.registry.kept();
        let is_pods = |resource: &Resource| resource.group.is_empty() && resource.plural == "pods";
        resources.sort_by_key(|resource| !is_pods(resource));
        for resource in resources {
            let kept = resource.namespaced && resource.takes("delete");
            if !kept || !seen.insert(resource.storage_prefix.clone()) {
                continue;
            }
            self.delete_all(&resource, name, namespace, &mut remaining)
                .await?;
            if is_pods(&resource) && !remaining.is_none() {
                break;
            }
        }
        Ok(remaining)
    }

    /// Has a namespace say what is left in it; none where it has changed meanwhile.
    async fn tell_remaining(
        &self,
        live: Kept,
        remaining: &Remaining,
    ) -> Result<Option<Kept>, ApiError> {
        let old = live.object.pointer("/status/conditions");
        let old = old.and_then(Value::as_array).cloned().unwrap_or_default();
        let now = time::rfc3339(time::now());
        let Some(conditions) = remaining.conditions(&old, &now) else {
            return Ok(Some(live));
        };
        let name = object::name(&live.object);
        let mut call = self.own_call("update", "", "v1", "namespaces", "", name)?;
        call.info.subresource = "status".into();
        let mut next = live.object.clone();
        object::fields_of(&mut next, "status").insert("conditions".into(), conditions.into());
        let told = self.replace(&call, &live, next, &own_options()).await?;
        match told {
            Some(_) => self.read(&call.resource, "", name),
            None => Ok(None),
        }
    }

    /// Deletes all objects of a resource in a namespace.
    async fn delete_all(
        &self,
        resource: &Arc<Resource>,
        name: &str,
        namespace: &Value,
        remaining: &mut Remaining,
    ) -> Result<(), ApiError> {
        let keys = registry::keys(resource, name);
        if self.storage.count(&keys, 0)? == 0 {
            return Ok(());
        }
        let (group, version) = (&resource.group, &resource.version);
        let call = self.own_call("delete", group, version, &resource.plural, name, "")?;
        let options = DeleteOptions {
            propagation: Some(Propagation::Background),
            ..DeleteOptions::default()
        };
        let (mut grace_seconds, mut held) = (0, false);
        let mut listing = self.storage.list(keys.clone(), 0)?;
        loop {
            let chunk = listing.next_chunk()?;
            if chunk.is_empty() {
                break;
            }
            for stored in chunk {
                let object = engine::present(resource, &stored)?;
                let deleted = self.delete_object(&call, name, object::name(&object), &options);
                match deleted.await {
                    Ok(Deleted::Gone(_)) => {}
                    Ok(Deleted::Marked(object)) => {
                        let grace = object::metadata(&object).get("deletionGracePeriodSeconds");
                        grace_seconds =
                            grace_seconds.max(grace.and_then(Value::as_i64).unwrap_or(0));
                        for finalizer in object::finalizers(&object) {
                            held = true;
                            *remaining.finalizers.entry(finalizer).or_default() += 1;
                        }
                    }
                    Err(error) if matches!(error.code, 404 | 409) && !error.by_others => {}
                    Err(error) if error.code < 500 || error.by_others => {
                        remaining.failures.push(error.message);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        let left = self.storage.count(&keys, 0)?;
        if left == 0 {
            return Ok(());
        }
        let what = format!("{}.{group}", resource.plural);
        remaining.resources.insert(what, left);
        if !held && is_overdue(namespace, grace_seconds) {
            remaining.failures.push(format!(
                "unexpected items still remain in namespace: {name} for gvr: {group}/{version}, Resource={}",
                resource.plural
            ));
        }
        Ok(())
    }
}

/// Whether somebody else's finalizer keeps a namespace that is empty.
fn is_held_by_others(namespace: &Value) -> bool {
    let held = namespace
        .pointer("/spec/finalizers")
        .and_then(Value::as_array);
    let mut held = held.into_iter().flatten();
    held.any(|finalizer| finalizer != FINALIZER) || !object::finalizers(namespace).is_empty()
}

/// Whether what has so much time to end should have ended, counted from the namespace's deletion.
fn is_overdue(namespace: &Value, grace_seconds: i64) -> bool {
    let since = time::now().checked_sub(Duration::from_secs(
        u64::try_from(grace_seconds).unwrap_or(0),
    ));
    since.is_some_and(|since| {
        // RFC 3339 in UTC: the order of texts is that of instants.
        time::rfc3339(since).as_str() > object::text(namespace, "deletionTimestamp")
    })
}
