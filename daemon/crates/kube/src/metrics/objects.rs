//! How many objects there are of each resource, counted anew once in a while.
//!
//! Invariant: counting holds the thread for no longer than one resource takes.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::engine::Engine;
use crate::limits::OBJECT_COUNT_INTERVAL;
use crate::registry;

/// Group, plural and count; -1: it could not be counted.
pub(super) type Counts = Vec<(String, String, i64)>;

/// See the module.
#[derive(Default)]
pub(super) struct Objects(Mutex<Option<(Instant, Counts)>>);

impl Objects {
    pub(super) async fn counts(&self, engine: &Engine) -> Counts {
        if let Some((at, counts)) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner)
            && at.elapsed() < OBJECT_COUNT_INTERVAL
        {
            return counts.clone();
        }
        let mut counts = Counts::new();
        for resource in &engine.registry.all() {
            let known = |(group, plural, _): &(String, String, i64)| {
                *group == resource.group && *plural == resource.plural
            };
            // Versions share their objects, and some resources keep none.
            if resource.storage_prefix.is_empty() || counts.iter().any(known) {
                continue;
            }
            let count = engine.storage.count(&registry::keys(resource, ""), 0);
            let count = count.unwrap_or(-1);
            counts.push((resource.group.clone(), resource.plural.clone(), count));
            tokio::task::yield_now().await;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some((Instant::now(), counts.clone()));
        counts
    }
}
