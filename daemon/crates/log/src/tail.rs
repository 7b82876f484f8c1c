//! The end of the log on disk: where the next batch goes.
//!
//! Owned by the writer. Invariant: no block of an acknowledged batch is ever written again, and a
//! batch is begun only when the one before it is durable.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::LogError;
use crate::aligned::AlignedBuf;
use crate::disk::Disk;
use crate::format::{BATCH_HEADER_BYTES, Kind, Position, Record, Seal, begin_batch, finish_batch};
use crate::limits::{FILL_BYTES, PAGE_BYTES, SPARE_SEGMENTS_MAX};
use crate::picture::Metadata;
use crate::segment::{Segment, segment_path, spare_path};

/// The segment being written, and what the next one needs.
pub(crate) struct Tail {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) salt: u64,
    pub(crate) segment_bytes: u64,
    /// Numbers of emptied segments that wait to be used again.
    pub(crate) spares: VecDeque<u64>,
    /// Sequence number of the next batch.
    pub(crate) sequence: u64,
    pub(crate) segment: Arc<Segment>,
    pub(crate) block_bytes: usize,
    /// Where the next batch goes.
    pub(crate) offset: u64,
    /// How far the segment has bytes, zeros or older ones.
    pub(crate) filled: u64,
}

impl Tail {
    /// Makes the first segment of a new log.
    pub(crate) fn create(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        segment_bytes: u64,
        number: u64,
    ) -> Result<Tail, LogError> {
        let salt = disk.salt();
        let segment = make_segment(&*disk, &dir, segment_bytes, number)?;
        let mut tail = Tail {
            disk,
            dir,
            salt,
            segment_bytes,
            spares: VecDeque::new(),
            sequence: 1,
            block_bytes: segment.file.block_bytes(),
            filled: FILL_BYTES.min(segment_bytes),
            segment: Arc::new(segment),
            offset: 0,
        };
        tail.write_head(&Metadata::default(), 0)?;
        Ok(tail)
    }

    pub(crate) fn seal(&self) -> Seal {
        Seal::new(self.salt, self.segment.number)
    }

    /// Makes sure that a batch with a body of so many bytes fits, in a new segment if need be,
    /// whose head says `metadata` and `next_index`. Answers whether the segment is new.
    pub(crate) fn make_room(
        &mut self,
        body_bytes: usize,
        metadata: &Metadata,
        next_index: u64,
    ) -> Result<bool, LogError> {
        let batch = (BATCH_HEADER_BYTES + body_bytes).next_multiple_of(self.block_bytes) as u64;
        // A segment begun on a device with smaller sectors cannot be gone on with.
        let writable = self
            .block_bytes
            .is_multiple_of(self.segment.file.block_bytes());
        let rotate = !writable || self.offset + batch > self.segment_bytes;
        if rotate {
            self.rotate(metadata, next_index)?;
        }
        let batch = (BATCH_HEADER_BYTES + body_bytes).next_multiple_of(self.block_bytes) as u64;
        while self.filled < self.offset + batch {
            self.fill()?;
        }
        Ok(rotate)
    }

    /// Writes the batch in `buffer`, whose records are complete, durably.
    pub(crate) fn write(&mut self, buffer: &mut AlignedBuf) -> Result<(), LogError> {
        let at = Position {
            segment: self.segment.number,
            salt: self.salt,
            sequence: self.sequence,
            offset: self.offset as u32,
            block_bytes: self.block_bytes,
        };
        finish_batch(buffer, at);
        let written = self
            .segment
            .file
            .write_durable(self.offset, buffer.as_slice());
        written.map_err(LogError::io(&self.segment.path, "write"))?;
        self.offset += buffer.len() as u64;
        self.sequence = self.sequence.saturating_add(1);
        Ok(())
    }

    /// With nothing else to do: makes zeros before the next batch needs them.
    pub(crate) fn fill_ahead(&mut self) -> Result<(), LogError> {
        let ahead = self.filled.saturating_sub(self.offset);
        if ahead < FILL_BYTES / 2 && self.filled < self.segment_bytes {
            self.fill()?;
        }
        Ok(())
    }

