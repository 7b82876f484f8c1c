//! Every bound on what lies in the folder of manifests.

use std::time::Duration;

/// Bytes of one file.
pub(super) const FILE_BYTES_MAX: u64 = 4 << 20;

/// Files that are applied; the others are named in the log.
pub(super) const FILES_MAX: usize = 1000;

/// Folders that are looked into.
pub(super) const FOLDERS_MAX: usize = 250;

/// Folders in folders: links may lead in circles.
pub(super) const DEPTH_MAX: usize = 8;

/// Bytes of what is remembered of them.
pub(super) const RECORD_BYTES_MAX: u64 = 16 << 20;

/// For how long nothing must change before what has changed is read: files are seldom written at
/// once.
pub(super) const QUIET_TIME: Duration = Duration::from_millis(250);

/// For how long that is waited for.
pub(super) const QUIET_WAIT_MAX: Duration = Duration::from_secs(3);

/// Until what could not be applied is tried again, at first and at last.
pub(super) const RETRY_PAUSE_MIN: Duration = Duration::from_millis(250);
pub(super) const RETRY_PAUSE_MAX: Duration = Duration::from_secs(60);

/// Between two looks at the folder where the system does not tell of changes.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_secs(30);
