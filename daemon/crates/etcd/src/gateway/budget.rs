//! What all requests to the gateway together may hold in memory.
//!
//! JSON has to be whole before it can be turned into a message, and the other way round, so the
//! bytes that wait for that are counted. Invariant: what is counted is given back when its holder
//! goes, however it goes.

use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use super::limits::{ANSWERS_BYTES_MAX, BODIES_BYTES_MAX};
use crate::errors;

static BODIES: LazyLock<Arc<Semaphore>> =
    LazyLock::new(|| Arc::new(Semaphore::new(BODIES_BYTES_MAX)));
static ANSWERS: LazyLock<Arc<Semaphore>> =
    LazyLock::new(|| Arc::new(Semaphore::new(ANSWERS_BYTES_MAX)));

/// The bytes that one request has read and not yet used.
#[derive(Debug, Default)]
pub(super) struct Held(Option<OwnedSemaphorePermit>);

impl Held {
    /// Counts more bytes; refused where all requests together hold too much, as waiting would let
    /// clients that send slowly hold up all others.
    pub(super) fn add(&mut self, bytes: usize) -> Result<(), Status> {
        let more = u32::try_from(bytes)
            .ok()
            .and_then(|bytes| Arc::clone(&BODIES).try_acquire_many_owned(bytes).ok())
            .ok_or(errors::TOO_MANY_REQUESTS)?;
        match &mut self.0 {
            Some(permit) => permit.merge(more),
            None => self.0 = Some(more),
        }
        Ok(())
    }

    /// Gives back all but `bytes`.
    pub(super) fn keep(&mut self, bytes: usize) {
        if let Some(permit) = &mut self.0 {
            drop(permit.split(permit.num_permits().saturating_sub(bytes)));
        }
    }
}

/// Room for a long answer, once there is some.
pub(super) async fn room_for_answer(bytes: usize) -> Option<OwnedSemaphorePermit> {
    let bytes = u32::try_from(bytes.min(ANSWERS_BYTES_MAX)).ok()?;
    Arc::clone(&ANSWERS).acquire_many_owned(bytes).await.ok()
}

/// A long answer, with its room until it is sent.
pub(super) struct LongAnswer {
    pub(super) json: Bytes,
    pub(super) room: Option<OwnedSemaphorePermit>,
}

impl HttpBody for LongAnswer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        const PIECE_BYTES: usize = 64 * 1024;
        let length = self.json.len().min(PIECE_BYTES);
        let piece = self.json.split_to(length);
        if piece.is_empty() {
            self.room = None;
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.json.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.json.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_until_they_are_used_and_refused_beyond_the_limit() {
        // Other tests hold some, so this one asks for more than there can be.
        let mut held = Held::default();
        assert!(held.add(BODIES_BYTES_MAX + 1).is_err());
        held.add(1000).unwrap();
        held.add(24).unwrap();
        assert_eq!(held.0.as_ref().unwrap().num_permits(), 1024);
        held.keep(4);
        assert_eq!(held.0.as_ref().unwrap().num_permits(), 4);
        held.keep(9);
        assert_eq!(held.0.as_ref().unwrap().num_permits(), 4);
        let refused = held.add(BODIES_BYTES_MAX).unwrap_err();
        assert_eq!(refused.message(), "etcdserver: too many requests");
    }
}
