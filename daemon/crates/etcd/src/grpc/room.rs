//! Room for messages that arrive in pieces.
//!
//! A message that came with its first bytes costs nothing more. One that is still on its way takes
//! a share of a fixed number of bytes, and keeps it until it is answered: clients that send slowly,
//! or much at once, wait for one another instead of filling the memory.

use std::sync::Arc;

use skerry_listen::pressure;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use crate::errors;
use crate::limits::{RECEIVE_TIME_MAX, RECEIVING_BYTES_MAX};

/// Shares are counted in units of so many bytes.
const UNIT_BYTES: usize = 1024;

/// What all clients share.
#[derive(Debug, Clone)]
pub(crate) struct Room(Arc<Semaphore>);

/// A share, given back when it is dropped.
pub(crate) type Share = OwnedSemaphorePermit;

impl Default for Room {
    fn default() -> Room {
        Room(Arc::new(Semaphore::new(RECEIVING_BYTES_MAX / UNIT_BYTES)))
    }
}

impl Room {
    pub(super) async fn take(&self, bytes: usize) -> Result<Share, Status> {
        if pressure::room() / 2 < bytes {
            return Err(errors::NO_MEMORY.into());
        }
        // A message is far smaller than the room.
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        let share = Arc::clone(&self.0).acquire_many_owned(units);
        match tokio::time::timeout(RECEIVE_TIME_MAX, share).await {
            Ok(Ok(share)) => Ok(share),
            Ok(Err(_)) => Err(errors::STOPPED.into()),
            Err(_) => Err(errors::TOO_MANY_REQUESTS.into()),
        }
    }

    #[cfg(test)]
    pub(super) fn free_bytes(&self) -> usize {
        self.0.available_permits() * UNIT_BYTES
    }
}
