//! Walks through the batches of one segment.
//!
//! Knows nothing about what records mean. Invariant: memory is bounded by the largest batch
//! allowed and by the file's own length, whatever the bytes say.

use crate::LogError;
use crate::aligned::AlignedBuf;
use crate::format::{BATCH_HEADER_BYTES, BatchHeader, VERSION};
use crate::limits::{BODY_BYTES_MAX, PAGE_BYTES, SCAN_BYTES, SECTOR_BYTES, SEGMENT_BYTES_MAX};
use crate::segment::Segment;

/// A batch that is whole.
pub(crate) struct Batch<'a> {
    pub(crate) header: BatchHeader,
    pub(crate) body: &'a [u8],
    /// Offset of the block after it.
    pub(crate) end: u64,
}

/// What stands where a batch might.
pub(crate) enum Found<'a> {
    Batch(Batch<'a>),
    /// No head of this segment: never written, torn, or left from an earlier use.
    Nothing,
    /// A head of this segment whose body is not what it says.
    Torn(BatchHeader),
}

/// A window over one segment's file.
pub(crate) struct Scan<'a> {
    segment: &'a Segment,
    length: u64,
    window: AlignedBuf,
    window_start: u64,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(segment: &'a Segment) -> Result<Scan<'a>, LogError> {
        let length = segment.length()?;
        if length > SEGMENT_BYTES_MAX {
            let what = format!("the file has {length} bytes, more than any segment");
            return Err(LogError::corrupt(&segment.path, SEGMENT_BYTES_MAX, what));
        }
        let window = AlignedBuf::with_capacity(SCAN_BYTES);
        Ok(Scan {
            segment,
            length,
            window,
            window_start: 0,
        })
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The bytes at `offset`, fewer only at the end of the file.
    fn bytes(&mut self, offset: u64, count: usize) -> Result<&[u8], LogError> {
        let window_end = self.window_start + self.window.len() as u64;
        let end = (offset + count as u64).min(self.length);
        if offset < self.window_start || end > window_end {
            self.window_start = offset - offset % PAGE_BYTES as u64;
            let wanted = (end.saturating_sub(self.window_start) as usize).max(SCAN_BYTES);
            let there = self
                .length
                .saturating_sub(self.window_start)
                .min(wanted as u64) as usize;
            self.window.clear();
            self.window.resize(there);
            let read = self
                .segment
                .file
                .read_at(self.window_start, self.window.as_mut_slice());
            let read = read.map_err(LogError::io(&self.segment.path, "read"))?;
            self.window.resize(read.min(there));
        }
        let from = (offset.saturating_sub(self.window_start) as usize).min(self.window.len());
        let to = (from + count).min(self.window.len());
        Ok(&self.window.as_slice()[from..to])
    }

    /// The head of this segment at `offset`. `salt` is not checked where it is not yet known.
    pub(crate) fn header(
        &mut self,
        offset: u64,
        salt: Option<u64>,
    ) -> Result<Option<BatchHeader>, LogError> {
        let number = self.segment.number;
        let Some(header) = BatchHeader::decode(self.bytes(offset, BATCH_HEADER_BYTES)?) else {
            return Ok(None);
        };
        let own = header.segment == number
            && u64::from(header.offset) == offset
            && salt.is_none_or(|salt| salt == header.salt);
        if own && header.version != VERSION {
            let path = self.segment.path.clone();
            return Err(LogError::Version {
                path,
                found: header.version,
                supported: VERSION,
            });
        }
        Ok(own.then_some(header))
    }

    /// The batch at `offset`.
    pub(crate) fn batch(&mut self, offset: u64, salt: Option<u64>) -> Result<Found<'_>, LogError> {
        let Some(header) = self.header(offset, salt)? else {
            return Ok(Found::Nothing);
        };
        let length = header.body_bytes as usize;
        let block = block_bytes(&header);
        let body_start = offset + BATCH_HEADER_BYTES as u64;
        let Some(block) = block.filter(|_| length <= BODY_BYTES_MAX) else {
            return Ok(Found::Torn(header));
        };
        let body = self.bytes(body_start, length)?;
        if body.len() != length || crc32c::crc32c(body) != header.body_crc {
            return Ok(Found::Torn(header));
        }
        let end = (body_start + length as u64).next_multiple_of(block);
        Ok(Found::Batch(Batch { header, body, end }))
    }

    /// Offset of the first head of this segment at or after `offset`. Such a head proves that all
    /// before it had been durable.
    pub(crate) fn later_batch(
        &mut self,
        offset: u64,
        salt: Option<u64>,
    ) -> Result<Option<u64>, LogError> {
        let mut at = offset.next_multiple_of(SECTOR_BYTES as u64);
        while at < self.length {
            if self.header(at, salt)?.is_some() {
                return Ok(Some(at));
            }
            at += SECTOR_BYTES as u64;
        }
        Ok(None)
    }
}

/// Block size that a head states, where it is one.
pub(crate) fn block_bytes(header: &BatchHeader) -> Option<u64> {
    let smallest = SECTOR_BYTES.trailing_zeros() as u8;
    let largest = PAGE_BYTES.trailing_zeros() as u8;
    (smallest..=largest)
        .contains(&header.block_shift)
        .then(|| 1 << header.block_shift)
}
