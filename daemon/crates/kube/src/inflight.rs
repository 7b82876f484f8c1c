//! How many bytes of bodies may be under way at once.
//!
//! Knows nothing about who may run: that is `flow`. Invariant: the largest body finds room where
//! nobody else has any.

use std::sync::Arc;

use skerry_listen::pressure;
use skerry_rbac::{MASTERS, User};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::decode::weight;
use crate::error::ApiError;
use crate::limits::{
    BODY_BYTES_MAX, BODY_ROOM_SHARE, BODY_SHARE, BODY_WEIGHT_LIGHT, HEAVY_BODIES_MAX,
};

/// Bytes of bodies are counted in units of so many.
const BODY_UNIT: u64 = 1 << 10;

/// See the module.
pub(crate) struct Inflight {
    bodies: Arc<Semaphore>,
    /// Bodies that become much more than they are.
    weights: Arc<Semaphore>,
}

impl Inflight {
    /// Room in a server that may use so much memory.
    pub(crate) fn new(memory_budget: u64) -> Inflight {
        let bodies = (memory_budget / BODY_SHARE).max(2 * BODY_BYTES_MAX as u64) / BODY_UNIT;
        Inflight {
            weights: Arc::new(Semaphore::new(HEAVY_BODIES_MAX)),
            bodies: Arc::new(Semaphore::new(
                usize::try_from(bodies)
                    .unwrap_or(Semaphore::MAX_PERMITS)
                    .min(Semaphore::MAX_PERMITS),
            )),
        }
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
        if pressure::room() / BODY_ROOM_SHARE < units as usize * BODY_UNIT as usize {
            return Err(ApiError::too_many_requests());
        }
        let bodies = Arc::clone(&self.bodies);
        let room = match user.groups.iter().any(|group| group == MASTERS) {
            true => bodies.acquire_many_owned(units).await.ok(),
            false => bodies.try_acquire_many_owned(units).ok(),
        };
        room.ok_or_else(ApiError::too_many_requests)
    }
}

impl Inflight {
    /// Room for what a body becomes once it is a value: most need none, others take turns.
    pub(crate) async fn weight(
        &self,
        body: &[u8],
    ) -> Result<Option<OwnedSemaphorePermit>, ApiError> {
        let weight = weight::of_json(body);
        if weight < BODY_WEIGHT_LIGHT {
            return Ok(None);
        }
        if weight > pressure::limit() / 2 {
            let message = "the object has more fields than this server has memory for";
            return Err(ApiError::new(413, "RequestEntityTooLarge", message));
        }
        let weights = Arc::clone(&self.weights).acquire_owned().await;
        match weights {
            Ok(turn) if weight <= pressure::room() => Ok(Some(turn)),
            _ => Err(ApiError::too_many_requests()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user;

    fn somebody() -> User {
        user::authenticated("somebody".into(), Vec::new())
    }

    #[tokio::test]
    async fn bodies_that_become_much_take_turns_and_others_do_not() {
        let inflight = Inflight::new(0);
        let heavy = vec![b':'; BODY_WEIGHT_LIGHT / 800];
        let mut turns = Vec::new();
        for _ in 0..HEAVY_BODIES_MAX {
            turns.push(inflight.weight(&heavy).await.unwrap().unwrap());
        }
        let mut next = Box::pin(inflight.weight(&heavy));
        assert!(futures_util::poll!(&mut next).is_pending());
        assert!(inflight.weight(b"{}").await.unwrap().is_none());
        turns.pop();
        assert!(next.await.unwrap().is_some());
    }

    #[tokio::test]
    async fn bodies_have_room_by_their_bytes() {
        let inflight = Inflight::new(0);
        let whole = inflight.room(None, &somebody()).await.unwrap();
        let other = inflight.room(Some(u64::MAX), &somebody()).await.unwrap();
        let refused = inflight.room(Some(1), &somebody()).await.err().unwrap();
        assert_eq!(refused.code, 429);
        drop((whole, other));
        assert!(inflight.room(Some(1), &somebody()).await.is_ok());
    }
}
