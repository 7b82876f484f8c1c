//! Reading a large range chunk by chunk, so that memory does not grow with the answer.
//!
//! Knows nothing about requests. Invariant: all chunks are of one view, and together they are what
//! one range would have given.

use std::ops::ControlFlow;

use bytes::Bytes;
use skerry_proto::mvccpb;

use crate::fault::Fault;
use crate::keyspace::Keyspace;
use crate::revision::Position;
use crate::{KeyRange, StoreError, View};

/// The keys of a range, chunk by chunk; see [`View::range_chunks`].
#[derive(Debug)]
pub struct RangeChunks {
    view: View,
    rest: Option<KeyRange>,
    revision: i64,
}

impl RangeChunks {
    pub(crate) fn new(view: View, keys: KeyRange, revision: i64) -> RangeChunks {
        RangeChunks {
            view,
            rest: Some(keys),
            revision,
        }
    }

    /// The revision that is read.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// The next keys in order, until they have `bytes_max` bytes; at least one where there is
    /// one, none at the end.
    pub fn next_chunk(&mut self, bytes_max: usize) -> Result<Vec<mvccpb::KeyValue>, StoreError> {
        let mut kvs: Vec<mvccpb::KeyValue> = Vec::new();
        let Some(keys) = self.rest.take() else {
            return Ok(kvs);
        };
        let mut bytes = 0;
        let mut full = false;
        let revision = self.revision;
        self.view.read(|snapshot| {
            let mut take = |at: Position| -> Result<ControlFlow<()>, Fault> {
                if bytes >= bytes_max && !kvs.is_empty() {
                    full = true;
                    return Ok(ControlFlow::Break(()));
                }
                let kv = snapshot.load(at)?;
                bytes += kv.key.len() + kv.value.len();
                kvs.push(kv);
                Ok(ControlFlow::Continue(()))
            };
            match revision == snapshot.state.revision {
                true => snapshot.visit_live(&keys, |_, live| take(live.modified)),
                false => snapshot.visit_at(&keys, revision, |_, at| take(at)),
            }
        })?;
        if full && let Some(last) = kvs.last() {
            let mut start = Vec::with_capacity(last.key.len() + 1);
            start.extend_from_slice(&last.key);
            start.push(0);
            let start = Bytes::from(start);
            self.rest = Some(match keys {
                KeyRange::Span { end, .. } => KeyRange::Span { start, end },
                KeyRange::Key(_) | KeyRange::From(_) => KeyRange::From(start),
            });
        }
        Ok(kvs)
    }
}
