//! One consistent state, to be asked.
//!
//! Knows nothing about permissions: who asks has checked them. Invariant: all answers of a view
//! are of one moment, whatever is applied meanwhile.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use redb::{ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable};
use skerry_proto::command::MemberAttributes;
use skerry_proto::{etcdserverpb as pb, mvccpb};

use crate::apply::{self, Alarms};
use crate::chunks::RangeChunks;
use crate::fault::Fault;
use crate::file::StateFile;
use crate::keyspace::{self, Keyspace};
use crate::lease::{self, Lease};
use crate::limits::HISTORY_SCAN_BYTES_MAX;
use crate::range::{self, Window};
use crate::reader::note_damage;
use crate::revision::Position;
use crate::sealed;
use crate::state::State;
use crate::store::load_state;
use crate::{ApplyError, KeyRange, LogId, QueryError, Revision, StoreError, hash, tables};

type BytesTable = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// A read transaction with the tables of the keyspace open.
pub(crate) struct Snapshot {
    pub(crate) file: Arc<StateFile>,
    pub(crate) txn: ReadTransaction,
    pub(crate) state: State,
    events: BytesTable,
    keys: BytesTable,
    history: BytesTable,
}

impl Snapshot {
    pub(crate) fn open(file: &Arc<StateFile>) -> Result<Snapshot, Fault> {
        let txn = file.database.begin_read()?;
        Ok(Snapshot {
            file: Arc::clone(file),
            state: load_state(&txn.open_table(tables::META)?)?,
            events: txn.open_table(tables::EVENTS)?,
            keys: txn.open_table(tables::KEYS)?,
            history: txn.open_table(tables::HISTORY)?,
            txn,
        })
    }

    pub(crate) fn table(&self, definition: tables::Definition) -> Result<BytesTable, Fault> {
        Ok(self.txn.open_table(definition)?)
    }

    fn window(&self) -> Window {
        Window {
            compact_revision: self.state.compact_revision,
            revision: self.state.revision,
        }
    }
}

impl Keyspace for Snapshot {
    type Table = BytesTable;

    fn keys(&self) -> &Self::Table {
        &self.keys
    }

    fn events(&self) -> &Self::Table {
        &self.events
    }

    fn history(&self) -> &Self::Table {
        &self.history
    }
}

/// History for a watcher that fell off the ring.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// Revisions with the events that were asked for; revisions without any are left out.
    pub revisions: Vec<Revision>,
    /// The revision to ask for next; one more than [`View::revision`] where nothing is missing.
    pub next: i64,
}

/// A consistent state. Cheap to clone; while one is held, the space of what has been overwritten
/// since cannot be used again, so drop it soon.
#[derive(Clone)]
pub struct View(Arc<Snapshot>);

impl View {
    pub(crate) fn new(snapshot: Arc<Snapshot>) -> View {
        View(snapshot)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0.file.path
    }

    /// The revision of the keyspace.
    pub fn revision(&self) -> i64 {
        self.0.state.revision
    }

    /// The revision of the last compaction; -1 while there was none, as in etcd.
    pub fn compact_revision(&self) -> i64 {
        self.0.state.compact_revision
    }

    /// Whether this member has yet to give back space of what the last compaction dropped.
    pub fn is_compacting(&self) -> bool {
        self.0.state.sweep_pending()
    }

    /// The last entry that was applied.
    pub fn applied(&self) -> Option<LogId> {
        self.0.state.applied
    }

    /// The membership in force, as the consensus crate encoded it.
    pub fn membership(&self) -> Result<Option<Bytes>, StoreError> {
        self.read(|snapshot| {
            let meta = snapshot.table(tables::META)?;
            let row = meta.get(tables::META_MEMBERSHIP)?;
            let Some(row) = row else {
                return Ok(None);
            };
            let membership = sealed::open(tables::META_MEMBERSHIP, row.value())?;
            Ok(Some(Bytes::copy_from_slice(membership)))
        })
    }

