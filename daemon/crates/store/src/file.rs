//! Opening the state file, and saying what is wrong with one that cannot be opened.
//!
//! Knows nothing about what the tables mean. What is detected when:
//!
//! * After an unclean stop redb goes back to its last durable commit by itself. Commits are made
//!   with `quick_repair`, so that this needs no walk over the file.
//! * The header and the roots are checked by redb at every open.
//! * A flipped bit in an event is found by the event's own checksum when it is read.
//! * Other pages are checked, all of them, only by a full check, which reads the whole file; redb
//!   answers some damage with a panic when it is met outside of one. So: a mark (a file beside the
//!   state, `<state>.check`) asks the next open for a full check. It is set while redb opens the
//!   file and taken away when that came back, it is set when damage is met later, and
//!   [`mark_for_check`] lets a panic hook set it. A process that died on a damaged page therefore
//!   finds out at its next start, and stops there with [`StoreError::Corrupt`] rather than dying
//!   again. Invariant: a state that has passed a full check has no mark.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{Database, DatabaseError, StorageBackend, StorageError};

use crate::StoreError;
use crate::fault::Fault;
use crate::gauge::{Gauge, Gauged};
use crate::tables;

/// An open state file.
pub(crate) struct StateFile {
    pub database: Database,
    pub gauge: Arc<Gauge>,
    pub path: Arc<Path>,
}

impl StateFile {
    /// Opens or creates the file, recovering from an unclean stop.
    pub(crate) fn open(path: &Path, cache_bytes: usize) -> Result<StateFile, StoreError> {
        Self::open_file(path, cache_bytes, true)
    }

    /// Opens a file that must be there.
    pub(crate) fn open_existing(path: &Path, cache_bytes: usize) -> Result<StateFile, StoreError> {
        Self::open_file(path, cache_bytes, false)
    }

    fn open_file(path: &Path, cache_bytes: usize, create: bool) -> Result<StateFile, StoreError> {
        let io = |source| StoreError::Io {
            path: path.to_path_buf(),
            source,
        };
        let full_check = mark_path(path).try_exists().map_err(io)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(create)
            .truncate(false)
            .open(path)
            .map_err(io)?;
        let len = file.metadata().map_err(io)?.len();
        mark_for_check(path).map_err(io)?;
        let backend = FileBackend::new(file).map_err(|error| open_error(path, error))?;
        let opened = Self::open_backend(backend, path, cache_bytes, full_check)?;
        fs::remove_file(mark_path(path)).map_err(io)?;
        if len == 0 {
            sync_dir(path).map_err(io)?;
        }
        Ok(opened)
    }

    /// As [`open`](Self::open), on any storage; `path` is what errors name.
    pub(crate) fn open_backend(
        backend: impl StorageBackend,
        path: &Path,
        cache_bytes: usize,
        full_check: bool,
    ) -> Result<StateFile, StoreError> {
        let (backend, gauge) = Gauged::new(backend);
        let database = Database::builder()
            .set_cache_size(cache_bytes)
            .set_check_integrity_on_open(full_check)
            .create_with_backend(backend)
            .map_err(|error| open_error(path, error))?;
        let opened = StateFile {
            database,
            gauge,
            path: path.into(),
        };
        opened.create_tables().map_err(|fault| fault.store(path))?;
        Ok(opened)
    }

    /// Makes the tables of a new file, durably.
    fn create_tables(&self) -> Result<(), Fault> {
        use redb::ReadableDatabase;
        let read = self.database.begin_read()?;
        if read.list_tables()?.next().is_some() {
            return Ok(());
        }
        drop(read);
        let mut txn = self.database.begin_write()?;
        txn.set_quick_repair(true);
        for (_, table) in tables::ALL {
            txn.open_table(table)?;
        }
        txn.commit()?;
        Ok(())
    }
}

/// Asks for a full check of the state file at its next open. Costs no sync: it is about the
/// process dying, not about the power. Fit for a panic hook.
pub fn mark_for_check(state: &Path) -> io::Result<()> {
    File::create(mark_path(state)).map(drop)
}

fn mark_path(state: &Path) -> PathBuf {
    let mut path = state.as_os_str().to_owned();
    path.push(".check");
    PathBuf::from(path)
}

/// Makes a change of the directory that holds `path` durable.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    File::open(dir)?.sync_all()
}

fn open_error(path: &Path, error: DatabaseError) -> StoreError {
    let corrupt = |what: String| StoreError::Corrupt {
        path: path.to_path_buf(),
        what,
    };
    match error {
        DatabaseError::Storage(StorageError::Corrupted(what)) => corrupt(what),
        // How redb says that the file is not one of its own.
        DatabaseError::Storage(StorageError::Io(error))
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            corrupt(error.to_string())
        }
        source => StoreError::Open {
            path: path.to_path_buf(),
            source,
        },
    }
}
