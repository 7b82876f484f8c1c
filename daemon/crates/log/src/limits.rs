//! Every bound of the log, with its unit.
//!
//! What comes from a file is held against these before anything is allocated for it.

/// Unit of alignment for everything that must suit any device: buffers in memory, the room a
/// segment's head may take, and blocks where the device's own size is not known.
pub const PAGE_BYTES: usize = 4096;

/// Smallest unit of a direct write.
pub const SECTOR_BYTES: usize = 512;

/// Size of a segment unless told otherwise.
pub const SEGMENT_BYTES_DEFAULT: u64 = 8 * 1024 * 1024;

/// Smallest segment that may be asked for.
pub const SEGMENT_BYTES_MIN: u64 = 16 * 1024;

/// Longest file that is taken for a segment.
pub const SEGMENT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// How far a new segment is zero-filled at a time, ahead of the records.
pub const FILL_BYTES: u64 = 256 * 1024;

/// Emptied segments kept for use again; more are removed.
pub const SPARE_SEGMENTS_MAX: usize = 2;

/// A batch takes no further operation once it holds this much. A larger single entry is written
/// alone.
pub const BATCH_BYTES: usize = 1024 * 1024;

/// Largest entry in a segment of the default size or more.
pub const ENTRY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Longest encoded vote, committed or purged log id.
pub const METADATA_BYTES_MAX: usize = 1024;

/// Longest body a batch on disk may claim.
pub const BODY_BYTES_MAX: usize = ENTRY_BYTES_MAX + BATCH_BYTES;

/// Recent entries kept in memory after they are durable, unless told otherwise.
pub const CACHE_BYTES_DEFAULT: usize = 4 * 1024 * 1024;

/// What an entry is taken to cost in memory beyond its own bytes.
pub const ENTRY_OVERHEAD_BYTES: usize = 64;

/// Bytes waiting for the disk beyond which [`crate::Log::has_room`] says no.
pub const QUEUE_BYTES_DEFAULT: usize = 4 * 1024 * 1024;

/// Operations waiting for the disk beyond which [`crate::Log::has_room`] says no.
pub const QUEUE_OPERATIONS_DEFAULT: usize = 4096;

/// Times the queue's bounds at which operations are refused outright.
pub const QUEUE_REFUSE_FACTOR: usize = 4;

/// Callers that may wait for room in the queue at a time.
pub const ROOM_WAITERS_MAX: usize = 1024;

/// Longest read from a segment at a time.
pub const READ_BYTES: usize = 256 * 1024;

/// Window through which a segment is scanned when the log is opened.
pub const SCAN_BYTES: usize = 256 * 1024;

/// Longest silence of the writer between two pulses while it is idle.
pub const IDLE_MS_MAX: u64 = 500;

/// Highest index an entry may have.
pub const INDEX_MAX: u64 = u64::MAX / 2;

/// Highest number a segment may have.
pub const SEGMENT_NUMBER_MAX: u64 = u64::MAX / 2;
