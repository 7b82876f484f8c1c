//! The state as etcd keeps it: the rows of the buckets of its database, in their order.
//!
//! Knows nothing about the file that they go to, and nothing of the members. Invariant: what is
//! shown depends on what can still be read and not on how far the physical compaction has come, and
//! a bucket shows the same rows however often it is asked for; memory holds one row.
//!
//! ```text
//! alarm      AlarmMember (protobuf)                          -> nothing
//! auth       "authEnabled" | "authRevision"                  -> 1 or 0 | u64 BE
//! authRoles  name                                            -> authpb.Role
//! authUsers  name                                            -> authpb.User
//! key        revision i64 BE, "_", sub i64 BE, "t" where     -> mvccpb.KeyValue
//!            it is a deletion
//! lease      id i64 BE                                       -> Lease (protobuf)
//! ```

use std::ops::ControlFlow;

use prost::Message;
use redb::ReadableTable;
use skerry_proto::{etcdserverpb as pb, mvccpb};

use crate::fault::Fault;
use crate::keyspace::{self, Keyspace};
use crate::lease;
use crate::record::EventRecord;
use crate::revision::Position;
use crate::view::{Snapshot, View};
use crate::{StoreError, auth, hash, tables};

/// A bucket of etcd's database that is made of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// Raised alarms.
    Alarm,
    /// Whether requests need a caller.
    Auth,
    /// Roles.
    AuthRoles,
    /// Users.
    AuthUsers,
    /// All revisions that can be read.
    Key,
    /// Leases.
    Lease,
}

/// A lease as etcd writes it (its own package, which no client sees).
#[derive(Clone, PartialEq, Message)]
pub(crate) struct LeaseMessage {
    #[prost(int64, tag = "1")]
    pub(crate) id: i64,
    #[prost(int64, tag = "2")]
    pub(crate) ttl: i64,
    #[prost(int64, tag = "3")]
    pub(crate) remaining_ttl: i64,
}

/// Takes a row; breaks where it wants no more.
type Show<'s> = &'s mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

impl View {
    /// Shows the rows of a bucket, in order, until `put` fails.
    pub fn export<E: From<StoreError>>(
        &self,
        bucket: Bucket,
        mut put: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut failed = None;
        self.read(|snapshot| {
            snapshot.export(bucket, &mut |key, value| match put(key, value) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            })
        })?;
        failed.map_or(Ok(()), Err)
    }
}

impl Snapshot {
    fn export(&self, bucket: Bucket, show: Show<'_>) -> Result<(), Fault> {
        match bucket {
            Bucket::Alarm => self.export_alarms(show),
            Bucket::Auth => self.export_auth(show),
            Bucket::AuthRoles => self.export_table(auth::AUTH_ROLES, show),
            Bucket::AuthUsers => self.export_table(auth::AUTH_USERS, show),
            Bucket::Key => self.export_keys(show),
            Bucket::Lease => self.export_leases(show),
        }
    }

    fn export_keys(&self, show: Show<'_>) -> Result<(), Fault> {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        for row in self.events().iter()? {
            let (at, row) = row?;
            let at = keyspace::decode_position(at.value())?;
            let event = keyspace::decode_event(at, row.value())?;
            if !self.can_be_read(at, event)? {
                continue;
            }
            key.clear();
            key.extend_from_slice(&at.main.to_be_bytes());
            key.push(b'_');
            key.extend_from_slice(&i64::from(at.sub).to_be_bytes());
            let kv = if event.tombstone {
                key.push(b't');
                mvccpb::KeyValue {
                    key: bytes::Bytes::copy_from_slice(event.key),
                    ..mvccpb::KeyValue::default()
                }
            } else {
                event.to_kv(at)
            };
            value.clear();
            append(&kv, &mut value);
            if show(&key, &value).is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether the compaction leaves an event once it is through. Deletions at the compact revision
    /// itself stay: watchers from there on see them.
    fn can_be_read(&self, at: Position, event: EventRecord<'_>) -> Result<bool, Fault> {
        Ok(at.main >= self.state.compact_revision || hash::is_kept(self, at, event)?)
    }

    fn export_leases(&self, show: Show<'_>) -> Result<(), Fault> {
        for row in self.table(tables::LEASES)?.iter()? {
            let (id, row) = row?;
            let number = lease::decode_id(id.value())?;
            let lease = lease::decode(number, row.value())?;
            let message = LeaseMessage {
                id: number,
                ttl: lease.ttl,
                remaining_ttl: lease.remaining,
            };
            if show(id.value(), &message.encode_to_vec()).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn export_alarms(&self, show: Show<'_>) -> Result<(), Fault> {
        let mut rows = Vec::new();
        for row in self.table(tables::ALARMS)?.iter()? {
            let (row, _) = row?;
            let (alarm, member_id) = tables::alarm_of_row(row.value())
                .ok_or_else(|| Fault::corrupt("a row of the alarms has no member"))?;
            rows.push(pb::AlarmMember { member_id, alarm }.encode_to_vec());
        }
        rows.sort_unstable();
        for row in rows {
            if show(&row, &[]).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// etcd always has both rows.
    fn export_auth(&self, show: Show<'_>) -> Result<(), Fault> {
        let (mut enabled, mut revision) = (vec![0], 1_u64.to_be_bytes().to_vec());
        for row in self.table(auth::AUTH)?.iter()? {
            let (key, value) = row?;
            match key.value() {
                b"enabled" => enabled = value.value().to_vec(),
                _ => revision = value.value().to_vec(),
            }
        }
        if show(b"authEnabled", &enabled).is_continue() {
            let _last = show(b"authRevision", &revision);
        }
        Ok(())
    }

    fn export_table(&self, table: tables::Definition, show: Show<'_>) -> Result<(), Fault> {
        for row in self.table(table)?.iter()? {
            let (key, value) = row?;
            if show(key.value(), value.value()).is_break() {
                break;
            }
        }
        Ok(())
    }
}

fn append(message: &impl Message, out: &mut Vec<u8>) {
    message
        .encode(out)
        .expect("a vector grows as long as what is written");
}
