//! The receiving side: a state file made of frames.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{Durability, ReadableDatabase};

use super::frame::{self, HEAD_BYTES, Kind};
use super::{FORMAT, SnapshotMeta};
use crate::fault::Fault;
use crate::file::StateFile;
use crate::limits::{
    CACHE_BYTES_DEFAULT, SNAPSHOT_CHUNK_BYTES_MAX, SNAPSHOT_COMMIT_BYTES, SNAPSHOT_FIELD_BYTES_MAX,
};
use crate::store::load_state;
use crate::{StoreError, tables, varint};

/// Writes a received snapshot to a file, which is removed unless the snapshot is finished.
pub struct SnapshotWriter {
    path: PathBuf,
    /// Closed once the snapshot is whole.
    file: Option<StateFile>,
    finished: bool,
    meta: Option<SnapshotMeta>,
    ended: bool,
    number: u32,
    /// Bytes that no whole frame could be made of yet.
    unframed: Vec<u8>,
    /// Bytes of rows that have not been written yet.
    rows: Vec<u8>,
    count: u64,
    sum: u32,
}

impl SnapshotWriter {
    /// Begins a new file, instead of one that is left from an earlier attempt.
    pub fn create(path: &Path) -> Result<SnapshotWriter, StoreError> {
        let io = |source| StoreError::Io {
            path: path.to_path_buf(),
            source,
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .map_err(io)?;
        let backend = FileBackend::new(file).map_err(|source| StoreError::Open {
            path: path.to_path_buf(),
            source,
        })?;
        let file = StateFile::open_backend(backend, path, CACHE_BYTES_DEFAULT, false)?;
        Ok(SnapshotWriter {
            path: path.to_path_buf(),
            file: Some(file),
            finished: false,
            meta: None,
            ended: false,
            number: 0,
            unframed: Vec::new(),
            rows: Vec::new(),
            count: 0,
            sum: 0,
        })
    }

    /// What the snapshot holds, once its head has come.
    pub fn meta(&self) -> Option<&SnapshotMeta> {
        self.meta.as_ref()
    }

    /// Takes the next bytes of the stream, cut anywhere.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), StoreError> {
        loop {
            let room = HEAD_BYTES + SNAPSHOT_CHUNK_BYTES_MAX - self.unframed.len();
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.unframed.extend_from_slice(now);
            bytes = later;
            let mut used = 0;
            let unframed = std::mem::take(&mut self.unframed);
            while let Some(frame) = frame::decode(&unframed[used..], self.number).map_err(refuse)? {
                self.frame(frame.kind, frame.payload)?;
                self.number += 1;
                used += frame.len;
            }
            self.unframed = unframed;
            self.unframed.drain(..used);
            if bytes.is_empty() {
                return Ok(());
            }
        }
    }

    /// Checks that the stream was whole, and makes the file durable.
    pub fn finish(mut self) -> Result<SnapshotMeta, StoreError> {
        if !self.ended || !self.unframed.is_empty() {
            return Err(refuse("it ends early"));
        }
        let meta = self.meta.take().ok_or_else(|| refuse("it has no head"))?;
        let file = self.file.take();
        let file = file.ok_or_else(|| refuse("it is finished already"))?;
        let commit = || -> Result<(), Fault> {
            let mut txn = file.database.begin_write()?;
            txn.set_durability(Durability::Immediate)?;
            txn.set_quick_repair(true);
            txn.commit()?;
            let read = file.database.begin_read()?;
            let state = load_state(&read.open_table(tables::META)?)?;
            if state.applied != meta.applied || state.revision != meta.revision {
                return Err(Fault::corrupt("its head and its rows differ"));
            }
            Ok(())
        };
        commit().map_err(|fault| fault.store(&self.path))?;
        drop(file);
        self.finished = true;
        Ok(meta)
    }

    fn frame(&mut self, kind: Kind, payload: &[u8]) -> Result<(), StoreError> {
        match kind {
            _ if self.ended => Err(refuse("something follows its end")),
            Kind::Head if self.meta.is_none() => {
                self.meta = Some(decode_head(payload)?);
                Ok(())
            }
            Kind::Rows if self.meta.is_some() => {
                self.sum = crc32c::crc32c_append(self.sum, payload);
                self.rows.extend_from_slice(payload);
                if self.rows.len() >= SNAPSHOT_COMMIT_BYTES {
                    self.write_rows()?;
                }
                Ok(())
            }
            Kind::End if self.meta.is_some() => self.end(payload),
            _ => Err(refuse("a frame is out of place")),
        }
    }

    fn end(&mut self, payload: &[u8]) -> Result<(), StoreError> {
        self.write_rows()?;
        let mut wanted = self.count.to_le_bytes().to_vec();
        wanted.extend_from_slice(&self.sum.to_le_bytes());
        if payload != wanted || !self.rows.is_empty() {
            return Err(refuse("rows are missing"));
        }
        self.ended = true;
        Ok(())
    }

