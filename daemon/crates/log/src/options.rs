//! Settings of a log, each held against its range.

use crate::LogError;
use crate::format::{BATCH_HEADER_BYTES, RECORD_HEADER_BYTES};
use crate::limits::{
    BATCH_BYTES, CACHE_BYTES_DEFAULT, ENTRY_BYTES_MAX, PAGE_BYTES, QUEUE_BYTES_DEFAULT,
    QUEUE_OPERATIONS_DEFAULT, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN,
};
use crate::queue::Bounds;

/// How large things may become.
#[derive(Debug, Clone)]
pub struct Options {
    /// Size of a segment: a multiple of 4096.
    pub segment_bytes: u64,
    /// Bytes of durable entries kept in memory. Entries that wait for the disk come on top.
    pub cache_bytes: usize,
    /// Bytes that may wait for the disk before [`crate::Log::has_room`] says no.
    pub queue_bytes: usize,
    /// Operations that may wait for the disk before [`crate::Log::has_room`] says no.
    pub queue_operations: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            cache_bytes: CACHE_BYTES_DEFAULT,
            queue_bytes: QUEUE_BYTES_DEFAULT,
            queue_operations: QUEUE_OPERATIONS_DEFAULT,
        }
    }
}

impl Options {
    /// The bounds that follow. A batch that is taken alone, and any other, must fit in a segment
    /// behind its head.
    pub(crate) fn bounds(&self) -> Result<Bounds, LogError> {
        let range = SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX;
        let whole = self.segment_bytes.is_multiple_of(PAGE_BYTES as u64);
        if !range.contains(&self.segment_bytes) || !whole {
            let allowed =
                format!("{SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX}, in steps of {PAGE_BYTES}");
            return Err(LogError::Option {
                name: "segment_bytes",
                value: self.segment_bytes,
                allowed,
            });
        }
        for (name, value) in [
            ("queue_bytes", self.queue_bytes),
            ("queue_operations", self.queue_operations),
        ] {
            if value == 0 {
                return Err(LogError::Option {
                    name,
                    value: 0,
                    allowed: "1 or more".to_owned(),
                });
            }
        }
        let body = self.segment_bytes as usize - 2 * PAGE_BYTES - BATCH_HEADER_BYTES;
        Ok(Bounds {
            entry_bytes: ENTRY_BYTES_MAX.min(body - RECORD_HEADER_BYTES),
            batch_bytes: BATCH_BYTES.min(body),
            queue_bytes: self.queue_bytes,
            queue_operations: self.queue_operations,
        })
    }
}
