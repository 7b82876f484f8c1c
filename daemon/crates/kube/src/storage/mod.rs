//! Objects as bytes under keys: read, compare and write, list, watch.
//!
//! Knows nothing about HTTP or what the bytes mean. Invariant: a write happens only if the key is
//! still at the revision that the writer has seen.

mod datastore;
mod error;
mod hub;
pub(crate) mod keyring;
mod list;
#[cfg(test)]
pub(crate) mod local;
mod vault;
mod watch;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use skerry_proto::command::command::Operation;
use skerry_proto::etcdserverpb as pb;
use skerry_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use skerry_proto::etcdserverpb::request_op::Request;
use skerry_proto::mvccpb;
use skerry_store::{KeyRange, Reply, View, quota};

pub use datastore::{Datastore, Leadership, Pending};
pub(crate) use error::StorageError;
pub(crate) use hub::Hub;
use keyring::{Contents, SealError};
pub(crate) use list::Listing;
pub(crate) use vault::{Known, PLACE as KEYRING, Vault};
pub(crate) use watch::{Batch, Change, Cursor};

use crate::limits::{ELECTION_TIME_MAX, LINEARIZE_TIME_MAX};

/// A value and when it was written.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
    /// The revision that wrote it.
    pub(crate) revision: i64,
    /// The revision that made the key.
    pub(crate) created: i64,
    /// The lease that it ends with; 0: none.
    pub(crate) lease: i64,
}

impl From<mvccpb::KeyValue> for Stored {
    fn from(kv: mvccpb::KeyValue) -> Self {
        Stored {
            key: kv.key,
            value: kv.value,
            revision: kv.mod_revision,
            created: kv.create_revision,
            lease: kv.lease,
        }
    }
}

/// What a write is to do.
#[derive(Debug, Clone)]
pub(crate) enum Write {
    /// Keep this value; with a lease other than 0, as long as the lease lives.
    Put(Bytes, i64),
    /// Remove the key.
    Delete,
}

/// Another key that a write depends on, and may put: both are done at the same revision or neither.
#[derive(Debug)]
pub(crate) struct Along {
    pub(crate) key: String,
    /// The revision that it must be at.
    pub(crate) expected: i64,
    /// What it is to hold, and with which lease; none: it stays as it is.
    pub(crate) put: Option<(Bytes, i64)>,
}

/// What became of a write.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was done, at this revision.
    Done(i64),
    /// The key was not at the expected revision.
    Conflict,
}

/// How fresh a read is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// Everything that was acknowledged before is in it.
    Newest,
    /// No quorum could be asked: it may be old.
    Local,
}

/// The engine's store. Clones are handles to the same one.
#[derive(Clone)]
pub(crate) struct Storage {
    datastore: Arc<dyn Datastore>,
    hub: Arc<Hub>,
    vault: Arc<Vault>,
    /// Since when nobody leads, as far as somebody has looked.
    leaderless: Arc<Mutex<Option<Instant>>>,
}

impl Storage {
    /// Needs a runtime: what watchers are told comes from a task.
    /// What is encrypted is opened with what the servers' common key opens.
    pub(crate) fn new(datastore: Arc<dyn Datastore>, service_key: Option<&str>) -> Storage {
        let hub = Hub::new(datastore.reader());
        let vault = Vault::new(datastore.reader(), service_key);
        tokio::spawn(Arc::clone(&hub).run());
        Storage {
            datastore,
            hub,
            vault,
            leaderless: Arc::default(),
        }
    }

    pub(crate) fn leadership(&self) -> Leadership {
        let leadership = self.datastore.leadership();
        let mut leaderless = self
            .leaderless
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match leadership {
            Leadership::Nobody => _ = leaderless.get_or_insert_with(Instant::now),
            Leadership::Here | Leadership::Elsewhere => *leaderless = None,
        }
        leadership
    }

