//! Taking over rows of etcd's database: the last version of each key, leases, users and roles.
//!
//! Knows nothing about the file that they are from. Invariant: once all rows were taken, in their
//! order, what is there is what was live at the last of them, and nothing else.

use redb::ReadableTable;
use skerry_proto::mvccpb::KeyValue;

use super::Batch;
use crate::fault::Fault;
use crate::keyspace::Keyspace;
use crate::lease::LeaseRow;
use crate::record::{EventRecord, Live};
use crate::revision::Position;
use crate::sealed::{self, SEAL_BYTES};
use crate::{stored, tables};

impl Batch<'_> {
    /// Puts a key as it was written at a position; the version before goes.
    pub(crate) fn import_put(&mut self, at: Position, kv: &KeyValue) -> Result<(), Fault> {
        self.import_delete(&kv.key)?;
        let live = Live {
            modified: at,
            create: kv.create_revision,
            version: kv.version,
            lease: kv.lease,
        };
        self.insert_event(
            at,
            EventRecord {
                tombstone: false,
                create: live.create,
                version: live.version,
                lease: live.lease,
                previous: None,
                key: &kv.key,
                value: &kv.value,
            },
        )?;
        let mut row = [0; Live::BYTES_MAX + SEAL_BYTES];
        let used = live.encode(&mut row);
        let used = sealed::seal_in_place(&kv.key, &mut row, used);
        self.keys.insert(&kv.key[..], &row[..used])?;
        self.state.stored_bytes += stored::live_bytes(&kv.key);
        // As in etcd a key may name a lease that has ended.
        let lease = tables::lease_row(kv.lease);
        if kv.lease != 0 && self.leases()?.get(&lease[..])?.is_some() {
            self.move_lease(&kv.key, 0, kv.lease)?;
        }
        Ok(())
    }

    /// Forgets a key, if it is there.
    pub(crate) fn import_delete(&mut self, key: &[u8]) -> Result<(), Fault> {
        let Some(old) = self.live(key)? else {
            return Ok(());
        };
        let removed = self.events.remove(&old.modified.encode()[..])?;
        let bytes = removed.map_or(0, |event| stored::event_bytes(event.value().len()));
        self.keys.remove(key)?;
        self.state.stored_bytes -= bytes + stored::live_bytes(key);
        self.move_lease(key, old.lease, 0)
    }

    pub(crate) fn import_lease(&mut self, id: i64, lease: LeaseRow) -> Result<(), Fault> {
        let row = lease.encode(id);
        self.leases()?
            .insert(&tables::lease_row(id)[..], &row[..])?;
        Ok(())
    }

    /// Writes a row as it is, into a table whose rows have no checksum.
    pub(crate) fn import_row(
        &mut self,
        table: tables::Definition,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), Fault> {
        self.txn.open_table(table)?.insert(key, value)?;
        Ok(())
    }
}
