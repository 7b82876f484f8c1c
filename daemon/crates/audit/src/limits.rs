//! Every bound, with its unit.

use std::time::Duration;

/// Bytes of a policy file.
pub const POLICY_BYTES_MAX: u64 = 256 << 10;

/// Levels of lists and mappings in a policy file: a policy has five.
pub const POLICY_DEPTH_MAX: usize = 16;

/// Bytes of one event. A larger one is written without its objects, and says so.
pub const EVENT_BYTES_MAX: usize = 512 << 10;

/// Bytes of events that wait to be written.
pub const QUEUE_BYTES_MAX: usize = 2 << 20;

/// What an event counts for at least while it waits, in bytes: so 4,096 of them wait at most.
pub const QUEUED_BYTES_MIN: usize = 512;

/// Bytes that are written at once.
pub const BATCH_BYTES_MAX: usize = 256 << 10;

/// How long a request waits until its event is written, before it goes on without knowing.
pub const WRITE_TIME_MAX: Duration = Duration::from_secs(5);

/// Between two lines that tell of events that were dropped.
pub const TELL_INTERVAL: Duration = Duration::from_secs(60);

/// Bytes of a user agent in an event, as upstream cuts it.
pub const USER_AGENT_BYTES_MAX: usize = 1024;

/// Bytes of an audit id that a client brings along; a longer one is replaced.
pub const AUDIT_ID_BYTES_MAX: usize = 256;

/// Entries of the folder of the log that are looked at for old files.
pub const FOLDER_ENTRIES_MAX: usize = 10_000;
