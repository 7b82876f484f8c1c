//! Opening the state file, and saying what is wrong with one that cannot be opened.
//!
//! Knows nothing about what the tables mean. What is detected when:
//!
//! * After an unclean stop redb goes back to its last durable commit by itself. Commits are made
//!   with `quick_repair`, so that this needs no walk over the file.
//! * A new file is made under another name, and has its own name only once its first commit is
//!   durable: a stop in between leaves nothing that looks like a damaged state.
//! * The header and the roots are checked by redb at every open.
//! * A flipped bit in a row is found by the row's own checksum when it is read.
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
        match path.try_exists() {
            Ok(true) => Self::open_existing(path, cache_bytes),
            Ok(false) => Self::create(path, cache_bytes),
            Err(source) => Err(io_error(path)(source)),
        }
    }

    /// Makes a new file. It is closed again before it is named, as the storage of a state that is
    /// in use is never moved.
    fn create(path: &Path, cache_bytes: usize) -> Result<StateFile, StoreError> {
        let new = beside(path, ".new");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&new)
            .map_err(io_error(&new))?;
        let backend = FileBackend::new(file).map_err(|error| open_error(&new, error))?;
        drop(Self::open_backend(backend, &new, cache_bytes, false)?);
        fs::rename(&new, path).map_err(io_error(&new))?;
        sync_dir(path).map_err(io_error(path))?;
        Self::open_existing(path, cache_bytes)
    }

    /// Opens a file that must be there.
    pub(crate) fn open_existing(path: &Path, cache_bytes: usize) -> Result<StateFile, StoreError> {
        let mark = beside(path, MARK);
        let full_check = mark.try_exists().map_err(io_error(&mark))?;
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = file.map_err(io_error(path))?;
        // redb would make a new database of an empty file.
        if file.metadata().map_err(io_error(path))?.len() == 0 {
            return Err(corrupt(path, "the file is empty"));
        }
        // A full disk must not keep the member from starting: without the mark, it starts.
        if let Err(error) = mark_for_check(path) {
            tracing::warn!(path = %mark.display(), %error, "cannot mark the state for a check");
        }
        let backend = FileBackend::new(file).map_err(|error| open_error(path, error))?;
        let opened = Self::open_backend(backend, path, cache_bytes, full_check);
        let damaged = matches!(opened, Err(StoreError::Corrupt { .. }));
        // A file that another process has open says nothing of its state.
        let checked = opened.is_ok() || !full_check;
        if checked
            && !damaged
            && let Err(error) = fs::remove_file(&mark)
        {
            tracing::warn!(path = %mark.display(), %error, "the next start will check the state");
        }
        opened
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

/// What the name of the mark adds to that of the state.
const MARK: &str = ".check";

/// Asks for a full check of the state file at its next open. Costs no sync: it is about the
/// process dying, not about the power. Fit for a panic hook.
pub fn mark_for_check(state: &Path) -> io::Result<()> {
    File::create(beside(state, MARK)).map(drop)
}

/// Makes a change of the directory that holds `path` durable.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    File::open(dir)?.sync_all()
}

/// A file beside the state, with more to its name.
pub(crate) fn beside(state: &Path, what: &str) -> PathBuf {
    let mut path = state.as_os_str().to_owned();
    path.push(what);
    PathBuf::from(path)
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> StoreError {
    move |source| StoreError::Io {
        path: path.to_path_buf(),
        source,
    }
}

fn corrupt(path: &Path, what: impl Into<String>) -> StoreError {
    StoreError::Corrupt {
        path: path.to_path_buf(),
        what: what.into(),
    }
}

fn open_error(path: &Path, error: DatabaseError) -> StoreError {
    match error {
        DatabaseError::Storage(StorageError::Corrupted(what)) => corrupt(path, what),
        // How redb says that the file is not one of its own.
        DatabaseError::Storage(StorageError::Io(error))
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            corrupt(path, error.to_string())
        }
        source => StoreError::Open {
            path: path.to_path_buf(),
            source,
        },
    }
}
