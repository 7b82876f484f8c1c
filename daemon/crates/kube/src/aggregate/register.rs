//! Keeps an APIService for each version that this server answers for, as upstream's autoregister
//! controller does.
//!
//! Invariant: an APIService without the label of kept ones is never touched: somebody has taken it
//! over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use super::local::{self, MANAGED};
use super::{GROUP, PLURAL};
use crate::controllers::own_options;
use crate::engine::{self, Engine};
use crate::error::ApiError;
use crate::limits::FIRST_WRITES_MAX;
use crate::object;
use crate::options::DeleteOptions;
use crate::registry;

/// After something could not be done.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

pub(super) async fn run(engine: &Engine) {
    let mut settled = BTreeSet::new();
    loop {
        if let Err(error) = keep(engine, &mut settled).await {
            tracing::warn!(%error, "APIServices of this server are looked at again");
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

/// `settled`: those of built-in versions that were made or found once. Whoever deletes one of those
/// has it deleted until another server leads.
async fn keep(engine: &Engine, settled: &mut BTreeSet<String>) -> Result<(), ApiError> {
    let found = engine.registry.find(GROUP, "v1", PLURAL);
    let resource = Arc::clone(found.ok_or_else(ApiError::no_such_path)?);
    let keys = registry::keys(&resource, "");
    let mut definitions = engine.registry.customs.progress();
    // A new leader may not have read the definitions yet: their versions must not go for that.
    engine.registry.customs.wait_for(1).await;
    let mut first = true;
    loop {
        definitions.mark_unchanged();
        let from = engine.storage.view()?.revision() + 1;
        let mut cursor = engine.storage.watch(keys.clone(), from)?;
        let wanted = wanted(engine);
        let kept = kept(engine, &resource)?;
        let mut writes = Vec::new();
        for (name, (object, is_custom)) in &wanted {
            if !kept.contains_key(name) && (*is_custom || !settled.contains(name)) {
                writes.push(engine.make(GROUP, "v1", PLURAL, "", object.clone()));
            }
        }
        let mut writes = stream::iter(writes).buffer_unordered(FIRST_WRITES_MAX);
        while let Some(made) = writes.next().await {
            made?;
        }
        drop(writes);
        for (name, live) in &kept {
            let managed = object::metadata(live).get("labels");
            let managed = managed.and_then(|labels| labels.get(MANAGED)?.as_str());
            match (managed, wanted.get(name)) {
                (Some("true" | "onstart"), Some((object, is_custom)))
                    if *is_custom || !settled.contains(name) =>
                {
                    engine.restore(name, object).await?;
                }
                (Some("true"), None) => engine.forget(name).await?,
                // Of a version that servers of this one's age do not have.
                (Some("onstart"), None) if first => engine.forget(name).await?,
                _ => {}
            }
        }
        let built_in = wanted.iter().filter(|(_, (_, is_custom))| !is_custom);
        settled.extend(built_in.map(|(name, _)| name.clone()));
        first = false;
        tokio::select! {
            changes = cursor.next() => drop(changes?),
            changed = definitions.changed() => if changed.is_err() {
                return Ok(());
            },
        }
    }
}

/// One for each version that is served here, and whether it is a custom one.
fn wanted(engine: &Engine) -> BTreeMap<String, (Value, bool)> {
    let mut wanted = BTreeMap::new();
    for resource in engine.registry.all() {
        let (group, version) = (&resource.group, &resource.version);
        let name = local::name(group, version);
        if wanted.contains_key(&name) {
            continue;
        }
        let is_custom = resource.custom.is_some();
        if let Some(object) = local::service(group, version, is_custom) {
            wanted.insert(name, (object, is_custom));
        }
    }
    wanted
}

fn kept(
    engine: &Engine,
    resource: &registry::Resource,
) -> Result<BTreeMap<String, Value>, ApiError> {
    let mut listing = engine.storage.list(registry::keys(resource, ""), 0)?;
    let mut kept = BTreeMap::new();
    loop {
        let chunk = listing.next_chunk()?;
        if chunk.is_empty() {
            return Ok(kept);
        }
        for stored in chunk {
            let mut object = engine::present(resource, &stored)?;
            // Bundles of certificates are of no interest here.
            if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
                spec.remove("caBundle");
            }
            kept.insert(object::name(&object).to_owned(), object);
        }
    }
}

impl Engine {
    /// Gives an APIService the spec that it should have.
    async fn restore(&self, name: &str, wanted: &Value) -> Result<(), ApiError> {
        let call = self.own_call("update", GROUP, "v1", PLURAL, "", name)?;
        let Some(live) = self.read(&call.resource, "", name)? else {
            return Ok(());
        };
        if live.object.get("spec") == wanted.get("spec") {
            return Ok(());
        }
        let mut next = live.object.clone();
        next["spec"] = wanted["spec"].clone();
        // Changed meanwhile: then there is another look.
        self.replace(&call, &live, next, &own_options()).await?;
        Ok(())
    }

    async fn forget(&self, name: &str) -> Result<(), ApiError> {
        let call = self.own_call("delete", GROUP, "v1", PLURAL, "", name)?;
        let options = DeleteOptions::default();
        match self.delete_object(&call, "", name, &options).await {
            Err(error) if error.code != 404 => Err(error),
            _ => Ok(()),
        }
    }
}
