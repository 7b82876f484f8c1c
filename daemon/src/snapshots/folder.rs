//! A directory of snapshots.
//!
//! Knows nothing about what is in them. Invariant: what bears a snapshot's name is whole and
//! durable, whenever the power went: it is written under another name, which begins with a dot, and
//! renamed once it is on the disk.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use nix::sys::statvfs::statvfs;
use skerry_archive::{ArchiveError, name};
use skerry_metrics::wear::SNAPSHOTS;

use super::limits::{FILES_MAX, ROOM_LEFT_BYTES, UNSYNCED_BYTES_MAX};
use crate::config::Settings;

/// What the name of a file ends with that is not finished.
const PARTIAL: &str = ".partial";
const MEGABYTE: u64 = 1 << 20;

/// What went wrong with snapshots, and where.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("{path}: {cause}", path = path.display())]
    Io { path: PathBuf, cause: io::Error },
    #[error(
        "{path}: there is no such directory; only the default one is made, as another one may be a \
         disk that is missing",
        path = path.display()
    )]
    Missing { path: PathBuf },
    #[error("{path} is not a directory", path = path.display())]
    NotDirectory { path: PathBuf },
    #[error(
        "{path}: no room on the disk for a snapshot: it takes about {needed} MB, {available} MB are \
         free, of which {left} MB stay so; nothing of it was kept",
        path = path.display(), left = ROOM_LEFT_BYTES / MEGABYTE
    )]
    NoRoom {
        path: PathBuf,
        needed: u64,
        available: u64,
    },
    #[error("{path}: {cause}", path = path.display())]
    Archive { path: PathBuf, cause: ArchiveError },
    #[error("{name:?} is not the name of a snapshot")]
    Name { name: String },
}

/// A snapshot as it lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// When it was taken, in Unix seconds.
    pub(crate) time: u64,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Whether it is made where it is not there.
    is_default: bool,
}

impl Folder {
    /// The directory that the settings ask for.
    pub(crate) fn of(settings: &Settings) -> Folder {
        let default = settings.data_dir.join("snapshots");
        let path = settings.snapshots.dir.clone();
        Folder {
            is_default: path.as_ref().is_none_or(|path| *path == default),
            path: path.unwrap_or(default),
        }
    }

    /// Another one, which must be there.
    pub(crate) fn at(path: PathBuf) -> Folder {
        Folder {
            path,
            is_default: false,
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where a snapshot of that name is, or would be.
    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// All snapshots, the oldest first.
    pub(crate) fn list(&self) -> Result<Vec<Found>, FolderError> {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.is_default => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(self.failed(error)),
        };
        let mut found = Vec::new();
        for entry in entries.take(FILES_MAX) {
            let entry = entry.map_err(|error| self.failed(error))?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let Ok(about) = entry.metadata() else {
                // It was removed since.
                continue;
            };
            if !name::is_name(&name) || !about.is_file() {
                continue;
            }
            let changed = || {
                let changed = about.modified().ok()?;
                changed.duration_since(UNIX_EPOCH).ok()
            };
            let time = name::time(&name).or_else(|| Some(changed()?.as_secs()));
            found.push(Found {
                name,
                bytes: about.len(),
                time: time.unwrap_or_default(),
            });
        }
        found.sort_unstable_by(|a, b| (a.time, &a.name).cmp(&(b.time, &b.name)));
        Ok(found)
    }

    /// Writes a snapshot of this node, of about `bytes` bytes; says how many it has become. Where
    /// this fails, nothing of it is left.
    pub(crate) fn save(
        &self,
        node: &str,
        name: &str,
        bytes: u64,
        write: impl FnOnce(Steady) -> Result<Steady, ArchiveError>,
    ) -> Result<u64, FolderError> {
        if !name::is_name(name) {
            let name = name.to_owned();
            return Err(FolderError::Name { name });
        }
        let ending = format!("@{node}{PARTIAL}");
        self.prepare(&ending)?;
        self.check_room(bytes)?;
        let partial = Partial::create(self.path_of(&format!(".{name}{ending}")))?;
        let file = partial.open()?;
        let written =
            write(Steady { file, unsynced: 0 }).map_err(|error| self.spoilt(error, bytes))?;
        let io = |error| self.spoilt(ArchiveError::from(error), bytes);
        SNAPSHOTS.synced();
        written.file.sync_all().map_err(io)?;
        let length = written.file.metadata().map_err(io)?.len();
        drop(written);
        fs::rename(&partial.path, self.path_of(name)).map_err(|error| self.failed(error))?;
        partial.keep();
        self.sync()?;
        Ok(length)
    }

    /// Removes a snapshot; false where it is not there.
    pub(crate) fn delete(&self, name: &str) -> Result<bool, FolderError> {
        if !name::is_name(name) {
            let name = name.to_owned();
            return Err(FolderError::Name { name });
        }
        let path = self.path_of(name);
        match fs::remove_file(&path) {
            Ok(()) => self.sync().map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(cause) => Err(FolderError::Io { path, cause }),
        }
    }

    /// Removes the oldest of a base name and node, so that so many are left; says which. 0 keeps
    /// all.
    pub(crate) fn prune(
        &self,
        base: &str,
        node: &str,
        keep: usize,
    ) -> Result<Vec<String>, FolderError> {
        let found = self.list()?;
        let names = found.iter().map(|found| &found.name[..]);
        let excess = name::excess(names, base, node, keep);
        let mut removed = Vec::new();
        for name in excess {
            if self.delete(name)? {
                removed.push(name.to_owned());
            }
        }
        Ok(removed)
    }

    /// Whether something of that name is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.path_of(name).exists()
    }

