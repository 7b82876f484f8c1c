//! Schemas and levels as the store holds them.
//!
//! Invariant: what requests are judged by is at most as old as the task's last turn.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use skerry_flow::{GROUP, LEVELS, Level, SCHEMAS, Schema};

use crate::engine::{self, Engine};
use crate::error::ApiError;
use crate::registry;
use crate::storage::Cursor;

/// After something could not be read.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Follows the store for as long as the server runs.
pub(crate) async fn follow(engine: Arc<Engine>) {
    loop {
        if let Err(error) = follow_once(&engine).await {
            tracing::warn!(%error, "flow schemas and priority levels are read anew");
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

async fn follow_once(engine: &Engine) -> Result<(), ApiError> {
    loop {
        let (mut schemas, mut levels) = (Vec::new(), Vec::new());
        let mut of_schemas = read(engine, SCHEMAS, |object| {
            schemas.push(Schema::read(object));
        })?;
        let mut of_levels = read(engine, LEVELS, |object| levels.extend(Level::read(object)))?;
        engine.flow.configure(schemas, levels);
        loop {
            let changes = tokio::select! {
                changes = of_schemas.next() => changes?,
                changes = of_levels.next() => changes?,
            };
            if !changes.is_empty() {
                break;
            }
        }
    }
}

/// Reads all objects of a resource; the cursor stands behind what was read.
fn read(engine: &Engine, plural: &str, mut take: impl FnMut(&Value)) -> Result<Cursor, ApiError> {
    let resource = engine.registry.find(GROUP, "v1", plural);
    let resource = resource.ok_or_else(ApiError::no_such_path)?;
    let keys = registry::keys(resource, "");
    let mut listing = engine.storage.list(keys.clone(), 0)?;
    loop {
        let chunk = listing.next_chunk()?;
        if chunk.is_empty() {
            break;
        }
        for stored in chunk {
            take(&engine::present(resource, &stored)?);
        }
    }
    Ok(engine.storage.watch(keys, listing.revision() + 1)?)
}
