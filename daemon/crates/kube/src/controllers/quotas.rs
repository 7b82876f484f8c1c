//! Counts anew what quotas have given out, after whatever happens in their namespaces.
//!
//! Keeps the names of namespaces with quotas. A count reads what the quotas of one namespace limit,
//! at most once an interval. Invariant: what quotas say is right an interval after the last change.

use std::collections::BTreeSet;
use std::time::Duration;

use super::RETRY_INTERVAL;
use super::garbage::graph::Prefixes;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::storage;

/// Between two counts: what happens meanwhile is counted once.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);
/// Pods that should have gone use nothing from then on, which nothing tells.
const COUNT_ALL_INTERVAL: Duration = Duration::from_secs(60);
/// What nobody counts.
const EVENTS: &[u8] = b"/registry/events/";
const QUOTAS: &str = "/registry/resourcequotas/";

pub(super) async fn run(engine: &Engine) {
    loop {
        if let Err(error) = follow(engine).await {
            tracing::warn!(%error, "quotas are looked at anew");
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

async fn follow(engine: &Engine) -> Result<(), ApiError> {
    let prefixes = Prefixes::new(engine);
    let mut limited = BTreeSet::new();
    let mut listing = engine.storage.list(storage::below(QUOTAS), 0)?;
    let everything = storage::below("/registry/");
    let mut cursor = engine.storage.watch(everything, listing.revision() + 1)?;
    loop {
        let chunk = listing.next_chunk()?;
        if chunk.is_empty() {
            break;
        }
        limited.extend(chunk.iter().filter_map(|stored| namespace_of(&stored.key)));
    }
    drop(listing);
    let mut changed = limited.clone();
    let mut all_at = tokio::time::Instant::now() + COUNT_ALL_INTERVAL;
    loop {
        if !changed.is_empty() {
            for namespace in std::mem::take(&mut changed) {
                if !engine.recount(&namespace).await? {
                    changed.insert(namespace);
                }
            }
            tokio::time::sleep(COUNT_INTERVAL).await;
        }
        // At rest nothing wakes this up but a change, or the hour of namespaces with quotas.
        let changes = match (changed.is_empty(), limited.is_empty()) {
            (false, _) => Vec::new(),
            (true, true) => cursor.next().await?,
            (true, false) => tokio::select! {
                changes = cursor.next() => changes?,
                () = tokio::time::sleep_until(all_at) => {
                    changed.clone_from(&limited);
                    all_at = tokio::time::Instant::now() + COUNT_ALL_INTERVAL;
                    Vec::new()
                }
            },
        };
        for change in changes {
            if change.key.starts_with(QUOTAS.as_bytes())
                && let Some(namespace) = namespace_of(&change.key)
            {
                limited.insert(namespace);
            }
            if limited.is_empty() || change.key.starts_with(EVENTS) {
                continue;
            }
            if let Some((_, namespace, _)) = prefixes.place(&change.key)
                && limited.contains(&namespace)
            {
                changed.insert(namespace);
            }
        }
    }
}

fn namespace_of(key: &[u8]) -> Option<String> {
    let key = std::str::from_utf8(key).ok()?;
    let (namespace, _) = key.strip_prefix(QUOTAS)?.split_once('/')?;
    Some(namespace.to_owned())
}
