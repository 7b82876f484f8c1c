//! `Maintenance.Snapshot`: the whole state as a file that can be kept, and that etcd's own tools
//! read (see the crate `archive`).
//!
//! The state is read on a thread of its own, twice: to measure, and to write, a few pieces ahead of
//! the client. A client that stops taking them is left, because the space of what is overwritten
//! meanwhile cannot be used again.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use skerry_archive::{ArchiveError, Member, Metadata, Origin, Snapshot};
use skerry_proto::etcdserverpb as pb;
use skerry_store::View;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tonic::Status;

use crate::api::Api;
use crate::errors;
use crate::grpc::{self, Body, Received, RequestBody};
use crate::limits::{SNAPSHOT_MESSAGE_BYTES_MAX, SNAPSHOT_PIECES_AHEAD, SNAPSHOT_STALL_TIME_MAX};
use crate::method::Method;
use crate::who::Who;

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
        let view = self.view()?;
        let (sender, receiver) = mpsc::channel(SNAPSHOT_PIECES_AHEAD);
        let mut sending = Sending {
            api: Arc::clone(self),
            sender,
            runtime: tokio::runtime::Handle::current(),
            piece: BytesMut::new(),
            left_bytes: 0,
            is_left: false,
            _slot: slot,
        };
        tokio::task::spawn_blocking(move || sending.run(view));
        let pieces = stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|piece| (piece, receiver))
        });
        Ok(self.answers(Method::Snapshot, who, pieces))
    }

    fn origin(&self, view: &View) -> Result<Origin, ArchiveError> {
        if let Some(describe) = &self.options.describe {
            return describe.origin(view);
        }
        let status = self.status();
        let member = |(id, member, is_learner): &(u64, skerry_consensus::Member, bool)| Member {
            id: *id,
            name: member.name.clone(),
            peer_urls: member.peer_urls.clone(),
            client_urls: member.client_urls.clone(),
            is_learner: *is_learner,
        };
        let metadata = Metadata {
            cluster_id: status.cluster_id,
            member_id: status.member_id,
            members: status.members.iter().map(member).collect(),
            revision: view.revision(),
            ..Metadata::default()
        };
        Ok(Origin {
            metadata,
            bootstrap: None,
        })
    }
}

/// The thread that reads.
struct Sending {
    api: Arc<Api>,
    sender: mpsc::Sender<Piece>,
    runtime: tokio::runtime::Handle,
    /// Bytes that are not sent yet, and how many are left with them.
    piece: BytesMut,
    left_bytes: u64,
    /// The client takes no more.
    is_left: bool,
    _slot: OwnedSemaphorePermit,
}

impl Sending {
    fn run(&mut self, view: View) {
        let (sender, stop) = (self.sender.clone(), self.api.stop.clone());
        let is_wanted = move || !sender.is_closed() && !stop.is_requested();
        let written = self
            .api
            .origin(&view)
            .and_then(|origin| Snapshot::of(view, origin, is_wanted))
            .and_then(|snapshot| {
                self.left_bytes = snapshot.bytes();
                snapshot.write(&mut *self)
            });
        match written {
            Err(_) if self.is_left => {}
            Err(ArchiveError::GivenUp) => _ = self.send(Err(errors::STOPPED.into())),
            Err(ArchiveError::State(error)) => _ = self.send(Err(errors::store(&error))),
            Err(error) => {
                tracing::error!(%error, "no snapshot could be made");
                _ = self.send(Err(Status::internal(format!("etcdserver: {error}"))));
            }
            Ok(()) => {}
        }
    }

    fn send(&mut self, piece: Piece) -> io::Result<()> {
        let sent = self.sender.send_timeout(piece, SNAPSHOT_STALL_TIME_MAX);
        let sent = self.runtime.block_on(sent);
        sent.map_err(|_| {
            self.is_left = true;
            tracing::info!("a client stopped taking its snapshot");
            io::ErrorKind::BrokenPipe.into()
        })
    }

    fn send_piece(&mut self) -> io::Result<()> {
        let blob: Bytes = self.piece.split().freeze();
        if blob.is_empty() {
            return Ok(());
        }
        self.left_bytes = self.left_bytes.saturating_sub(blob.len() as u64);
        self.send(Ok(pb::SnapshotResponse {
            header: None,
            // Never 0 before the checksum: some clients stop there.
            remaining_bytes: self.left_bytes,
            blob,
        }))
    }
}

impl Write for Sending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = SNAPSHOT_MESSAGE_BYTES_MAX - self.piece.len();
        let taken = bytes.len().min(room);
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == SNAPSHOT_MESSAGE_BYTES_MAX {
            self.send_piece()?;
        }
        Ok(taken)
    }

    /// Comes before the checksum, which so is a piece of its own, as etcd sends it.
    fn flush(&mut self) -> io::Result<()> {
        self.send_piece()
    }
}