    /// Answers a range request. The header carries the revision.
    pub fn range(&self, request: &pb::RangeRequest) -> Result<pb::RangeResponse, QueryError> {
        self.query(|snapshot| range::range(snapshot, snapshot.window(), request))
    }

    /// Answers a transaction that only reads.
    pub fn txn(&self, request: &pb::TxnRequest) -> Result<pb::TxnResponse, QueryError> {
        self.query(|snapshot| apply::read_only(snapshot, snapshot.window(), request))
    }

    /// The newest value of a key.
    pub fn get(&self, key: &[u8]) -> Result<Option<mvccpb::KeyValue>, StoreError> {
        self.read(|snapshot| match snapshot.live(key)? {
            Some(live) => snapshot.load(live.modified).map(Some),
            None => Ok(None),
        })
    }

    /// The keys of a range in order, in chunks, for answers that do not fit in memory.
    /// `revision` 0 is the newest.
    pub fn range_chunks(&self, keys: KeyRange, revision: i64) -> Result<RangeChunks, QueryError> {
        let revision = self.query(|snapshot| {
            let readable = range::readable(snapshot.window(), revision);
            readable.map_err(Fault::from)
        })?;
        Ok(RangeChunks::new(self.clone(), keys, revision))
    }

    /// Events from a revision on, all events of a revision together, until about `bytes_max`
    /// bytes of them, or of others that had to be passed over.
    ///
    /// Refused with [`ApplyError::Compacted`] where the revision lies before the last compaction.
    pub fn events(
        &self,
        from: i64,
        keys: &KeyRange,
        bytes_max: usize,
    ) -> Result<History, QueryError> {
        self.query(|snapshot| snapshot.events_since(from, keys, bytes_max))
    }

    /// What an event's key held before: `prev_kv`. Nothing where there was nothing, or where it
    /// has been compacted.
    pub fn prev_kv(&self, event: &mvccpb::Event) -> Result<Option<mvccpb::KeyValue>, StoreError> {
        let Some(kv) = &event.kv else {
            return Ok(None);
        };
        let before = kv.mod_revision - 1;
        if before < self.0.state.compact_revision {
            return Ok(None);
        }
        self.read(|snapshot| match snapshot.version_at(&kv.key, before)? {
            Some(at) => snapshot.load(at).map(Some),
            None => Ok(None),
        })
    }

    /// All leases, by id.
    pub fn leases(&self) -> Result<Vec<Lease>, StoreError> {
        self.read(|snapshot| {
            let mut leases = Vec::new();
            for row in snapshot.table(tables::LEASES)?.iter()? {
                let (id, row) = row?;
                leases.push(decode_lease(lease::decode_id(id.value())?, row.value())?);
            }
            Ok(leases)
        })
    }

    /// A lease.
    pub fn lease(&self, id: i64) -> Result<Option<Lease>, StoreError> {
        self.read(|snapshot| {
            let table = snapshot.table(tables::LEASES)?;
            let row = table.get(&tables::lease_row(id)[..])?;
            row.map(|row| decode_lease(id, row.value())).transpose()
        })
    }

    /// The keys attached to a lease, in order.
    pub fn lease_keys(&self, id: i64) -> Result<Vec<Bytes>, StoreError> {
        self.read(|snapshot| lease::keys(&snapshot.table(tables::LEASE_KEYS)?, id))
    }

    /// All raised alarms, by type and member.
    pub fn alarms(&self) -> Result<Vec<pb::AlarmMember>, StoreError> {
        self.read(|snapshot| {
            let alarms = Alarms::load(&snapshot.table(tables::ALARMS)?)?;
            Ok(alarms.of(pb::AlarmType::None as i32))
        })
    }

    /// What members have said of themselves, by id. Members that have left are among them.
    pub fn members(&self) -> Result<Vec<MemberAttributes>, StoreError> {
        self.read(|snapshot| {
            let mut members = Vec::new();
            for row in snapshot.table(tables::MEMBERS)?.iter()? {
                let (id, row) = row?;
                members.push(decode_member(id.value(), row.value())?);
            }
            Ok(members)
        })
    }

