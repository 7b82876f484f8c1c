//! Deletes bootstrap tokens when they expire.
//!
//! Invariant: a Secret is deleted only as it was read: one that lives longer now stays.

use std::time::Duration;

use super::RETRY_INTERVAL;
use crate::bootstrap_tokens::{NAME_PREFIX, NAMESPACE, SECRET_TYPE, expiration_ms};
use crate::engine::{self, Engine};
use crate::error::ApiError;
use crate::limits::{CLEANING_INTERVAL, REVISIT_INTERVAL};
use crate::object;
use crate::options::DeleteOptions;
use crate::registry;
use crate::storage;
use crate::time;

pub(super) async fn run(engine: &Engine) {
    loop {
        if let Err(error) = follow(engine).await {
            tracing::warn!(%error, "bootstrap tokens are looked at anew");
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

async fn follow(engine: &Engine) -> Result<(), ApiError> {
    let secrets = engine.registry.find("", "v1", "secrets");
    let secrets = secrets.ok_or_else(ApiError::no_such_path)?;
    let tokens = storage::below(&registry::key(secrets, NAMESPACE, NAME_PREFIX));
    let from = engine.storage.list(tokens.clone(), 0)?.revision() + 1;
    let mut changed = engine.storage.watch(tokens.clone(), from)?;
    loop {
        // They are few: each change is a reason to look at all of them.
        let mut listing = engine.storage.list(tokens.clone(), 0)?;
        let mut next_ms = i64::MAX;
        loop {
            let chunk = listing.next_chunk()?;
            if chunk.is_empty() {
                break;
            }
            for stored in chunk {
                let object = engine::kept(secrets, stored)?.object;
                let is_token = object.get("type").is_some_and(|kind| kind == SECRET_TYPE);
                match expiration_ms(&object).filter(|_| is_token) {
                    Some(end) if end <= now_ms() => match engine.delete_token(&object).await {
                        Err(error) if error.by_others => {
                            tracing::warn!(%error, "a bootstrap token cannot be deleted");
                            let again = i64::try_from(REVISIT_INTERVAL.as_millis());
                            next_ms = next_ms.min(now_ms() + again.unwrap_or(0));
                        }
                        done => done?,
                    },
                    Some(end) => next_ms = next_ms.min(end),
                    None => {}
                }
            }
        }
        drop(listing);
        let left = u64::try_from(next_ms.saturating_sub(now_ms())).unwrap_or(0);
        // The system's clock may be set meanwhile: not longer than this at once.
        let left = Duration::from_millis(left).min(CLEANING_INTERVAL);
        tokio::select! {
            changes = changed.next() => drop(changes?),
            () = tokio::time::sleep(left) => {}
        }
    }
}

fn now_ms() -> i64 {
    i64::try_from(time::now().as_millis()).unwrap_or(i64::MAX)
}

impl Engine {
    async fn delete_token(&self, secret: &serde_json::Value) -> Result<(), ApiError> {
        let name = object::name(secret);
        let call = self.own_call("delete", "", "v1", "secrets", NAMESPACE, name)?;
        let options = DeleteOptions {
            uid: Some(object::uid(secret).to_owned()),
            resource_version: Some(object::text(secret, "resourceVersion").to_owned()),
            ..DeleteOptions::default()
        };
        match self.delete_object(&call, NAMESPACE, name, &options).await {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.code, 404 | 409) && !error.by_others => Ok(()),
            Err(error) => Err(error),
        }
    }
}
