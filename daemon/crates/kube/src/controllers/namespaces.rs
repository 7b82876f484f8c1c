//! Empties namespaces that are to go, and lets them go.
//!
//! Invariant: a namespace goes only when nothing is left in it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use skerry_schema::Resource;

use super::{RETRY_INTERVAL, own_options};
use crate::engine::{self, Engine};
use crate::error::ApiError;
use crate::object;
use crate::options::{DeleteOptions, Propagation};
use crate::registry;

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
            if !engine.empty_namespace(&namespaces, &name).await? {
                waiting.insert(name);
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
        let mut seen = BTreeSet::new();
        let mut left = 0;
        let resources: Vec<Arc<Resource>> = self.registry.all().to_vec();
        for resource in resources {
            let kept = resource.namespaced && resource.takes("delete");
            if kept && seen.insert(resource.storage_prefix.clone()) {
                left += self.delete_all(&resource, name).await?;
            }
        }
        if left > 0 {
            return Ok(false);
        }
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

    /// Deletes all objects of a resource in a namespace; how many are left.
    async fn delete_all(&self, resource: &Arc<Resource>, namespace: &str) -> Result<i64, ApiError> {
        let keys = registry::keys(resource, namespace);
        if self.storage.count(&keys, 0)? == 0 {
            return Ok(0);
        }
        let (group, version) = (&resource.group, &resource.version);
        let call = self.own_call("delete", group, version, &resource.plural, namespace, "")?;
        let options = DeleteOptions {
            propagation: Some(Propagation::Background),
            ..DeleteOptions::default()
        };
        let mut listing = self.storage.list(keys.clone(), 0)?;
        loop {
            let chunk = listing.next_chunk()?;
            if chunk.is_empty() {
                break;
            }
            for stored in chunk {
                let object = engine::present(resource, &stored)?;
                let name = object::name(&object);
                match self.delete_object(&call, namespace, name, &options).await {
                    Ok(_) => {}
                    Err(error) if matches!(error.code, 404 | 409) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(self.storage.count(&keys, 0)?)
    }
}