    /// Why nothing can be written: whether waiting a moment may help.
    pub(crate) fn no_quorum(&self) -> StorageError {
        // Whoever asks keeps the time.
        let leadership = self.leadership();
        let leaderless = self
            .leaderless
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let for_long = leaderless.is_some_and(|since| since.elapsed() > ELECTION_TIME_MAX);
        let for_long = for_long || self.datastore.is_cut_off();
        match for_long && leadership == Leadership::Nobody {
            true => StorageError::NoQuorum,
            false => StorageError::Election,
        }
    }

    async fn propose(&self, operation: Operation) -> Result<Reply, StorageError> {
        let proposed = self.datastore.propose(operation).await;
        proposed.map_err(|error| match StorageError::from(error) {
            StorageError::NoQuorum => self.no_quorum(),
            other => other,
        })
    }

    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        self.datastore.addresses()
    }

    /// Makes the reads that follow see everything acknowledged before, where there is a quorum.
    pub(crate) async fn freshen(&self) -> Freshness {
        if self.leadership() == Leadership::Nobody {
            return Freshness::Local;
        }
        let barrier = tokio::time::timeout(LINEARIZE_TIME_MAX, self.datastore.linearize());
        match barrier.await {
            Ok(Ok(())) => Freshness::Newest,
            _ => Freshness::Local,
        }
    }

    /// The state as it is here and now.
    pub(crate) fn view(&self) -> Result<View, StorageError> {
        Ok(self.datastore.reader().view()?)
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<Stored>, StorageError> {
        let found = self.view()?.get(key.as_bytes())?;
        found.map(|found| self.vault.open(found)).transpose()
    }

    /// The keys below a prefix, in order, at a revision (0: the newest).
    pub(crate) fn list(&self, keys: KeyRange, revision: i64) -> Result<Listing, StorageError> {
        let vault = Some(Arc::clone(&self.vault));
        Listing::new(self.datastore.reader(), vault, keys, revision)
    }

    /// As [`Storage::list`], of what is kept as it is kept: encrypted where it is.
    pub(crate) fn list_kept(&self, keys: KeyRange) -> Result<Listing, StorageError> {
        Listing::new(self.datastore.reader(), None, keys, 0)
    }

    /// Seals and opens what is kept.
    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    /// As it was written, what was listed as it is kept.
    pub(crate) fn opened(&self, stored: Stored) -> Result<Stored, StorageError> {
        self.vault.open(stored)
    }

    /// Writes the keyring, which was at `expected`.
    pub(crate) async fn write_keyring(
        &self,
        expected: i64,
        contents: &Contents,
    ) -> Result<Outcome, StorageError> {
        let closed = self.vault.closed(contents)?;
        let outcome = self.write(KEYRING, expected, Write::Put(closed, 0)).await;
        self.vault.refresh()?;
        outcome
    }

    /// How many keys a range holds at a revision (0: the newest).
    pub(crate) fn count(&self, keys: &KeyRange, revision: i64) -> Result<i64, StorageError> {
        let (key, range_end) = match keys {
            KeyRange::Key(key) => (key.clone(), Bytes::new()),
            KeyRange::Span { start, end } => (start.clone(), end.clone()),
            KeyRange::From(start) => (start.clone(), Bytes::from_static(b"\0")),
        };
        let request = pb::RangeRequest {
            key,
            range_end,
            revision,
            count_only: true,
            ..pb::RangeRequest::default()
        };
        let found = self.view()?.range(&request);
        Ok(found
            .map_err(|error| StorageError::at(revision, error))?
            .count)
    }

    /// Changes below a range from a revision on.
    pub(crate) fn watch(&self, keys: KeyRange, from: i64) -> Result<Cursor, StorageError> {
        let vault = Arc::clone(&self.vault);
        Cursor::new(&self.hub, vault, self.datastore.reader(), keys, from)
    }

    /// Writes a key that is at `expected` (0: that is not there).
    pub(crate) async fn write(
        &self,
        key: &str,
        expected: i64,
        write: Write,
    ) -> Result<Outcome, StorageError> {
        self.write_with(key, expected, write, Vec::new()).await
    }

    /// As [`Storage::write`], with other keys along: all of it is done, or nothing.
    pub(crate) async fn write_with(
        &self,
        key: &str,
        expected: i64,
        write: Write,
        along: Vec<Along>,
    ) -> Result<Outcome, StorageError> {
        if self.leadership() == Leadership::Nobody {
            return Err(self.no_quorum());
        }
        let key = Bytes::copy_from_slice(key.as_bytes());
        let write = match write {
            Write::Put(value, lease) => Write::Put(self.vault.seal(&key, value)?, lease),
            Write::Delete => Write::Delete,
        };
        let mut txn = compare_and_write(key, expected, write);
        for Along { key, expected, put } in along {
            let key = Bytes::from(key);
            match put {
                None => txn.compare.push(unchanged(key, expected)),
                Some((value, lease)) => {
                    let value = self.vault.seal(&key, value)?;
                    let put = compare_and_write(key, expected, Write::Put(value, lease));
                    txn.compare.extend(put.compare);
                    txn.success.extend(put.success);
                }
            }
        }
        let view = self.view()?;
        let quota = self.datastore.reader().quota_bytes();
        if matches!(txn.success[0].request, Some(Request::RequestPut(_)))
            && view
                .size_in_use_bytes()
                .saturating_add(quota::txn_cost_bytes(&txn))
                >= quota
        {
            return Err(StorageError::NoSpace);
        }
        drop(view);
        match self.propose(Operation::Txn(txn)).await? {
            Reply::Txn(reply) if reply.succeeded => {
                let revision = reply.header.map_or(0, |header| header.revision);
                Ok(Outcome::Done(revision))
            }
            Reply::Txn(_) => Ok(Outcome::Conflict),
            other => Err(StorageError::Unexpected(format!("{other:?}"))),
        }
    }

    /// A lease of so many seconds, for [`Write::Put`].
    pub(crate) async fn lease(&self, seconds: i64) -> Result<i64, StorageError> {
        let grant = pb::LeaseGrantRequest {
            ttl: seconds,
            id: 0,
        };
        match self.propose(Operation::LeaseGrant(grant)).await? {
            Reply::LeaseGrant(reply) => Ok(reply.id),
            other => Err(StorageError::Unexpected(format!("{other:?}"))),
        }
    }

    /// Forgets what was before a revision.
    pub(crate) async fn compact(&self, revision: i64) -> Result<(), StorageError> {
        let compaction = pb::CompactionRequest {
            revision,
            physical: false,
        };
        self.datastore
            .propose(Operation::Compaction(compaction))
            .await?;
        Ok(())
    }
}

