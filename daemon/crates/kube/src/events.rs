//! Events live for an hour after they were written last: a lease ends them.
//!
//! Invariant: no event lives shorter than the hour, and none longer than that and one window.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::error::ApiError;
use crate::options::WriteOptions;
use crate::registry::Resource;

/// How long an event lives.
const LIFE_SECONDS: i64 = 3600;
/// How long one lease is given to new events; a lease each would cost more than the events.
const WINDOW: Duration = Duration::from_secs(60);
/// To how many.
const EVENTS_MAX: u32 = 1000;

/// The lease of this window.
#[derive(Default)]
pub(crate) struct EventLease(Mutex<Option<Current>>);

struct Current {
    id: i64,
    since: Instant,
    given: u32,
}

impl EventLease {
    /// The lease, where it may be given once more.
    fn take(&self) -> Option<i64> {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let current = current.as_mut()?;
        if current.since.elapsed() > WINDOW || current.given >= EVENTS_MAX {
            return None;
        }
        current.given += 1;
        Some(current.id)
    }

    /// Gives the lease no more, as after its window.
    #[cfg(test)]
    pub(crate) fn close(&self) {
        *self.0.lock().unwrap() = None;
    }

    fn set(&self, id: i64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Current {
            id,
            since: Instant::now(),
            given: 1,
        });
    }
}

impl Engine {
    /// The lease that an object of a resource ends with which is written now; 0: none.
    pub(crate) async fn lease_for(
        &self,
        resource: &Resource,
        options: &WriteOptions,
    ) -> Result<i64, ApiError> {
        let is_event =
            matches!(resource.group.as_str(), "" | "events.k8s.io") && resource.kind == "Event";
        if !is_event || options.dry_run {
            return Ok(0);
        }
        if let Some(id) = self.event_lease.take() {
            return Ok(id);
        }
        let window = i64::try_from(WINDOW.as_secs()).unwrap_or(0);
        let id = self.storage.lease(LIFE_SECONDS + window).await?;
        self.event_lease.set(id);
        Ok(id)
    }
}
