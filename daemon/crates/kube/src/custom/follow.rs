//! Follows the definitions in this member's store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Entry, GROUP, PLURAL, Shelf};
use crate::engine::{self, Engine};
use crate::error::ApiError;
use crate::object;
use crate::registry::{self, Resource};
use crate::storage::Cursor;

/// After something could not be read.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Runs for as long as the server does.
pub(crate) async fn run(engine: Arc<Engine>) {
    let shelf = Shelf::new(engine.storage.clone());
    loop {
        if let Err(error) = follow(&engine, &shelf).await {
            tracing::warn!(%error, "definitions of custom resources are read anew");
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

async fn follow(engine: &Engine, shelf: &Arc<Shelf>) -> Result<(), ApiError> {
    let found = engine.registry.find(GROUP, "v1", PLURAL);
    let resource = Arc::clone(found.ok_or_else(ApiError::no_such_path)?);
    let mut cursor = load(engine, &resource, shelf)?;
    loop {
        for change in cursor.next().await? {
            let name = String::from_utf8_lossy(&change.key);
            let name = name.rsplit('/').next().unwrap_or_default().to_owned();
            let customs = &engine.registry.customs;
            match &change.now {
                Some(stored) => {
                    let object = engine::present(&resource, stored)?;
                    customs.change(|entries| {
                        let before = entries.get(&name);
                        let entry = Entry::of(&object, stored.revision, shelf, before);
                        entries.insert(name, entry);
                    });
                }
                None => customs.change(|entries| _ = entries.remove(&name)),
            }
        }
        let seen = cursor.progress();
        engine.registry.customs.seen.send_replace(seen);
    }
}

/// Reads all definitions; the cursor stands behind what was read.
fn load(engine: &Engine, resource: &Resource, shelf: &Arc<Shelf>) -> Result<Cursor, ApiError> {
    let keys = registry::keys(resource, "");
    let mut listing = engine.storage.list(keys.clone(), 0)?;
    let before = engine.registry.customs.entries();
    let mut entries = BTreeMap::new();
    loop {
        let chunk = listing.next_chunk()?;
        if chunk.is_empty() {
            break;
        }
        // One whole definition in memory at a time.
        for stored in chunk {
            let object = engine::present(resource, &stored)?;
            let name = object::name(&object).to_owned();
            let entry = Entry::of(&object, stored.revision, shelf, before.get(&name));
            entries.insert(name, entry);
        }
    }
    let revision = listing.revision();
    let cursor = engine.storage.watch(keys, revision + 1)?;
    let customs = &engine.registry.customs;
    customs.change(|known| *known = entries);
    customs.seen.send_replace(revision.max(1));
    Ok(cursor)
}
