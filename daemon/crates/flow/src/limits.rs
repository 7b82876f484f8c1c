//! Every bound on what comes from outside, with its unit.

use std::time::Duration;

/// Seats of one list at most, as upstream's.
pub const LIST_SEATS_MAX: u32 = 10;

/// Objects that a list reads for each seat that it takes, as upstream's.
pub const OBJECTS_PER_SEAT: u64 = 100;

/// How long a request is thought to run, before it has: upstream's guess.
pub const SERVICE_TIME: Duration = Duration::from_millis(3);

/// Between two looks at which levels lend seats to which.
pub const REBALANCE_INTERVAL: Duration = Duration::from_secs(10);

/// Seconds after which clients are told to come again, at most.
pub const RETRY_AFTER_SECONDS_MAX: u32 = 32;

/// Pairs of a flow schema and a priority level that are counted apart; others are not counted.
pub const ROWS_MAX: usize = 256;

/// Rules, subjects and words of all flow schemas together that are kept; schemas beyond are as good
/// as not there.
pub const WORDS_MAX: usize = 16 << 10;

/// Bytes of all flow schemas together that are kept.
pub const WORD_BYTES_MAX: usize = 512 << 10;

/// Priority levels that are kept, the mandatory ones included.
pub const LEVELS_MAX: usize = 256;

/// Queues of one flow: more than validation lets through.
pub const HAND_MAX: u32 = 64;
