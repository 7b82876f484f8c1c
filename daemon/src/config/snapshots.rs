//! The settings of snapshots, under K3s's names.

use std::path::PathBuf;

use skerry_archive::{Schedule, name};

use super::settings::{ConfigError, Given};
use super::{parse, s3};

const DIR: &str = "etcd-snapshot-dir";
const NAME: &str = "etcd-snapshot-name";
const CRON: &str = "etcd-snapshot-schedule-cron";
const RETENTION: &str = "etcd-snapshot-retention";
const COMPRESS: &str = "etcd-snapshot-compress";
const DISABLE: &str = "etcd-disable-snapshots";

/// Twice a day, as K3s.
const CRON_DEFAULT: &str = "0 */12 * * *";
const RETENTION_DEFAULT: usize = 5;
/// Longer base names leave no room for the node's and the time.
const NAME_BYTES_MAX: usize = 64;

/// Where snapshots go, how they are called, when they are taken and how many are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SnapshotSettings {
    /// None: the data directory's own.
    pub(crate) dir: Option<PathBuf>,
    /// What the names of scheduled ones begin with.
    pub(crate) name: String,
    /// None: none are taken but by command.
    pub(crate) schedule: Option<Schedule>,
    /// How many scheduled ones are kept; 0: all.
    pub(crate) retention: usize,
    pub(crate) compress: bool,
    /// The bucket that they go to too.
    pub(crate) s3: Option<s3::BucketOf>,
}

/// What the settings ask for.
pub(super) fn snapshots(given: &Given) -> Result<SnapshotSettings, ConfigError> {
    let schedule = given.parsed(CRON, |text| {
        text.parse::<Schedule>().map_err(|error| error.to_string())
    })?;
    let is_disabled = given.switch(DISABLE)?;
    let schedule = match schedule {
        _ if is_disabled => None,
        Some(schedule) => Some(schedule),
        None => CRON_DEFAULT.parse().ok(),
    };
    let dir = given.parsed(DIR, |text| match PathBuf::from(text) {
        path if path.is_absolute() => Ok(path),
        _ => Err(parse::expected("an absolute path", text)),
    })?;
    let retention = given.parsed(RETENTION, |text| {
        text.parse()
            .map_err(|_| parse::expected("a number of snapshots, 0 for all", text))
    })?;
    let retention = retention.unwrap_or(RETENTION_DEFAULT);
    Ok(SnapshotSettings {
        dir,
        name: given
            .parsed(NAME, base_name)?
            .unwrap_or_else(|| "etcd-snapshot".to_owned()),
        schedule,
        retention,
        compress: given.switch(COMPRESS)?,
        s3: s3::bucket(given, retention)?,
    })
}

/// What the name of a snapshot may begin with.
pub(crate) fn base_name(text: &str) -> Result<String, String> {
    match name::is_name(text) && text.len() <= NAME_BYTES_MAX {
        true => Ok(text.to_owned()),
        false => Err(parse::expected(
            "what a file may be called, of at most 64 bytes",
            text,
        )),
    }
}
