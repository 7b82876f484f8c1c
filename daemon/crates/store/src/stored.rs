//! How much of the space quota a row takes.
//!
//! Pure. An estimate of what redb needs for a row, its share of half-filled pages included; what
//! adding a row counts is exactly what removing it gives back.

use crate::revision::POSITION_BYTES;
use crate::sealed::SEAL_BYTES;

/// Offsets and a share of the tree above, per row.
const ROW_BYTES: u64 = 16;

/// A live row without its key.
const LIVE_BYTES: u64 = 12 + SEAL_BYTES as u64;

/// A row of history without its key.
const HISTORY_BYTES: u64 = 2 + (POSITION_BYTES + 8 + SEAL_BYTES) as u64;

/// A row of `events` whose record is this long.
pub(crate) fn event_bytes(record: usize) -> u64 {
    ROW_BYTES + (POSITION_BYTES + record) as u64
}

/// A row of `keys`.
pub(crate) fn live_bytes(key: &[u8]) -> u64 {
    ROW_BYTES + LIVE_BYTES + key.len() as u64
}

/// A row of `history`.
pub(crate) fn history_bytes(key: &[u8]) -> u64 {
    ROW_BYTES + HISTORY_BYTES + key.len() as u64
}