    /// What a member has said of itself.
    pub fn member(&self, id: u64) -> Result<Option<MemberAttributes>, StoreError> {
        self.read(|snapshot| {
            let table = snapshot.table(tables::MEMBERS)?;
            let row = table.get(&id.to_be_bytes()[..])?;
            let id = id.to_be_bytes();
            row.map(|row| decode_member(&id, row.value())).transpose()
        })
    }

    /// Hash of the keyspace up to a revision (0: the newest), equal on all members that have the
    /// same compact revision. Reads all of it: not for a thread that must not block.
    pub fn hash_kv(&self, revision: i64) -> Result<u32, QueryError> {
        self.query(|snapshot| hash::keyspace(snapshot, revision))
    }

    /// Hash of all that is replicated, equal on all members that have applied the same entries.
    /// Reads all of it.
    pub fn hash(&self) -> Result<u32, StoreError> {
        self.read(hash::everything)
    }

    /// Length of the state file.
    pub fn size_bytes(&self) -> u64 {
        self.0.file.gauge.len_bytes()
    }

    /// The part of it that holds the keyspace and its history; what the quota is about.
    pub fn size_in_use_bytes(&self) -> u64 {
        self.0.state.stored_bytes
    }

    /// Bytes that were written to the state file since it was opened, and how often it was synced.
    pub fn wear(&self) -> (u64, u64) {
        let gauge = &self.0.file.gauge;
        (gauge.written_bytes(), gauge.syncs())
    }

    pub(crate) fn read<R>(
        &self,
        read: impl FnOnce(&Snapshot) -> Result<R, Fault>,
    ) -> Result<R, StoreError> {
        read(&self.0).map_err(|fault| {
            let error = fault.store(self.path());
            note_damage(&error, &self.0.file);
            error
        })
    }

    fn query<R>(&self, read: impl FnOnce(&Snapshot) -> Result<R, Fault>) -> Result<R, QueryError> {
        read(&self.0).map_err(|fault| {
            let error = fault.query(self.path());
            if let QueryError::Store(error) = &error {
                note_damage(error, &self.0.file);
            }
            error
        })
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("View").field(&self.0.state).finish()
    }
}

impl Snapshot {
    fn events_since(&self, from: i64, keys: &KeyRange, bytes_max: usize) -> Result<History, Fault> {
        if from < self.state.compact_revision {
            return Err(ApplyError::Compacted.into());
        }
        let mut history = History {
            revisions: Vec::new(),
            next: self.state.revision.max(from - 1) + 1,
        };
        let (mut kept, mut scanned) = (0, 0);
        let mut current = None;
        let start = Position::new(from.max(0), 0).encode();
        for row in self
            .events
            .range::<&[u8]>((Bound::Included(&start[..]), Bound::Unbounded))?
        {
            let (at, row) = row?;
            let at = keyspace::decode_position(at.value())?;
            if current != Some(at.main) {
                let enough = kept >= bytes_max || scanned >= HISTORY_SCAN_BYTES_MAX;
                if enough && current.is_some() {
                    history.next = at.main;
                    break;
                }
                current = Some(at.main);
            }
            scanned += row.value().len();
            let event = keyspace::decode_event(at, row.value())?;
            if !keys.contains(event.key) {
                continue;
            }
            kept += row.value().len();
            let event = event.to_event(at);
            match history.revisions.last_mut() {
                Some(last) if last.revision == at.main => last.events.push(event),
                _ => history.revisions.push(Revision {
                    revision: at.main,
                    events: vec![event],
                }),
            }
        }
        Ok(history)
    }
}

fn decode_lease(id: i64, row: &[u8]) -> Result<Lease, Fault> {
    let row = lease::decode(id, row)?;
    Ok(Lease {
        id,
        ttl_seconds: row.ttl,
        remaining_seconds: row.remaining,
    })
}

fn decode_member(id: &[u8], row: &[u8]) -> Result<MemberAttributes, Fault> {
    let member = MemberAttributes::decode(sealed::open(id, row)?);
    member.map_err(|error| Fault::corrupt(format!("a member: {error}")))
}