    /// Makes the directory where it may, and removes what this node did not finish when the power
    /// went; others may be writing to a directory that they share.
    fn prepare(&self, ending: &str) -> Result<(), FolderError> {
        let path = || self.path.clone();
        match fs::metadata(&self.path) {
            Ok(about) if about.is_dir() => {}
            Ok(_) => return Err(FolderError::NotDirectory { path: path() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !self.is_default {
                    return Err(FolderError::Missing { path: path() });
                }
                let mut builder = DirBuilder::new();
                builder.recursive(true).mode(0o700);
                let made = builder.create(&self.path);
                made.map_err(|error| self.failed(error))?;
                if let Some(parent) = self.path.parent() {
                    sync(parent)?;
                }
            }
            Err(error) => return Err(self.failed(error)),
        }
        let entries = fs::read_dir(&self.path).map_err(|error| self.failed(error))?;
        for entry in entries.take(FILES_MAX).flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') && name.ends_with(ending) {
                tracing::info!(file = %name, "removing a snapshot that was not finished");
                fs::remove_file(entry.path()).map_err(|error| self.failed(error))?;
            }
        }
        Ok(())
    }

    fn check_room(&self, bytes: u64) -> Result<(), FolderError> {
        // Where the system does not say, writing will.
        match self.available() {
            Some(available) if available < bytes.saturating_add(ROOM_LEFT_BYTES) => {
                Err(self.no_room(bytes, available))
            }
            _ => Ok(()),
        }
    }

    #[allow(
        clippy::useless_conversion,
        reason = "these are shorter where the machine's words are"
    )]
    fn available(&self) -> Option<u64> {
        let disk = statvfs(&self.path).ok()?;
        let blocks: u64 = disk.blocks_available().into();
        Some(blocks.saturating_mul(disk.fragment_size().into()))
    }

    fn no_room(&self, bytes: u64, available: u64) -> FolderError {
        FolderError::NoRoom {
            path: self.path.clone(),
            needed: bytes.div_ceil(MEGABYTE),
            available: available / MEGABYTE,
        }
    }

    fn spoilt(&self, error: ArchiveError, bytes: u64) -> FolderError {
        match error.io_kind() {
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                self.no_room(bytes, self.available().unwrap_or_default())
            }
            _ => FolderError::Archive {
                path: self.path.clone(),
                cause: error,
            },
        }
    }

    fn sync(&self) -> Result<(), FolderError> {
        sync(&self.path)
    }

    fn failed(&self, cause: io::Error) -> FolderError {
        let path = self.path.clone();
        FolderError::Io { path, cause }
    }
}

/// Makes changes of a directory durable.
fn sync(path: &Path) -> Result<(), FolderError> {
    let synced = File::open(path).and_then(|dir| dir.sync_all());
    synced.map_err(|cause| FolderError::Io {
        path: path.to_owned(),
        cause,
    })
}

/// A file that goes unless it is kept.
struct Partial {
    path: PathBuf,
    is_kept: bool,
}

impl Partial {
    fn create(path: PathBuf) -> Result<Partial, FolderError> {
        let partial = Partial {
            path,
            is_kept: false,
        };
        partial.open().map(|_| partial)
    }

    fn open(&self) -> Result<File, FolderError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(&self.path).map_err(|cause| FolderError::Io {
            path: self.path.clone(),
            cause,
        })
    }

    fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "a snapshot that failed is left");
        }
    }
}

/// A file that comes to the disk as it is written, not all at once at its end.
#[derive(Debug)]
pub(crate) struct Steady {
    file: File,
    unsynced: usize,
}

impl Write for Steady {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        SNAPSHOTS.wrote(written);
        self.unsynced += written;
        if self.unsynced >= UNSYNCED_BYTES_MAX {
            SNAPSHOTS.synced();
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Steady {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[cfg(test)]
#[path = "folder_test.rs"]
mod tests;