    fn fill(&mut self) -> Result<(), LogError> {
        // The file may be of an odd length if an earlier fill was cut short.
        let from = self.filled - self.filled % PAGE_BYTES as u64;
        let from = from.max(self.offset.next_multiple_of(self.block_bytes as u64));
        let upto = (from + FILL_BYTES)
            .min(self.segment_bytes)
            .max(from + PAGE_BYTES as u64);
        let upto = upto.next_multiple_of(PAGE_BYTES as u64);
        let mut zeros = AlignedBuf::with_capacity(FILL_BYTES as usize);
        zeros.resize((upto - from) as usize);
        let filled = self.segment.file.write_durable(from, zeros.as_slice());
        filled.map_err(LogError::io(&self.segment.path, "fill"))?;
        self.filled = upto;
        Ok(())
    }

    fn rotate(&mut self, metadata: &Metadata, next_index: u64) -> Result<(), LogError> {
        let number = self.segment.number.saturating_add(1);
        let segment = match self.spares.pop_front() {
            Some(spare) => {
                let (from, to) = (
                    spare_path(&self.dir, spare),
                    segment_path(&self.dir, number),
                );
                self.disk
                    .rename(&from, &to)
                    .map_err(LogError::io(&from, "rename"))?;
                self.sync_dir()?;
                Segment::open(&*self.disk, &self.dir, number)?
            }
            None => make_segment(&*self.disk, &self.dir, self.segment_bytes, number)?,
        };
        let length = segment.length()?;
        self.filled = length.min(self.segment_bytes);
        self.block_bytes = segment.file.block_bytes();
        self.segment = Arc::new(segment);
        self.offset = 0;
        self.write_head(metadata, next_index)
    }

    /// The first batch of a segment: the metadata in force. It is written by itself, so that what
    /// a client sent never stands in a segment without a good head.
    fn write_head(&mut self, metadata: &Metadata, next_index: u64) -> Result<(), LogError> {
        let seal = self.seal();
        let mut buffer = AlignedBuf::with_capacity(PAGE_BYTES);
        begin_batch(&mut buffer);
        let mut push = |kind, index, payload: &Bytes| {
            seal.push(
                &mut buffer,
                Record {
                    kind,
                    index,
                    payload,
                },
            );
        };
        push(Kind::Head, next_index, &Bytes::new());
        if let Some((index, log_id)) = &metadata.purged {
            push(Kind::Purge, *index, log_id);
        }
        if let Some(vote) = &metadata.vote {
            push(Kind::Vote, 0, vote);
        }
        if let Some(committed) = &metadata.committed {
            push(Kind::Committed, 0, committed);
        }
        debug_assert!(buffer.len() <= PAGE_BYTES);
        self.write(&mut buffer)
    }

    /// Takes a segment out of the log. Where nobody reads it any more it is kept to be used
    /// again.
    pub(crate) fn retire(&mut self, number: u64, unused: bool) -> Result<(), LogError> {
        let path = segment_path(&self.dir, number);
        if unused && self.spares.len() < SPARE_SEGMENTS_MAX {
            let spare = spare_path(&self.dir, number);
            self.disk
                .rename(&path, &spare)
                .map_err(LogError::io(&path, "rename"))?;
            self.spares.push_back(number);
        } else {
            self.disk
                .remove(&path)
                .map_err(LogError::io(&path, "remove"))?;
        }
        self.sync_dir()
    }

    pub(crate) fn sync_dir(&self) -> Result<(), LogError> {
        self.disk
            .sync_dir(&self.dir)
            .map_err(LogError::io(&self.dir, "sync"))
    }
}

fn make_segment(
    disk: &dyn Disk,
    dir: &std::path::Path,
    segment_bytes: u64,
    number: u64,
) -> Result<Segment, LogError> {
    let path = segment_path(dir, number);
    let file = disk.create(&path, FILL_BYTES.min(segment_bytes));
    let file = file.map_err(LogError::io(&path, "create"))?;
    disk.sync_dir(dir).map_err(LogError::io(dir, "sync"))?;
    Ok(Segment { number, path, file })
}
