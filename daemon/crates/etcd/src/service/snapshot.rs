//! `Maintenance.Snapshot`: the whole state as a file that can be kept.
//!
//! ```text
//! file     the store's snapshot stream | zeros | length of the stream u64 LE | SHA-256 of all before
//! ```
//!
//! So many zeros that the checksum stands at a multiple of 512 bytes: by that etcd's clients see
//! that a file is whole before they keep it. The state is read on
//! a thread of its own, a few pieces ahead of the client; a client that stops taking them is left,
//! because the space of what is overwritten meanwhile cannot be used again.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use ring::digest::{Context, SHA256};
use skerry_proto::etcdserverpb as pb;
use skerry_store::{SnapshotReader, StoreError};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tonic::Status;

use crate::api::Api;
use crate::errors;
use crate::grpc::{self, Body, Received, RequestBody};
use crate::limits::{SNAPSHOT_MESSAGE_BYTES_MAX, SNAPSHOT_PIECES_AHEAD, SNAPSHOT_STALL_TIME_MAX};
use crate::method::Method;
use crate::who::Who;

/// What the length of the file without its checksum is a multiple of: the sector that etcd's
/// clients tell a checksum by.
const SECTOR_BYTES: u64 = 512;

type Piece = Result<pb::SnapshotResponse, Status>;

impl Api {
    pub(crate) async fn snapshot(
        self: &Arc<Self>,
        who: Who,
        body: RequestBody,
    ) -> Result<Body, Status> {
        let _: Received<pb::SnapshotRequest> =
            grpc::receive(&who.headers, body, &self.room).await?;
        self.permit_admin_untranslated(&who).await?;
        let slot = Arc::clone(&self.snapshots).try_acquire_owned();
        let slot = slot.map_err(|_| Status::from(errors::TOO_MANY_REQUESTS))?;
        let reader = self
            .reader
            .snapshot()
            .map_err(|error| errors::store(&error))?;
        let expected_bytes = self.view()?.size_in_use_bytes();
        let (sender, receiver) = mpsc::channel(SNAPSHOT_PIECES_AHEAD);
        let runtime = tokio::runtime::Handle::current();
        let sending = Sending {
            sender,
            runtime,
            expected_bytes,
            sent_bytes: 0,
            _slot: slot,
        };
        tokio::task::spawn_blocking(move || sending.run(reader));
        let pieces = stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|piece| (piece, receiver))
        });
        Ok(self.answers(Method::Snapshot, who, pieces))
    }
}

/// What follows a stream of this length, up to the checksum.
fn ending(length: u64) -> Bytes {
    let without_zeros = length + size_of::<u64>() as u64;
    let zeros = without_zeros.next_multiple_of(SECTOR_BYTES) - without_zeros;
    let mut ending = vec![0; zeros as usize];
    ending.extend_from_slice(&length.to_le_bytes());
    ending.into()
}

/// The thread that reads.
struct Sending {
    sender: mpsc::Sender<Piece>,
    runtime: tokio::runtime::Handle,
    /// About what there is to send: the exact length is known at the end.
    expected_bytes: u64,
    sent_bytes: u64,
    _slot: OwnedSemaphorePermit,
}

/// The client takes no more.
struct Left;

impl Sending {
    fn run(mut self, reader: SnapshotReader) {
        let mut digest = Context::new(&SHA256);
        for frame in reader {
            let sent = match frame {
                Ok(frame) => self.send_frame(&frame, &mut digest),
                Err(error) => self.fail(&error),
            };
            if sent.is_err() {
                return;
            }
        }
        if self
            .send_frame(&ending(self.sent_bytes), &mut digest)
            .is_err()
        {
            return;
        }
        let checksum = Bytes::copy_from_slice(digest.finish().as_ref());
        let _ = self.send(Ok(pb::SnapshotResponse {
            header: None,
            remaining_bytes: 0,
            blob: checksum,
        }));
    }

    fn send_frame(&mut self, frame: &Bytes, digest: &mut Context) -> Result<(), Left> {
        digest.update(frame);
        for start in (0..frame.len()).step_by(SNAPSHOT_MESSAGE_BYTES_MAX) {
            let end = frame.len().min(start + SNAPSHOT_MESSAGE_BYTES_MAX);
            self.sent_bytes += (end - start) as u64;
            self.send(Ok(pb::SnapshotResponse {
                header: None,
                // Never 0 before the checksum: some clients stop there.
                remaining_bytes: self.expected_bytes.saturating_sub(self.sent_bytes).max(1),
                blob: frame.slice(start..end),
            }))?;
        }
        Ok(())
    }

    fn fail(&self, error: &StoreError) -> Result<(), Left> {
        self.send(Err(errors::store(error)))?;
        Err(Left)
    }

    fn send(&self, piece: Piece) -> Result<(), Left> {
        let sent = self.sender.send_timeout(piece, SNAPSHOT_STALL_TIME_MAX);
        self.runtime.block_on(sent).map_err(|_| {
            tracing::info!("a client stopped taking its snapshot");
            Left
        })
    }
}
