//! Tells validating policies what their expressions have wrong about the types they are about.

use serde_json::{Value, json};

use super::{RETRY_INTERVAL, own_options};
use crate::engine::{self, Engine};
use crate::error::ApiError;
use crate::object;
use crate::options::WriteOptions;
use crate::policies;
use crate::registry;

const GROUP: &str = "admissionregistration.k8s.io";
const POLICIES: &str = "validatingadmissionpolicies";
/// Who keeps the status: upstream's name.
const MANAGER: &str = "validatingadmissionpolicy-status";

pub(super) async fn run(engine: &Engine) {
    loop {
        if let Err(error) = follow(engine).await {
            tracing::warn!(%error, "admission policies are checked anew");
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

async fn follow(engine: &Engine) -> Result<(), ApiError> {
    let resource = engine.registry.find(GROUP, "v1", POLICIES);
    let resource = resource.ok_or_else(ApiError::no_such_path)?;
    let keys = registry::keys(resource, "");
    let mut listing = engine.storage.list(keys.clone(), 0)?;
    let mut cursor = engine.storage.watch(keys, listing.revision() + 1)?;
    loop {
        let chunk = listing.next_chunk()?;
        if chunk.is_empty() {
            break;
        }
        for stored in chunk {
            engine
                .tell_policy(&engine::present(resource, &stored)?)
                .await?;
        }
    }
    drop(listing);
    loop {
        for change in cursor.next().await? {
            if let Some(stored) = &change.now {
                engine
                    .tell_policy(&engine::present(resource, stored)?)
                    .await?;
            }
        }
    }
}

impl Engine {
    async fn tell_policy(&self, policy: &Value) -> Result<(), ApiError> {
        let generation = &policy["metadata"]["generation"];
        if policy["status"]["observedGeneration"] == *generation {
            return Ok(());
        }
        let name = object::name(policy);
        let mut call = self.own_call("update", GROUP, "v1", POLICIES, "", name)?;
        call.info.subresource = "status".into();
        let live = self.read(&call.resource, "", name)?;
        let Some(live) = live.filter(|live| live.object["metadata"] == policy["metadata"]) else {
            // Another change comes.
            return Ok(());
        };
        // It may be about kinds that were defined just before it.
        self.serve_stored().await?;
        let mut checking = json!({});
        let warnings = policies::warnings(&self.registry, policy);
        if !warnings.is_empty() {
            checking["expressionWarnings"] = warnings.into();
        }
        let mut next = live.object.clone();
        let status = object::fields_of(&mut next, "status");
        status.insert("observedGeneration".into(), generation.clone());
        status.insert("typeChecking".into(), checking);
        let options = WriteOptions {
            field_manager: MANAGER.into(),
            ..own_options()
        };
        self.replace(&call, &live, next, &options).await?;
        Ok(())
    }
}