/// That a key is at a revision.
fn unchanged(key: Bytes, expected: i64) -> pb::Compare {
    pb::Compare {
        result: CompareResult::Equal as i32,
        target: CompareTarget::Mod as i32,
        key,
        target_union: Some(TargetUnion::ModRevision(expected)),
        ..pb::Compare::default()
    }
}

fn compare_and_write(key: Bytes, expected: i64, write: Write) -> pb::TxnRequest {
    let unchanged = unchanged(key.clone(), expected);
    let change = match write {
        Write::Put(value, lease) => Request::RequestPut(pb::PutRequest {
            key: key.clone(),
            value,
            lease,
            ..pb::PutRequest::default()
        }),
        Write::Delete => Request::RequestDeleteRange(pb::DeleteRangeRequest {
            key: key.clone(),
            ..pb::DeleteRangeRequest::default()
        }),
    };
    let one = |request| {
        vec![pb::RequestOp {
            request: Some(request),
        }]
    };
    pb::TxnRequest {
        compare: vec![unchanged],
        success: one(change),
        failure: Vec::new(),
    }
}

/// All keys that start with a prefix.
pub(crate) fn below(prefix: &str) -> KeyRange {
    let mut end = prefix.as_bytes().to_vec();
    // Prefixes are paths: they end in '/', which has a successor.
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    KeyRange::Span {
        start: Bytes::copy_from_slice(prefix.as_bytes()),
        end: Bytes::from(end),
    }
}
