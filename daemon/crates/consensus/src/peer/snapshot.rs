//! A whole state on its way from one member to another.
//!
//! The sender reads the next piece only when the connection has room for it, the receiver reads the
//! next frame only when the last piece is in its file: memory stays small on both sides. Knows
//! nothing about what is in the pieces. Invariant: the receiver's state is touched only once the
//! stream was received whole and its checksum is right; nobody else touches the file that it is
//! kept in until that is the state or gone, also where the connection breaks meanwhile.

use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use openraft::errors::{NetworkError, StreamingError, Unreachable};
use openraft::raft::SnapshotResponse;
use openraft::storage::Snapshot;
use openraft::type_config::alias::SnapshotOf;
use skerry_store::{SnapshotReader, SnapshotWriter};
use tokio::sync::OwnedMutexGuard;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::link::{Link, LinkError};
use super::message::{Request, answer};
use crate::limits::{SNAPSHOT_INSTALL_TIME_MAX, SNAPSHOT_STALL_TIME_MAX};
use crate::raft::state_machine::SnapshotData;
use crate::raft::types::{Raft, SnapshotMeta, TypeConfig, Vote};

type Sent = Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>>;

fn link_failed(error: &LinkError) -> StreamingError<TypeConfig> {
    match error {
        LinkError::Unreachable { .. } => StreamingError::Unreachable(Unreachable::new(error)),
        _ => StreamingError::Network(NetworkError::new(error)),
    }
}

fn failed(error: &(impl std::error::Error + 'static)) -> StreamingError<TypeConfig> {
    StreamingError::Unreachable(Unreachable::new(error))
}

/// Streams a view of the state to a member.
pub(crate) async fn send(
    link: Rc<Link>,
    peer: u64,
    vote: Vote,
    snapshot: SnapshotOf<TypeConfig, SnapshotData>,
) -> Sent {
    let Snapshot { meta, snapshot } = snapshot;
    let SnapshotData::Outgoing(mut reader) = snapshot else {
        return Err(failed(&io::Error::other(
            "a snapshot that is not for sending",
        )));
    };
    link.connect().await.map_err(|error| link_failed(&error))?;
    let position = meta.last_log_id.map(|id| id.index());
    tracing::info!(peer, position, "sending the state to a member that lags");
    let begin = Request::SnapshotBegin { vote, meta };
    let begun = link.send(&begin).map_err(|error| link_failed(&error))?;
    let mut bytes = 0;
    loop {
        let (back, chunk) = spawn_blocking(move || next(reader))
            .await
            .map_err(|e| failed(&e))?;
        reader = back;
        let Some(chunk) = chunk.map_err(|error| failed(&error))? else {
            break;
        };
        bytes += chunk.len();
        let room = timeout(SNAPSHOT_STALL_TIME_MAX, link.room()).await;
        let room = room.unwrap_or(Err(LinkError::Timeout {
            peer,
            time: SNAPSHOT_STALL_TIME_MAX,
        }));
        let sent = room.and_then(|()| link.tell(&Request::SnapshotChunk(chunk)));
        if let Err(error) = sent {
            link.close();
            return Err(link_failed(&error));
        }
    }
    drop(reader);
    drop(begun);
    let end = link
        .send(&Request::SnapshotEnd)
        .map_err(|error| link_failed(&error))?;
    let body = end
        .answer(SNAPSHOT_INSTALL_TIME_MAX)
        .await
        .map_err(|error| link_failed(&error))?;
    tracing::info!(peer, position, bytes, "the member has the state");
    answer::decode_snapshot(&body).map_err(|error| failed(&error))
}

type Chunk = Result<Option<bytes::Bytes>, skerry_store::StoreError>;

fn next(mut reader: SnapshotReader) -> (SnapshotReader, Chunk) {
    let chunk = reader.next().transpose();
    (reader, chunk)
}

/// A state that is being received.
pub(crate) struct Incoming {
    vote: Vote,
    meta: SnapshotMeta,
    path: PathBuf,
    writer: SnapshotWriter,
    /// Given back after the writer has closed its file.
    only_one: OwnedMutexGuard<()>,
}

impl Incoming {
    /// Begins a file beside the state.
    pub(crate) async fn begin(
        vote: Vote,
        meta: SnapshotMeta,
        path: PathBuf,
        only_one: OwnedMutexGuard<()>,
    ) -> io::Result<Self> {
        let file = path.clone();
        let created = spawn_blocking(move || (SnapshotWriter::create(&file), only_one)).await;
        let (writer, only_one) = created.map_err(io::Error::other)?;
        let writer = writer.map_err(io::Error::other)?;
        let position = meta.last_log_id.map(|id| id.index());
        tracing::info!(
            from = vote.leader_id.node_id,
            position,
            "receiving the whole state"
        );
        Ok(Self {
            vote,
            meta,
            path,
            writer,
            only_one,
        })
    }

    /// Takes the next piece.
    pub(crate) async fn write(self, chunk: bytes::Bytes) -> io::Result<Self> {
        let written = spawn_blocking(move || {
            let mut incoming = self;
            incoming.writer.write(&chunk).map(|()| incoming)
        });
        written
            .await
            .map_err(io::Error::other)?
            .map_err(io::Error::other)
    }

    /// Checks that it is whole and makes it the state. What has begun goes on to its end, whether
    /// or not anybody still waits for it.
    pub(crate) async fn install(self, raft: Raft) -> io::Result<SnapshotResponse<TypeConfig>> {
        let installing = tokio::task::spawn_local(self.install_whole(raft));
        installing.await.map_err(io::Error::other)?
    }

    async fn install_whole(self, raft: Raft) -> io::Result<SnapshotResponse<TypeConfig>> {
        let Self {
            vote,
            meta,
            path,
            writer,
            only_one: _until_the_end,
        } = self;
        let stored = spawn_blocking(move || writer.finish()).await;
        let stored = stored
            .map_err(io::Error::other)?
            .map_err(io::Error::other)?;
        let applied = stored.applied.as_ref().map(crate::raft::types::from_store);
        if applied != meta.last_log_id {
            return Err(io::Error::other(
                "the state is not at the position that was announced",
            ));
        }
        if !is_plausible(&vote, &meta, &raft).await? {
            return Err(io::Error::other(
                "the state contradicts what is committed here",
            ));
        }
        let snapshot = Snapshot {
            meta,
            snapshot: SnapshotData::Received(path.clone()),
        };
        let answer = raft
            .install_full_snapshot(vote, snapshot)
            .await
            .map_err(io::Error::other)?;
        // Gone if it is the state now; otherwise it was not needed.
        let _ = spawn_blocking(move || std::fs::remove_file(path)).await;
        Ok(answer)
    }
}

/// openraft panics on a snapshot that no leader can have sent; such a one is refused instead.
async fn is_plausible(vote: &Vote, meta: &SnapshotMeta, raft: &Raft) -> io::Result<bool> {
    let Some(last) = meta.last_log_id else {
        return Ok(false);
    };
    if *last.committed_leader_id() > vote.leader_id || !vote.committed {
        return Ok(false);
    }
    let committed = raft
        .with_raft_state(|state| state.local_committed().copied())
        .await;
    let committed = committed.map_err(io::Error::other)?;
    Ok(committed.is_none_or(|committed| last <= committed || last.index() > committed.index()))
}
