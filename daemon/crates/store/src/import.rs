//! A new state made of the rows of etcd's database, the way back of [`export`](crate::Bucket).
//!
//! Only what is live is kept: history ends at a restore, and all revisions before it count as
//! compacted, so that watchers and informers list anew. Knows nothing about the file that the rows
//! are from, and nothing of members and of the log.
//! Invariant: nothing is believed of a row; memory holds [`IMPORT_COMMIT_BYTES`] of rows.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use prost::Message;
use skerry_proto::authpb;
use skerry_proto::etcdserverpb as pb;
use skerry_proto::mvccpb::KeyValue;

use crate::export::LeaseMessage;
use crate::lease::LeaseRow;
use crate::limits::{IMPORT_COMMIT_BYTES, IMPORT_FLUSH_BYTES, LEASE_TTL_SECONDS_MAX};
use crate::revision::Position;
use crate::tables::Definition;
use crate::{Bucket, Entry, LogId, Options, Payload, QueryError, Store, StoreError, auth};

/// Rows of events as keys: revision, `_`, place in it, and `t` where it is a deletion.
const EVENT_KEY_BYTES: usize = 17;

/// A state cannot be made of the rows.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A row is not one of etcd's.
    #[error("row {row}: {what}")]
    Row {
        /// Its key, or that of the row in it, escaped.
        row: String,
        /// What is wrong with it.
        what: String,
    },
    /// The new state cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// The newest revision that was in the rows.
    pub revision: i64,
    /// The revision that the new state is at.
    pub bumped: i64,
    /// Keys that are live.
    pub keys: i64,
}

/// Says what a key is to have as its value; nothing where it is to be left out.
pub type Convert<'c> = dyn FnMut(&[u8], Bytes) -> Result<Option<Bytes>, String> + 'c;

/// One thing that is to be done, when enough of them have come.
enum Step {
    Put(Position, KeyValue),
    Delete(Bytes),
    Lease(i64, LeaseRow),
    Row(Definition, Bytes, Bytes),
}

/// A state that is being made.
pub struct Import<'c> {
    store: Store,
    path: PathBuf,
    convert: &'c mut Convert<'c>,
    steps: Vec<Step>,
    bytes: usize,
    unflushed: usize,
    last: Position,
}