    /// Writes all whole rows to the file.
    fn write_rows(&mut self) -> Result<(), StoreError> {
        let Some(file) = &self.file else {
            return Err(refuse("it is finished already"));
        };
        let written = write_rows(file, &self.rows);
        let (count, used) = written.map_err(|trouble| match trouble {
            Trouble::Stream(what) => refuse(what),
            Trouble::File(fault) => fault.store(&self.path),
        })?;
        self.count += count;
        self.rows.drain(..used);
        Ok(())
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        self.file = None;
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove a broken snapshot");
        }
    }
}

impl std::fmt::Debug for SnapshotWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotWriter")
            .field("path", &self.path)
            .field("meta", &self.meta)
            .field("rows", &self.count)
            .finish_non_exhaustive()
    }
}

enum Trouble {
    Stream(String),
    File(Fault),
}

impl<E: Into<Fault>> From<E> for Trouble {
    fn from(fault: E) -> Trouble {
        Trouble::File(fault.into())
    }
}

/// Writes the whole rows at the front of `bytes`; says how many, and the bytes they took.
fn write_rows(file: &StateFile, bytes: &[u8]) -> Result<(u64, usize), Trouble> {
    let mut txn = file.database.begin_write()?;
    txn.set_durability(Durability::None)?;
    let (mut count, mut rest) = (0, bytes);
    let mut open = None;
    while let Some(row) = Row::take(&mut rest).map_err(Trouble::Stream)? {
        if open.as_ref().is_none_or(|(table, _)| *table != row.table) {
            drop(open.take());
            let known = tables::ALL.iter().find(|(id, _)| *id == row.table);
            let unknown = || Trouble::Stream(format!("there is no table {}", row.table));
            let (_, definition) = known.ok_or_else(unknown)?;
            open = Some((row.table, txn.open_table(*definition)?));
        }
        if let Some((_, table)) = &mut open {
            table.insert(row.key, row.value)?;
        }
        count += 1;
    }
    drop(open);
    txn.commit()?;
    Ok((count, bytes.len() - rest.len()))
}

/// One row of a table.
struct Row<'b> {
    table: u8,
    key: &'b [u8],
    value: &'b [u8],
}

impl<'b> Row<'b> {
    /// Takes a row off the front, if it is all there.
    fn take(bytes: &mut &'b [u8]) -> Result<Option<Row<'b>>, String> {
        let mut rest = *bytes;
        let Some((&table, lens)) = rest.split_first() else {
            return Ok(None);
        };
        rest = lens;
        let mut len = || -> Result<Option<usize>, String> {
            match varint::read(&mut rest) {
                Some(len) if len <= SNAPSHOT_FIELD_BYTES_MAX as u64 => Ok(Some(len as usize)),
                Some(len) => Err(format!("a row has a field of {len} bytes")),
                None if rest.len() >= varint::BYTES_MAX => Err("a row has no length".into()),
                None => Ok(None),
            }
        };
        let (Some(key_len), Some(value_len)) = (len()?, len()?) else {
            return Ok(None);
        };
        let Some((key, behind)) = rest.split_at_checked(key_len) else {
            return Ok(None);
        };
        let Some((value, behind)) = behind.split_at_checked(value_len) else {
            return Ok(None);
        };
        *bytes = behind;
        Ok(Some(Row { table, key, value }))
    }
}

fn decode_head(payload: &[u8]) -> Result<SnapshotMeta, StoreError> {
    let (format, meta): (u32, &[u8]) = match postcard::take_from_bytes(payload) {
        Ok((format, meta)) => (format, meta),
        Err(error) => return Err(refuse(format!("its head cannot be read: {error}"))),
    };
    if format != FORMAT {
        return Err(refuse(format!("its format is {format}, not {FORMAT}")));
    }
    postcard::from_bytes(meta).map_err(|error| refuse(format!("its head cannot be read: {error}")))
}

fn refuse(what: impl Into<String>) -> StoreError {
    StoreError::Snapshot { what: what.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key_len: u64, value_len: u64, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![1];
        varint::push(key_len, &mut bytes);
        varint::push(value_len, &mut bytes);
        bytes.extend_from_slice(rest);
        bytes
    }

    #[test]
    fn a_row_is_taken_once_all_of_it_has_come() {
        let bytes = row(2, 300, &[7; 302]);
        for cut in 0..bytes.len() {
            let mut rest = &bytes[..cut];
            assert!(matches!(Row::take(&mut rest), Ok(None)), "cut at {cut}");
            assert_eq!(rest.len(), cut);
        }
        let mut rest = &bytes[..];
        let taken = Row::take(&mut rest).ok().flatten();
        assert!(taken.is_some_and(|row| row.key.len() == 2 && row.value.len() == 300));
        assert!(rest.is_empty());
    }

    #[test]
    fn a_row_that_claims_a_field_above_the_limit_is_refused_before_it_has_come() {
        let most = SNAPSHOT_FIELD_BYTES_MAX as u64;
        assert!(matches!(
            Row::take(&mut &row(most, most, b"")[..]),
            Ok(None)
        ));
        assert!(Row::take(&mut &row(most + 1, 0, b"")[..]).is_err());
        assert!(Row::take(&mut &row(0, most + 1, b"")[..]).is_err());
        assert!(Row::take(&mut &[&[1][..], &[0xff; 20]].concat()[..]).is_err());
    }
}
