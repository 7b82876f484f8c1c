//! The sending side: rows of a view, in frames.

use std::ops::Bound;

use bytes::Bytes;
use redb::ReadableTable;

use super::frame::{self, Kind};
use super::{FORMAT, SnapshotMeta};
use crate::fault::Fault;
use crate::limits::SNAPSHOT_CHUNK_BYTES_MAX;
use crate::view::{Snapshot, View};
use crate::{StoreError, tables, varint};

/// Iterates the frames of a snapshot.
#[derive(Debug)]
pub struct SnapshotReader {
    view: View,
    meta: SnapshotMeta,
    place: Place,
    /// Encoded rows that no frame has taken yet.
    pending: Vec<u8>,
    number: u32,
    rows: u64,
    sum: u32,
}

#[derive(Debug)]
enum Place {
    Head,
    /// In the table of this index in [`tables::ALL`], behind this key.
    Table(usize, Option<Vec<u8>>),
    Done,
}

impl SnapshotReader {
    pub(crate) fn new(view: View) -> Result<SnapshotReader, StoreError> {
        let meta = SnapshotMeta {
            applied: view.applied(),
            membership: view.membership()?,
            revision: view.revision(),
        };
        Ok(SnapshotReader {
            view,
            meta,
            place: Place::Head,
            pending: Vec::new(),
            number: 0,
            rows: 0,
            sum: 0,
        })
    }

    /// What the snapshot holds.
    pub fn meta(&self) -> &SnapshotMeta {
        &self.meta
    }

    fn frame(&mut self, kind: Kind, payload: &[u8]) -> Bytes {
        let frame = frame::encode(self.number, kind, payload);
        self.number += 1;
        Bytes::from(frame)
    }

    fn head(&mut self) -> Result<Bytes, StoreError> {
        let payload = postcard::to_allocvec(&(FORMAT, &self.meta));
        let payload = payload.map_err(|error| StoreError::Snapshot {
            what: format!("cannot encode its head: {error}"),
        })?;
        self.place = Place::Table(0, None);
        Ok(self.frame(Kind::Head, &payload))
    }

    /// Reads on until there is a frame's worth of rows, or no more tables.
    fn fill(&mut self) -> Result<(), StoreError> {
        while self.pending.len() < SNAPSHOT_CHUNK_BYTES_MAX {
            let Place::Table(index, after) = &mut self.place else {
                return Ok(());
            };
            let Some(&(id, table)) = tables::ALL.get(*index) else {
                return Ok(());
            };
            let (pending, after) = (&mut self.pending, after.take());
            let read = |snapshot: &Snapshot| copy_rows(snapshot, id, table, after, pending);
            let (rows, last) = self.view.read(read)?;
            self.rows += rows;
            self.place = match last {
                Some(last) => Place::Table(*index, Some(last)),
                None => Place::Table(*index + 1, None),
            };
        }
        Ok(())
    }

    fn next_frame(&mut self) -> Result<Option<Bytes>, StoreError> {
        match self.place {
            Place::Head => return self.head().map(Some),
            Place::Done => return Ok(None),
            Place::Table(..) => {}
        }
        self.fill()?;
        if self.pending.is_empty() {
            self.place = Place::Done;
            let mut payload = self.rows.to_le_bytes().to_vec();
            payload.extend_from_slice(&self.sum.to_le_bytes());
            return Ok(Some(self.frame(Kind::End, &payload)));
        }
        let rest = self
            .pending
            .split_off(self.pending.len().min(SNAPSHOT_CHUNK_BYTES_MAX));
        let payload = std::mem::replace(&mut self.pending, rest);
        self.sum = crc32c::crc32c_append(self.sum, &payload);
        Ok(Some(self.frame(Kind::Rows, &payload)))
    }
}

impl Iterator for SnapshotReader {
    type Item = Result<Bytes, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_frame();
        if next.is_err() {
            self.place = Place::Done;
        }
        next.transpose()
    }
}

/// Appends rows behind a key until there is a frame's worth. Says how many, and the key of the
/// last one where the table may have more.
fn copy_rows(
    snapshot: &Snapshot,
    id: u8,
    table: tables::Definition,
    after: Option<Vec<u8>>,
    out: &mut Vec<u8>,
) -> Result<(u64, Option<Vec<u8>>), Fault> {
    let table = snapshot.table(table)?;
    let start = match &after {
        Some(key) => Bound::Excluded(&key[..]),
        None => Bound::Unbounded,
    };
    let mut rows = 0;
    for row in ReadableTable::range::<&[u8]>(&table, (start, Bound::Unbounded))? {
        let (key, value) = row?;
        let (key, value) = (key.value(), value.value());
        out.push(id);
        varint::push(key.len() as u64, out);
        varint::push(value.len() as u64, out);
        out.extend_from_slice(key);
        out.extend_from_slice(value);
        rows += 1;
        if out.len() >= SNAPSHOT_CHUNK_BYTES_MAX {
            return Ok((rows, Some(key.to_vec())));
        }
    }
    Ok((rows, None))
}
