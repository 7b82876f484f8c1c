//! Writing keys: put and delete, with the history and the leases that hang on them.
//!
//! Invariant: `keys` holds a key exactly while its newest event is a put; what an event replaces
//! goes to `history` with the revision that replaced it; a key is in `lease_keys` exactly while it
//! lives and has a lease.

use bytes::Bytes;
use skerry_proto::mvccpb;
use skerry_proto::mvccpb::event::EventType;
use skerry_proto::{etcdserverpb as pb, mvccpb::KeyValue};

use super::Batch;
use crate::fault::Fault;
use crate::keyspace::Keyspace;
use crate::limits::DELETE_STEP_KEYS_MAX;
use crate::record::{self, EventRecord, Live};
use crate::revision::Position;
use crate::sealed::{self, SEAL_BYTES};
use crate::stored;
use crate::{ApplyError, KeyRange, history_key, tables};
use std::ops::ControlFlow;

impl Batch<'_> {
    /// A put that is a command of its own.
    pub(super) fn put_alone(&mut self, put: &pb::PutRequest) -> Result<pb::PutResponse, Fault> {
        self.check_lease(put.lease)?;
        self.put(put)
    }

    /// Puts a key whose lease is known to exist.
    pub(super) fn put(&mut self, put: &pb::PutRequest) -> Result<pb::PutResponse, Fault> {
        let old = self.live(&put.key)?;
        let mut previous = None;
        if let Some(old) = old
            && (put.prev_kv || put.ignore_value)
        {
            previous = Some(self.load(old.modified)?);
        }
        let mut value = put.value.clone();
        let mut lease = put.lease;
        if put.ignore_value || put.ignore_lease {
            let old = old.ok_or(ApplyError::KeyNotFound)?;
            if put.ignore_lease {
                lease = old.lease;
            }
            if let Some(previous) = previous.as_ref().filter(|_| put.ignore_value) {
                value = previous.value.clone();
            }
        }
        self.write(&put.key, value, lease, old)?;
        Ok(pb::PutResponse {
            header: self.header(),
            prev_kv: previous.filter(|_| put.prev_kv),
        })
    }

    /// Deletes all keys of a range.
    pub(super) fn delete_range(
        &mut self,
        delete: &pb::DeleteRangeRequest,
    ) -> Result<pb::DeleteRangeResponse, Fault> {
        let mut response = pb::DeleteRangeResponse::default();
        let mut range = KeyRange::new(&delete.key, &delete.range_end);
        loop {
            let step = self.live_keys(&range)?;
            for (key, live) in &step {
                if delete.prev_kv {
                    response.prev_kvs.push(self.load(live.modified)?);
                }
                self.delete(key, *live)?;
            }
            response.deleted += step.len() as i64;
            match step.last() {
                // What was read is gone: the range may begin after it.
                Some((last, _)) if step.len() == DELETE_STEP_KEYS_MAX => {
                    range = after(&range, last);
                }
                _ => break,
            }
        }
        response.header = self.header();
        Ok(response)
    }

    /// Deletes a live key.
    pub(super) fn delete(&mut self, key: &Bytes, old: Live) -> Result<(), Fault> {
        let at = self.next_position()?;
        self.insert_event(
            at,
            EventRecord {
                tombstone: true,
                create: 0,
                version: 0,
                lease: 0,
                previous: Some(old.modified),
                key,
                value: &[],
            },
        )?;
        self.keys.remove(&key[..])?;
        self.state.stored_bytes -= stored::live_bytes(key);
        self.replace(key, old.modified, at.main)?;
        if old.lease != 0 {
            let row = tables::lease_key_row(old.lease, key);
            self.lease_keys()?.remove(&row[..])?;
        }
        let kv = KeyValue {
            key: key.clone(),
            mod_revision: at.main,
            ..KeyValue::default()
        };
        self.changes.push(record::event(EventType::Delete, kv));
        Ok(())
    }

    /// The header of an answer inside a transaction: the revision that its writes will have.
    pub(super) fn header(&self) -> Option<pb::ResponseHeader> {
        Some(pb::ResponseHeader {
            revision: self.window().revision,
            ..pb::ResponseHeader::default()
        })
    }

    pub(super) fn write(
        &mut self,
        key: &Bytes,
        value: Bytes,
        lease: i64,
        old: Option<Live>,
    ) -> Result<(), Fault> {
        let at = self.next_position()?;
        let live = Live {
            modified: at,
            create: old.map_or(at.main, |old| old.create),
            version: old.map_or(0, |old| old.version) + 1,
            lease,
        };
        self.insert_event(
            at,
            EventRecord {
                tombstone: false,
                create: live.create,
                version: live.version,
                lease,
                previous: old.map(|old| old.modified),
                key,
                value: &value,
            },
        )?;
        let mut row = [0; Live::BYTES_MAX + SEAL_BYTES];
        let used = live.encode(&mut row);
        let used = sealed::seal_in_place(key, &mut row, used);
        self.keys.insert(&key[..], &row[..used])?;
        match old {
            Some(old) => self.replace(key, old.modified, at.main)?,
            None => self.state.stored_bytes += stored::live_bytes(key),
        }
        self.move_lease(key, old.map_or(0, |old| old.lease), lease)?;
        let kv = mvccpb::KeyValue {
            key: key.clone(),
            create_revision: live.create,
            mod_revision: at.main,
            version: live.version,
            value,
            lease,
        };
        self.changes.push(record::event(EventType::Put, kv));
        Ok(())
    }

    pub(super) fn insert_event(
        &mut self,
        at: Position,
        record: EventRecord<'_>,
    ) -> Result<(), Fault> {
        let len = record.encoded_len(at);
        let mut row = self.events.insert_reserve(&at.encode()[..], len)?;
        record.encode(at, row.as_mut());
        drop(row);
        self.state.stored_bytes += stored::event_bytes(len);
        Ok(())
    }

    /// Notes that a key's event was replaced.
    fn replace(&mut self, key: &[u8], old: Position, by: i64) -> Result<(), Fault> {
        let row = history_key::row(key, old);
        let until = sealed::seal(&row, &by.to_be_bytes());
        self.history.insert(&row[..], &until[..])?;
        self.state.stored_bytes += stored::history_bytes(key);
        Ok(())
    }

    pub(super) fn move_lease(&mut self, key: &[u8], old: i64, new: i64) -> Result<(), Fault> {
        if old == new {
            return Ok(());
        }
        if old != 0 {
            let row = tables::lease_key_row(old, key);
            self.lease_keys()?.remove(&row[..])?;
        }
        if new != 0 {
            let row = tables::lease_key_row(new, key);
            let seal = sealed::seal(&row, &[]);
            self.lease_keys()?.insert(&row[..], &seal[..])?;
        }
        Ok(())
    }

    /// The first live keys of a range.
    fn live_keys(&self, range: &KeyRange) -> Result<Vec<(Bytes, Live)>, Fault> {
        let mut found = Vec::new();
        self.visit_live(range, |key, live| {
            found.push((Bytes::copy_from_slice(key), live));
            Ok(if found.len() < DELETE_STEP_KEYS_MAX {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        })?;
        Ok(found)
    }
}

/// The part of a range that begins at a key which is in it.
fn after(range: &KeyRange, key: &Bytes) -> KeyRange {
    match range {
        KeyRange::Span { end, .. } => KeyRange::Span {
            start: key.clone(),
            end: end.clone(),
        },
        KeyRange::Key(_) | KeyRange::From(_) => KeyRange::From(key.clone()),
    }
}
