//! How many requests may be under way at once.
//!
//! As upstream: those that read and those that write have limits of their own, what lasts (watches
//! and connections) and administrators have none, and nobody waits for a place. Bodies under way
//! have a limit in bytes, too. Invariant: health and discovery need no place.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use skerry_rbac::{MASTERS, User};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::error::ApiError;
use crate::limits::{
    BODY_BYTES_MAX, BODY_SHARE, MUTATING_REQUESTS_MAX, REQUEST_BYTES, REQUESTS_MAX, REQUESTS_MIN,
};
use crate::metrics::Metrics;

/// Bytes of bodies are counted in units of so many.
const BODY_UNIT: u64 = 1 << 10;

/// See the module.
pub(crate) struct Inflight {
    read_only: Arc<Semaphore>,
    mutating: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

/// A place that was taken; given back when this is dropped.
pub(crate) struct Admitted {
    place: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
    /// Ends the wait of [`Admitted::for_a_while`].
    ended: Mutex<Option<oneshot::Sender<()>>>,
    mutating: bool,
    metrics: Arc<Metrics>,
}

impl Inflight {
    /// Limits for a server that may use so much memory.
    pub(crate) fn new(memory_budget: u64, metrics: &Arc<Metrics>) -> Inflight {
        let fitting = usize::try_from(memory_budget / REQUEST_BYTES).unwrap_or(usize::MAX);
        let of = |max: usize| Arc::new(Semaphore::new(fitting.min(max).max(REQUESTS_MIN)));
        // The largest body has to find room.
        let bodies = (memory_budget / BODY_SHARE).max(2 * BODY_BYTES_MAX as u64) / BODY_UNIT;
        Inflight {
            read_only: of(REQUESTS_MAX),
            mutating: of(MUTATING_REQUESTS_MAX),
            bodies: Arc::new(Semaphore::new(
                usize::try_from(bodies)
                    .unwrap_or(Semaphore::MAX_PERMITS)
                    .min(Semaphore::MAX_PERMITS),
            )),
            metrics: Arc::clone(metrics),
        }
    }

    /// Takes a place for a request.
    pub(crate) fn admit(&self, verb: &str, user: &User) -> Result<Admitted, ApiError> {
        let mutating = !matches!(verb, "get" | "list" | "watch");
        let places = match mutating {
            true => &self.mutating,
            false => &self.read_only,
        };
        let place = Arc::clone(places).try_acquire_owned().ok();
        if place.is_none() && !user.groups.iter().any(|group| group == MASTERS) {
            return Err(ApiError::too_many_requests());
        }
        self.gauge(mutating).add(1);
        Ok(Admitted {
            place: Arc::new(Mutex::new(place)),
            ended: Mutex::default(),
            mutating,
            metrics: Arc::clone(&self.metrics),
        })
    }

    /// Room for a body that says how long it is, or does not; administrators wait for it.
    pub(crate) async fn room(
        &self,
        length: Option<u64>,
        user: &User,
    ) -> Result<OwnedSemaphorePermit, ApiError> {
        let max = BODY_BYTES_MAX as u64;
        let units = length.unwrap_or(max).min(max).div_ceil(BODY_UNIT);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let bodies = Arc::clone(&self.bodies);
        let room = match user.groups.iter().any(|group| group == MASTERS) {
            true => bodies.acquire_many_owned(units).await.ok(),
            false => bodies.try_acquire_many_owned(units).ok(),
        };
        room.ok_or_else(ApiError::too_many_requests)
    }

    fn gauge(&self, mutating: bool) -> &skerry_metrics::Gauge {
        gauge(&self.metrics, mutating)
    }
}

fn gauge(metrics: &Metrics, mutating: bool) -> &skerry_metrics::Gauge {
    match mutating {
        true => &metrics.mutating,
        false => &metrics.read_only,
    }
}

impl Admitted {
    /// Gives the place back after a time even if the answer is not through: clients that read
    /// slowly must not keep others out.
    pub(crate) fn for_a_while(&self, time: Duration) {
        let (ended, gone) = oneshot::channel();
        let place = Arc::clone(&self.place);
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
        tokio::spawn(async move {
            // Both ends of the wait mean the same.
            let _ = tokio::time::timeout(time, gone).await;
            place.lock().unwrap_or_else(PoisonError::into_inner).take();
        });
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.place
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        gauge(&self.metrics, self.mutating).subtract(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user;

    fn somebody() -> User {
        user::authenticated("somebody".into(), Vec::new())
    }

    #[test]
    fn who_writes_takes_no_place_from_who_reads_and_administrators_need_none() {
        let metrics = Arc::default();
        let inflight = Inflight::new(0, &metrics);
        let taken: Vec<Admitted> = (0..REQUESTS_MIN)
            .map(|_| inflight.admit("create", &somebody()).unwrap())
            .collect();
        assert_eq!(metrics.mutating.get(), REQUESTS_MIN as u64);
        let refused = inflight.admit("update", &somebody()).err().unwrap();
        assert_eq!((refused.code, refused.retry_after), (429, Some(1)));
        assert_eq!(
            refused.message,
            "Too many requests, please try again later."
        );
        assert!(inflight.admit("list", &somebody()).is_ok());
        assert!(inflight.admit("create", &user::server()).is_ok());
        drop(taken);
        assert_eq!(metrics.mutating.get(), 0);
        assert!(inflight.admit("create", &somebody()).is_ok());
    }

    #[test]
    fn limits_grow_with_the_memory_up_to_upstreams() {
        let metrics = Arc::default();
        let places = |budget| {
            let inflight = Inflight::new(budget, &metrics);
            let (read_only, mutating) = (&inflight.read_only, &inflight.mutating);
            (read_only.available_permits(), mutating.available_permits())
        };
        assert_eq!(places(1 << 20), (REQUESTS_MIN, REQUESTS_MIN));
        assert_eq!(places(64 << 20), (400, 200));
        assert_eq!(places(u64::MAX), (REQUESTS_MAX, MUTATING_REQUESTS_MAX));
    }

    #[tokio::test]
    async fn an_answer_that_nobody_reads_keeps_its_place_for_a_while_only() {
        let metrics = Arc::default();
        let inflight = Inflight::new(0, &metrics);
        let free = inflight.read_only.available_permits();
        let admitted = inflight.admit("list", &somebody()).unwrap();
        admitted.for_a_while(Duration::from_millis(1));
        assert_eq!(inflight.read_only.available_permits(), free - 1);
        let given_back = inflight
            .read_only
            .acquire_many(u32::try_from(free).unwrap());
        let given_back = tokio::time::timeout(Duration::from_secs(10), given_back).await;
        drop(given_back.unwrap());
        drop(admitted);
        assert_eq!(inflight.read_only.available_permits(), free);
    }

    #[tokio::test]
    async fn bodies_have_room_by_their_bytes() {
        let metrics = Arc::default();
        let inflight = Inflight::new(0, &metrics);
        let whole = inflight.room(None, &somebody()).await.unwrap();
        let other = inflight.room(Some(u64::MAX), &somebody()).await.unwrap();
        let refused = inflight.room(Some(1), &somebody()).await.err().unwrap();
        assert_eq!(refused.code, 429);
        drop((whole, other));
        assert!(inflight.room(Some(1), &somebody()).await.is_ok());
    }
}
