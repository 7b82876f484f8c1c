//! Gives ClusterRoles that gather the rules of others those rules.

use std::sync::Arc;

use serde_json::Value;
use skerry_rbac::GROUP;
use skerry_rbac::aggregation::aggregate;

use super::{RETRY_INTERVAL, own_options};
use crate::engine::{self, Engine};
use crate::error::ApiError;
use crate::limits::REVISIT_INTERVAL;
use crate::object;
use crate::registry;

pub(super) async fn run(engine: &Engine) {
    loop {
        if let Err(error) = follow(engine).await {
            tracing::warn!(%error, "cluster roles are gathered anew");
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

async fn follow(engine: &Engine) -> Result<(), ApiError> {
    let found = engine.registry.find(GROUP, "v1", "clusterroles");
    let resource = Arc::clone(found.ok_or_else(ApiError::no_such_path)?);
    let keys = registry::keys(&resource, "");
    loop {
        let mut listing = engine.storage.list(keys.clone(), 0)?;
        let from = listing.revision() + 1;
        let mut cursor = engine.storage.watch(keys.clone(), from)?;
        let mut all: Vec<Value> = Vec::new();
        loop {
            let chunk = listing.next_chunk()?;
            if chunk.is_empty() {
                break;
            }
            for stored in chunk {
                all.push(engine::present(&resource, &stored)?);
            }
        }
        let mut is_refused = false;
        for role in &all {
            let Ok(Some(rules)) = aggregate(role, &all) else {
                continue;
            };
            let name = object::name(role);
            let call = engine.own_call("update", GROUP, "v1", "clusterroles", "", name)?;
            if let Some(live) = engine.read(&resource, "", name)? {
                let mut next = live.object.clone();
                next["rules"] = rules.into();
                // Where it has changed meanwhile, the change brings us here again.
                match engine.replace(&call, &live, next, &own_options()).await {
                    Ok(_) => {}
                    Err(error) if error.by_others => {
                        tracing::warn!(%error, name, "a cluster role cannot be written");
                        is_refused = true;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        drop(all);
        drop(listing);
        let changed = async {
            while cursor.next().await?.is_empty() {}
            Ok::<(), ApiError>(())
        };
        match is_refused {
            false => changed.await?,
            true => tokio::select! {
                changed = changed => changed?,
                () = tokio::time::sleep(REVISIT_INTERVAL) => {}
            },
        }
    }
}
