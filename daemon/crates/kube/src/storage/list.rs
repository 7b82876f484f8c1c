//! The keys of a range, chunk by chunk, all of one revision.
//!
//! Lets go of its view of the store now and then, so that a slow reader does not hold the space of
//! what is overwritten meanwhile. Invariant: memory does not grow with the range.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use skerry_store::{KeyRange, RangeChunks, Reader};

use super::{StorageError, Stored, Vault};
use crate::limits::{LIST_CHUNK_BYTES, LIST_VIEW_TIME_MAX};

/// See the module.
pub(crate) struct Listing {
    reader: Reader,
    /// None: what is kept is returned as it is.
    vault: Option<Arc<Vault>>,
    chunks: RangeChunks,
    since: Instant,
    rest: KeyRange,
    revision: i64,
}

impl Listing {
    pub(super) fn new(
        reader: Reader,
        vault: Option<Arc<Vault>>,
        keys: KeyRange,
        revision: i64,
    ) -> Result<Listing, StorageError> {
        let view = reader.view()?;
        let chunks = view.range_chunks(keys.clone(), revision);
        let chunks = chunks.map_err(|error| StorageError::at(revision, error))?;
        Ok(Listing {
            reader,
            vault,
            revision: chunks.revision(),
            chunks,
            since: Instant::now(),
            rest: keys,
        })
    }

    /// The revision that is read.
    pub(crate) fn revision(&self) -> i64 {
        self.revision
    }

    /// The next keys; none at the end.
    pub(crate) fn next_chunk(&mut self) -> Result<Vec<Stored>, StorageError> {
        self.next_bytes(LIST_CHUNK_BYTES)
    }

    /// The next keys, until their objects have so many bytes; none at the end.
    pub(crate) fn next_bytes(&mut self, bytes_max: usize) -> Result<Vec<Stored>, StorageError> {
        if self.since.elapsed() > LIST_VIEW_TIME_MAX {
            let view = self.reader.view()?;
            let chunks = view.range_chunks(self.rest.clone(), self.revision);
            self.chunks = chunks.map_err(|error| StorageError::at(self.revision, error))?;
            self.since = Instant::now();
        }
        let kvs = self.chunks.next_chunk(bytes_max)?;
        if let Some(last) = kvs.last() {
            self.rest = after(&last.key, &self.rest);
        }
        let kvs = kvs.into_iter();
        match &self.vault {
            Some(vault) => kvs.map(|kv| vault.open(kv)).collect(),
            None => Ok(kvs.map(Stored::from).collect()),
        }
    }
}

/// The part of a range that follows a key.
fn after(key: &[u8], range: &KeyRange) -> KeyRange {
    let mut start = Vec::with_capacity(key.len() + 1);
    start.extend_from_slice(key);
    start.push(0);
    let start = Bytes::from(start);
    match range {
        KeyRange::Span { end, .. } => KeyRange::Span {
            start,
            end: end.clone(),
        },
        KeyRange::Key(_) | KeyRange::From(_) => KeyRange::From(start),
    }
}