impl<'c> Import<'c> {
    /// Begins a new state at `path`, where nothing may be. Leases must come before keys.
    pub fn create(path: &Path, convert: &'c mut Convert<'c>) -> Result<Import<'c>, ImportError> {
        Ok(Import {
            store: Store::open(path, Options::default())?,
            path: path.to_owned(),
            convert,
            steps: Vec::new(),
            bytes: 0,
            unflushed: 0,
            // The first revision is that of an empty keyspace.
            last: Position::new(1, u32::MAX),
        })
    }

    /// Takes the next row of a bucket. Alarms are not taken: they were of members that are gone.
    pub fn row(&mut self, bucket: Bucket, key: &[u8], value: &[u8]) -> Result<(), ImportError> {
        let step = match bucket {
            Bucket::Alarm => Ok(None),
            Bucket::Auth => switch(key, value),
            Bucket::AuthRoles => role(key, value),
            Bucket::AuthUsers => user(key, value),
            Bucket::Key => self.event(key, value),
            Bucket::Lease => lease(key, value),
        };
        let wrong = |what: String| ImportError::Row {
            row: row_name(bucket, key, value),
            what,
        };
        let Some(step) = step.map_err(wrong)? else {
            return Ok(());
        };
        self.steps.push(step);
        self.bytes += key.len() + value.len();
        if self.bytes >= IMPORT_COMMIT_BYTES {
            self.write()?;
        }
        Ok(())
    }

    /// Makes the state durable, `bump` revisions after the last row, with all before compacted. It
    /// counts as having applied an entry last, with this membership in force.
    pub fn finish(
        mut self,
        bump: i64,
        applied: LogId,
        membership: &Bytes,
    ) -> Result<Imported, ImportError> {
        self.write()?;
        let bumped = self.last.main.saturating_add(bump);
        self.store.mirror(|batch| {
            batch.mirror_base(bumped);
            batch.entry(&Entry {
                log_id: applied,
                payload: Payload::Membership(membership.clone()),
            })
        })?;
        self.store.commit_durable()?;
        drop(self.store);
        // As the next start will: also what the tables of users say is looked at.
        let store = Store::open(&self.path, Options::default())?;
        let all = pb::RangeRequest {
            key: Bytes::from_static(&[0]),
            range_end: Bytes::from_static(&[0]),
            count_only: true,
            ..pb::RangeRequest::default()
        };
        let counted = store.reader().view()?.range(&all);
        let keys = match counted {
            Ok(counted) => counted.count,
            Err(QueryError::Store(error)) => return Err(error.into()),
            Err(QueryError::Refused(_)) => 0,
        };
        Ok(Imported {
            revision: self.last.main,
            bumped,
            keys,
        })
    }

    fn event(&mut self, key: &[u8], value: &[u8]) -> Result<Option<Step>, String> {
        let (at, is_deletion) = position(key)?;
        let kv = KeyValue::decode(value).map_err(|error| error.to_string())?;
        if kv.key.is_empty() {
            return Err("it has no key".into());
        }
        if at <= self.last {
            return Err("it is not newer than the one before".into());
        }
        self.last = at;
        if is_deletion {
            return Ok(Some(Step::Delete(kv.key)));
        }
        let is_sound = kv.mod_revision == at.main
            && kv.version > 0
            && (1..=kv.mod_revision).contains(&kv.create_revision);
        if !is_sound {
            return Err("its revisions contradict each other".into());
        }
        let value = (self.convert)(&kv.key, kv.value.clone())?;
        Ok(Some(match value {
            Some(value) => Step::Put(at, KeyValue { value, ..kv }),
            None => Step::Delete(kv.key),
        }))
    }

    fn write(&mut self) -> Result<(), ImportError> {
        let steps = std::mem::take(&mut self.steps);
        self.unflushed += std::mem::take(&mut self.bytes);
        self.store.mirror(|batch| {
            steps.iter().try_for_each(|step| match step {
                Step::Put(at, kv) => batch.import_put(*at, kv),
                Step::Delete(key) => batch.import_delete(key),
                Step::Lease(id, row) => batch.import_lease(*id, *row),
                Step::Row(table, key, value) => batch.import_row(*table, key, value),
            })
        })?;
        // What is not durable, redb cannot use the room of.
        if self.unflushed >= IMPORT_FLUSH_BYTES {
            self.unflushed = 0;
            self.store.commit_durable()?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Import<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Import")
            .field("path", &self.path)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

/// What an error calls a row: of an event the key that it is of.
fn row_name(bucket: Bucket, key: &[u8], value: &[u8]) -> String {
    let of = match bucket {
        Bucket::Key => KeyValue::decode(value).map(|kv| kv.key),
        _ => Ok(Bytes::copy_from_slice(key)),
    };
    let of = of.unwrap_or_else(|_| Bytes::copy_from_slice(key));
    of.escape_ascii().to_string()
}

fn position(key: &[u8]) -> Result<(Position, bool), String> {
    let wrong = || "its key is not that of an event".to_owned();
    let (key, mark) = key.split_at_checked(EVENT_KEY_BYTES).ok_or_else(wrong)?;
    let number = |bytes: &[u8]| bytes.try_into().map(i64::from_be_bytes).ok();
    let main = number(&key[..8]).filter(|main| *main > 0);
    let sub = number(&key[9..]).and_then(|sub| u32::try_from(sub).ok());
    match (main, key[8], sub, mark) {
        (Some(main), b'_', Some(sub), b"" | b"t") => {
            Ok((Position::new(main, sub), !mark.is_empty()))
        }
        _ => Err(wrong()),
    }
}

fn lease(key: &[u8], value: &[u8]) -> Result<Option<Step>, String> {
    let lease = LeaseMessage::decode(value).map_err(|error| error.to_string())?;
    let is_sound = key == lease.id.to_be_bytes()
        && lease.id != 0
        && (1..=LEASE_TTL_SECONDS_MAX).contains(&lease.ttl)
        && (0..=lease.ttl).contains(&lease.remaining_ttl);
    if !is_sound {
        return Err("not a lease".into());
    }
    let row = LeaseRow {
        ttl: lease.ttl,
        remaining: lease.remaining_ttl,
    };
    Ok(Some(Step::Lease(lease.id, row)))
}

fn switch(key: &[u8], value: &[u8]) -> Result<Option<Step>, String> {
    let name: &'static [u8] = match (key, value.len()) {
        (b"authEnabled", 1) => b"enabled",
        (b"authRevision", 8) => b"revision",
        (b"authEnabled" | b"authRevision", _) => return Err("of another length".into()),
        _ => return Ok(None),
    };
    let value = Bytes::copy_from_slice(value);
    Ok(Some(Step::Row(auth::AUTH, Bytes::from_static(name), value)))
}

fn user(key: &[u8], value: &[u8]) -> Result<Option<Step>, String> {
    let user = authpb::User::decode(value).map_err(|error| error.to_string())?;
    named(auth::AUTH_USERS, key, &user.name, value)
}

fn role(key: &[u8], value: &[u8]) -> Result<Option<Step>, String> {
    let role = authpb::Role::decode(value).map_err(|error| error.to_string())?;
    named(auth::AUTH_ROLES, key, &role.name, value)
}

fn named(table: Definition, key: &[u8], name: &[u8], value: &[u8]) -> Result<Option<Step>, String> {
    if key != name || std::str::from_utf8(name).is_err() {
        return Err("it bears another name".into());
    }
    let (key, value) = (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
    Ok(Some(Step::Row(table, key, value)))
}
