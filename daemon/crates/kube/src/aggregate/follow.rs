//! Follows the APIServices in this member's store.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::{GROUP, PLURAL};
use crate::engine::{self, Engine};
use crate::error::ApiError;
use crate::object;
use crate::registry;

/// After something could not be read.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

pub(super) async fn run(engine: &Engine) {
    loop {
        if let Err(error) = follow(engine).await {
            tracing::warn!(%error, "APIServices are read anew");
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

async fn follow(engine: &Engine) -> Result<(), ApiError> {
    let found = engine.registry.find(GROUP, "v1", PLURAL);
    let resource = Arc::clone(found.ok_or_else(ApiError::no_such_path)?);
    let keys = registry::keys(&resource, "");
    let mut listing = engine.storage.list(keys.clone(), 0)?;
    let mut seen = HashSet::new();
    loop {
        let chunk = listing.next_chunk()?;
        if chunk.is_empty() {
            break;
        }
        for stored in chunk {
            let object = engine::present(&resource, &stored)?;
            seen.insert(object::name(&object).to_owned());
            engine.extensions.put(&object);
        }
    }
    engine.extensions.clear(|name| seen.contains(name));
    let mut cursor = engine.storage.watch(keys, listing.revision() + 1)?;
    drop(listing);
    loop {
        for change in cursor.next().await? {
            match &change.now {
                Some(stored) => engine.extensions.put(&engine::present(&resource, stored)?),
                None => {
                    let key = String::from_utf8_lossy(&change.key);
                    let name = key.rsplit('/').next().unwrap_or_default();
                    engine.extensions.remove(name);
                }
            }
        }
    }
}
