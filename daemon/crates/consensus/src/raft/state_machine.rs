//! The state machine as openraft wants to see it: a door to the store thread.
//!
//! Applying means handing the entries over; the store thread works them off in its own time,
//! answers the clients and says how far it is. openraft's own idea of «applied» therefore runs
//! ahead of the state, and nothing in this crate relies on it. Invariant: snapshots, flushes and
//! installations pass through the same queue as the entries, so each sees exactly what came before.

use std::io;
use std::path::PathBuf;

use futures_util::{Stream, StreamExt};
use openraft::OptionalSend;
use openraft::RaftSnapshotBuilder;
use openraft::entry::RaftEntry;
use openraft::storage::{EntryResponder, RaftStateMachine, Snapshot};
use openraft::type_config::alias::SnapshotOf;

use super::record;
use super::types::{
    Done, Entry, LogId, Payload, SnapshotMeta, StoredMembership, TypeConfig, from_store, to_store,
};
use crate::apply::{Point, StoreHandle};

/// Bytes of entries that are handed over at once.
const HAND_OVER_BYTES: usize = 512 << 10;

/// The content of a snapshot, on its way out or in.
pub(crate) enum SnapshotData {
    /// Only its position matters: it tells openraft how much of the log may go.
    Position,
    /// A view of the state, to be streamed to a member.
    Outgoing(skerry_store::SnapshotReader),
    /// A verified file beside the state.
    Received(PathBuf),
}

/// The door to the store thread.
pub(crate) struct StateMachine {
    store: StoreHandle,
    handed_over: Option<LogId>,
    membership: StoredMembership,
}

impl StateMachine {
    /// `point` is where the state stands when it is opened.
    pub(crate) fn new(store: StoreHandle, point: &Point) -> io::Result<Self> {
        let (handed_over, membership) = position(point)?;
        Ok(Self {
            store,
            handed_over,
            membership,
        })
    }
}

/// A position of the state in the words of openraft.
fn position(point: &Point) -> io::Result<(Option<LogId>, StoredMembership)> {
    let membership = match &point.membership {
        Some(bytes) => record::decode_stored_membership(bytes).map_err(io::Error::other)?,
        None => StoredMembership::default(),
    };
    Ok((point.applied.as_ref().map(from_store), membership))
}

fn meta(point: &Point) -> io::Result<SnapshotMeta> {
    let (last_log_id, last_membership) = position(point)?;
    Ok(SnapshotMeta {
        last_log_id,
        last_membership,
    })
}

/// An entry in the words of the store, and its size.
fn to_store_entry(entry: Entry) -> (skerry_store::Entry, usize) {
    let log_id = entry.log_id();
    let (payload, bytes) = match entry.payload {
        Payload::Blank => (skerry_store::Payload::Blank, 0),
        Payload::Normal(data) => {
            let bytes = data.0.len();
            (skerry_store::Payload::Command(data.0), bytes)
        }
        Payload::Membership(membership) => {
            let stored = StoredMembership::new(Some(log_id), membership);
            let encoded = record::encode_stored_membership(&stored);
            let bytes = encoded.len();
            (skerry_store::Payload::Membership(encoded), bytes)
        }
    };
    let entry = skerry_store::Entry {
        log_id: to_store(&log_id),
        payload,
    };
    (entry, bytes + record::ENTRY_HEAD_BYTES)
}

/// Says how much of the log is durable in the state.
pub(crate) struct PositionBuilder {
    store: StoreHandle,
}

impl RaftSnapshotBuilder<TypeConfig> for PositionBuilder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<TypeConfig, SnapshotData>> {
        let point = self.store.flush().await?;
        Ok(Snapshot {
            meta: meta(&point)?,
            snapshot: SnapshotData::Position,
        })
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = PositionBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.handed_over, self.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let mut batch = Vec::new();
        let mut batch_bytes = 0;
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            self.handed_over = Some(entry.log_id());
            if let Payload::Membership(membership) = &entry.payload {
                self.membership = StoredMembership::new(self.handed_over, membership.clone());
            }
            let (entry, bytes) = to_store_entry(entry);
            batch.push(entry);
            batch_bytes += bytes;
            if let Some(responder) = responder {
                responder.send(Done);
            }
            if batch_bytes >= HAND_OVER_BYTES {
                self.store
                    .apply(std::mem::take(&mut batch), batch_bytes)
                    .await?;
                batch_bytes = 0;
            }
        }
        if !batch.is_empty() {
            self.store.apply(batch, batch_bytes).await?;
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> PositionBuilder {
        PositionBuilder {
            store: self.store.clone(),
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: SnapshotData,
    ) -> Result<(), io::Error> {
        let SnapshotData::Received(path) = snapshot else {
            return Err(io::Error::other(
                "only a received snapshot can be installed",
            ));
        };
        let point = self.store.install(path).await?;
        let (applied, membership) = position(&point)?;
        if applied != meta.last_log_id {
            return Err(io::Error::other(format!(
                "the snapshot ends at {applied:?}, not at {:?} as was announced",
                meta.last_log_id
            )));
        }
        self.handed_over = applied;
        self.membership = membership;
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<SnapshotOf<TypeConfig, SnapshotData>>, io::Error> {
        let (point, reader) = self.store.snapshot().await?;
        if point.applied.is_none() {
            return Ok(None);
        }
        Ok(Some(Snapshot {
            meta: meta(&point)?,
            snapshot: SnapshotData::Outgoing(reader),
        }))
    }
}
