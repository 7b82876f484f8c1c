//! Limits of snapshots.

use std::time::Duration;

/// Files of a directory that are looked at: more than anybody keeps.
pub(crate) const FILES_MAX: usize = 10_000;
/// Bytes that are written before they are brought to the disk: so the log, on the same disk, never
/// waits for more than these.
pub(crate) const UNSYNCED_BYTES_MAX: usize = 4 << 20;
/// Room that a snapshot leaves on its disk, in bytes: the datastore may be on the same one.
pub(crate) const ROOM_LEFT_BYTES: u64 = 32 << 20;
/// What a compressed snapshot is taken to need, as one part of so many of its full size.
pub(crate) const COMPRESSED_PART: u64 = 4;
/// Between two looks at the clock.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_secs(30);
/// How far apart the members take what is due at the same moment: one second for each.
pub(crate) const MEMBERS_APART_MAX: u64 = 10;
/// Schedules that come more often than this are kept to by the second.
pub(crate) const APART_FROM_SECONDS: u64 = 600;
