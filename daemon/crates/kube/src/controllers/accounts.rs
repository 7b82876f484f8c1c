//! Gives every namespace its default ServiceAccount, and the authority that the API is verified
//! with.
//!
//! Invariant: what somebody has changed is left as it is, but for the authority.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::RETRY_INTERVAL;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::limits::{CLEANING_INTERVAL, REVISIT_INTERVAL};
use crate::object;
use crate::registry::{self, Resource};
use crate::storage::Change;

const ACCOUNT: &str = "default";
const AUTHORITY: &str = "kube-root-ca.crt";
const AUTHORITY_NOTE: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

pub(super) async fn run(engine: &Engine) {
    loop {
        if let Err(error) = follow(engine).await {
            tracing::warn!(%error, "service accounts are looked at anew");
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

async fn follow(engine: &Engine) -> Result<(), ApiError> {
    let find = |plural: &str| {
        let found = engine.registry.find("", "v1", plural);
        found.cloned().ok_or_else(ApiError::no_such_path)
    };
    let (namespaces, accounts, maps) = (
        find("namespaces")?,
        find("serviceaccounts")?,
        find("configmaps")?,
    );
    let mut listing = engine.storage.list(registry::keys(&namespaces, ""), 0)?;
    let from = listing.revision() + 1;
    let watch = |resource: &Arc<Resource>| engine.storage.watch(registry::keys(resource, ""), from);
    let mut of_namespaces = watch(&namespaces)?;
    let mut of_accounts = watch(&accounts)?;
    let mut of_maps = watch(&maps)?;
    let (mut due, mut refused) = (BTreeSet::new(), BTreeSet::new());
    let mut again_at = Instant::now() + CLEANING_INTERVAL;
    loop {
        let chunk = listing.next_chunk()?;
        if chunk.is_empty() {
            break;
        }
        due.extend(chunk.iter().filter_map(|stored| last_part(&stored.key)));
    }
    drop(listing);
    loop {
        for name in std::mem::take(&mut due) {
            let live = engine.read(&namespaces, "", &name)?;
            if live.is_none_or(|live| object::is_terminating(&live.object)) {
                continue;
            }
            match engine.furnish(&name).await {
                // The other namespaces do not wait for it.
                Err(error) if error.by_others => {
                    tracing::warn!(%error, name, "a namespace has no account yet");
                    again_at = again_at.min(Instant::now() + REVISIT_INTERVAL);
                    refused.insert(name);
                }
                done => done?,
            }
        }
        if refused.is_empty() {
            again_at = Instant::now() + CLEANING_INTERVAL;
        }
        tokio::select! {
            () = sleep_until(again_at) => {
                due.append(&mut refused);
                again_at = Instant::now() + CLEANING_INTERVAL;
            }
            changes = of_namespaces.next() => {
                let made = changes?.into_iter().filter(Change::is_creation);
                due.extend(made.filter_map(|change| last_part(&change.key)));
            }
            changes = of_accounts.next() => due.extend(lost(&changes?, ACCOUNT)),
            changes = of_maps.next() => due.extend(lost(&changes?, AUTHORITY)),
        }
    }
}

fn last_part(key: &[u8]) -> Option<String> {
    let key = std::str::from_utf8(key).ok()?;
    key.rsplit('/').next().map(str::to_owned)
}

/// Namespaces in which an object of this name was deleted or changed.
fn lost(changes: &[Change], name: &str) -> Vec<String> {
    let changed = changes.iter().filter(|change| !change.is_creation());
    changed
        .filter_map(|change| {
            let key = std::str::from_utf8(&change.key).ok()?;
            let (rest, last) = key.rsplit_once('/')?;
            (last == name).then(|| rest.rsplit('/').next().map(str::to_owned))?
        })
        .collect()
}

impl Engine {
    async fn furnish(&self, namespace: &str) -> Result<(), ApiError> {
        let quiet = |made: Result<(), ApiError>| match made {
            // The namespace has gone meanwhile.
            Err(error) if matches!(error.code, 403 | 404) && !error.by_others => Ok(()),
            other => other,
        };
        let account = json!({"metadata": {"name": ACCOUNT}});
        quiet(
            self.make("", "v1", "serviceaccounts", namespace, account)
                .await,
        )?;
        if self.authority.is_empty() {
            return Ok(());
        }
        let map = json!({
            "metadata": {
                "name": AUTHORITY,
                "annotations": {"kubernetes.io/description": AUTHORITY_NOTE},
            },
            "data": {"ca.crt": self.authority},
        });
        let call = self.own_call("update", "", "v1", "configmaps", namespace, AUTHORITY)?;
        let Some(live) = self.read(&call.resource, namespace, AUTHORITY)? else {
            return quiet(self.make("", "v1", "configmaps", namespace, map).await);
        };
        let mut next = live.object.clone();
        next["data"] = map["data"].clone();
        quiet(
            self.replace(&call, &live, next, &super::own_options())
                .await
                .map(drop),
        )
    }
}
