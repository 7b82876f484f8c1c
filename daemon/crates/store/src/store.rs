//! The one writer of the state: applies committed entries, makes them durable, compacts.
//!
//! Lives on a thread of its own and blocks there. Knows nothing about Raft or about time.
//! Invariant: data, applied position and membership change in one transaction; readers see a batch
//! whole or not at all; after an error nothing more is applied.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{
    Durability, ReadTransaction, ReadableDatabase, ReadableTable, StorageBackend, WriteTransaction,
};

use crate::apply::{Alarms, Batch};
use crate::auth::Auth;
use crate::compact;
use crate::fault::Fault;
use crate::file::{StateFile, beside, sync_dir};
use crate::limits::{CACHE_BYTES_DEFAULT, QUOTA_BYTES_DEFAULT};
use crate::reader::{Reader, Shared};
use crate::sealed;
use crate::snapshot::SnapshotWriter;
use crate::state::State;
use crate::tables;
use crate::{Applied, Entry, LeaseChange, LogId, Revision, StoreError};

/// What can be set.
#[derive(Debug, Clone)]
pub struct Options {
    /// Memory for redb's pages.
    pub cache_bytes: usize,
    /// Space that the keyspace may take; see [`quota`](crate::quota).
    pub quota_bytes: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            cache_bytes: CACHE_BYTES_DEFAULT,
            quota_bytes: QUOTA_BYTES_DEFAULT,
        }
    }
}

/// What applying a batch gave.
#[derive(Debug, Default)]
pub struct AppliedBatch {
    /// One for each command that was applied, in order; entries that had been applied before,
    /// blank ones and memberships have none.
    pub applied: Vec<Applied>,
    /// The revisions that were made, in order; they are in the ring already.
    pub events: Vec<Arc<Revision>>,
    /// What became of leases, in order.
    pub lease_changes: Vec<LeaseChange>,
}

/// What a crash would take back, to be applied again from the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Undurable {
    /// Entries applied since the last durable commit.
    pub entries: u64,
    /// Bytes of their commands.
    pub bytes: u64,
}

/// The writer of the state.
pub struct Store {
    shared: Arc<Shared>,
    file: Arc<StateFile>,
    options: Options,
    state: State,
    alarms: Alarms,
    auth: Auth,
    durable: Option<LogId>,
    undurable: Undurable,
    failed: bool,
}

impl Store {
    /// Opens or creates the state at `path`. After an unclean stop it stands at its last durable
    /// commit.
    pub fn open(path: &Path, options: Options) -> Result<Store, StoreError> {
        let file = StateFile::open(path, options.cache_bytes)?;
        Store::with_file(file, options)
    }

    /// Opens the state on any storage; `path` is what errors name.
    pub fn open_with_backend(
        backend: impl StorageBackend,
        path: &Path,
        options: Options,
    ) -> Result<Store, StoreError> {
        let file = StateFile::open_backend(backend, path, options.cache_bytes, false)?;
        Store::with_file(file, options)
    }

    fn with_file(file: StateFile, options: Options) -> Result<Store, StoreError> {
        let file = Arc::new(file);
        let (state, alarms) = load(&file).map_err(|fault| fault.store(&file.path))?;
        let auth = Auth::load(&file.path, &begin_read(&file)?)?;
        let shared = Shared::new(
            Arc::clone(&file),
            state.revision,
            // No more of the newest events than of pages.
            options.cache_bytes,
            options.quota_bytes,
            auth.handle(),
        );
        Ok(Store {
            shared,
            file,
            options,
            state,
            alarms,
            auth,
            durable: state.applied,
            undurable: Undurable::default(),
            failed: false,
        })
    }

    /// A handle for reading, for any thread.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared))
    }

    /// Applies entries in one transaction, which a crash may take back until
    /// [`commit_durable`](Self::commit_durable). Entries at or below the applied position are
    /// skipped.
    pub fn apply(&mut self, entries: &[Entry]) -> Result<AppliedBatch, StoreError> {
        self.check_order(entries)?;
        self.guarded(|store| store.apply_batch(entries))
    }

    /// Makes everything that was applied durable.
    pub fn commit_durable(&mut self) -> Result<(), StoreError> {
        self.guarded(|store| {
            let mut txn = store.file.database.begin_write()?;
            txn.set_durability(Durability::Immediate)?;
            txn.set_quick_repair(true);
            txn.commit()?;
            store.durable = store.state.applied;
            store.undurable = Undurable::default();
            Ok(())
        })
    }

    /// What a crash would take back.
    pub fn undurable(&self) -> Undurable {
        self.undurable
    }

    /// The last entry that a crash cannot take back.
    pub fn durable_log_id(&self) -> Option<LogId> {
        self.durable
    }

    /// The last entry that was applied.
    pub fn applied(&self) -> Option<LogId> {
        self.state.applied
    }

    /// Gives back a bounded slice of the space that the last compaction set free; true while
    /// there is more.
    pub fn compact_step(&mut self) -> Result<bool, StoreError> {
        if !self.state.sweep_pending() {
            return Ok(false);
        }
        self.guarded(|store| {
            let txn = store.begin()?;
            let mut state = store.state;
            compact::step(&txn, &mut state)?;
            save_state(&txn, &state)?;
            store.commit(txn, state)?;
            Ok(store.state.sweep_pending())
        })
    }

    /// Takes the file at `path`, a finished snapshot beside the state, as the state. Readers see
    /// it at once; views that are in use keep what they have.
    pub fn replace_with(&mut self, path: &Path) -> Result<(), StoreError> {
        let (file, state, alarms) = self.take_place(path)?;
        self.auth.reload(&begin_read(&file)?)?;
        self.shared.replace(Arc::clone(&file));
        self.shared.ring.restart(state.revision);
        self.file = file;
        self.state = state;
        self.alarms = alarms;
        self.durable = state.applied;
        self.undurable = Undurable::default();
        self.failed = false;
        Ok(())
    }

    /// Copies the state into a new file without free space, durably, and goes on with that. Takes
    /// as long as reading and writing all of it, and needs room for the copy meanwhile; `step` is
    /// called again and again. Only for a state that is a file.
    pub fn defragment(&mut self, mut step: impl FnMut()) -> Result<(), StoreError> {
        // A copy that fails, as on a full disk, leaves the state as it is.
        let copy = beside(&self.file.path, ".copy");
        let mut writer = SnapshotWriter::create(&copy)?;
        for frame in self.reader().snapshot()? {
            writer.write(&frame?)?;
            step();
        }
        writer.finish()?;
        self.guarded(|store| {
            let (file, _, _) = store.take_place(&copy)?;
            store.shared.replace(Arc::clone(&file));
            store.file = file;
            store.durable = store.state.applied;
            store.undurable = Undurable::default();
            Ok(())
        })
    }

    /// Gives the file at `path` the name of the state.
    fn take_place(&self, path: &Path) -> Result<(Arc<StateFile>, State, Alarms), StoreError> {
        let target = self.file.path.to_path_buf();
        let beside = StateFile::open_existing(path, self.options.cache_bytes)?;
        let io = |path: PathBuf| move |source| StoreError::Io { path, source };
        std::fs::rename(path, &target).map_err(io(path.to_path_buf()))?;
        sync_dir(&target).map_err(io(target.clone()))?;
        let file = Arc::new(StateFile {
            path: Arc::clone(&self.file.path),
            ..beside
        });
        let (state, alarms) = load(&file).map_err(|fault| fault.store(&target))?;
        Ok((file, state, alarms))
    }

    fn apply_batch(&mut self, entries: &[Entry]) -> Result<AppliedBatch, Fault> {
        let txn = self.begin()?;
        let mut batch = Batch::begin(&txn, self.state, self.alarms.clone(), &mut self.auth)?;
        for entry in entries {
            batch.entry(entry)?;
        }
        batch.finish()?;
        let state = batch.state;
        let alarms = std::mem::take(&mut batch.alarms);
        let applied = AppliedBatch {
            applied: std::mem::take(&mut batch.applied),
            events: batch.revisions.drain(..).map(Arc::new).collect(),
            lease_changes: std::mem::take(&mut batch.lease_changes),
        };
        drop(batch);
        let before = self.state.applied;
        self.commit(txn, state)?;
        self.alarms = alarms;
        self.auth.publish();
        let new = |entry: &&Entry| before.is_none_or(|before| entry.log_id.index > before.index);
        for entry in entries.iter().filter(new) {
            self.undurable.entries += 1;
            self.undurable.bytes += entry.payload.bytes() as u64;
        }
        self.shared.ring.push(&applied.events);
        Ok(applied)
    }

    /// Changes the state by what another store did.
    pub(crate) fn mirror(
        &mut self,
        change: impl FnOnce(&mut Batch<'_>) -> Result<(), Fault>,
    ) -> Result<(), StoreError> {
        self.guarded(|store| {
            let txn = store.begin()?;
            let mut batch = Batch::begin(&txn, store.state, store.alarms.clone(), &mut store.auth)?;
            change(&mut batch)?;
            batch.finish()?;
            let (state, leapt) = (batch.state, batch.leapt);
            let revisions: Vec<_> = batch.revisions.drain(..).map(Arc::new).collect();
            drop(batch);
            let is_base = state.revision != store.state.revision && revisions.is_empty();
            store.commit(txn, state)?;
            match leapt || is_base {
                true => store.shared.ring.restart(state.revision),
                false => store.shared.ring.push(&revisions),
            }
            Ok(())
        })
    }

    fn begin(&self) -> Result<WriteTransaction, Fault> {
        let mut txn = self.file.database.begin_write()?;
        txn.set_durability(Durability::None)?;
        Ok(txn)
    }

    fn commit(&mut self, txn: WriteTransaction, state: State) -> Result<(), Fault> {
        txn.commit()?;
        self.state = state;
        self.shared.forget_snapshot();
        Ok(())
    }

    /// Entries must follow one another: a gap would be lost silently.
    fn check_order(&self, entries: &[Entry]) -> Result<(), StoreError> {
        let mut next = self.state.applied.map_or(0, |applied| applied.index + 1);
        for entry in entries {
            let index = entry.log_id.index;
            if index > next {
                return Err(StoreError::Gap {
                    expected: next,
                    found: index,
                });
            }
            next = next.max(index + 1);
        }
        Ok(())
    }

    fn guarded<R>(
        &mut self,
        operation: impl FnOnce(&mut Store) -> Result<R, Fault>,
    ) -> Result<R, StoreError> {
        if self.failed {
            return Err(StoreError::Stopped {
                path: self.file.path.to_path_buf(),
            });
        }
        let outcome = operation(self);
        outcome.map_err(|fault| {
            self.failed = true;
            self.shared.store_error(fault, &self.file)
        })
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.file.path)
            .field("state", &self.state)
            .field("durable", &self.durable)
            .finish_non_exhaustive()
    }
}

/// Writes the counters.
pub(crate) fn save_state(txn: &WriteTransaction, state: &State) -> Result<(), Fault> {
    let mut meta = txn.open_table(tables::META)?;
    let row = sealed::seal(tables::META_STATE, &state.encode());
    meta.insert(tables::META_STATE, &row[..])?;
    Ok(())
}

fn begin_read(file: &StateFile) -> Result<ReadTransaction, StoreError> {
    let read = file.database.begin_read().map_err(Fault::from);
    read.map_err(|fault| fault.store(&file.path))
}

fn load(file: &StateFile) -> Result<(State, Alarms), Fault> {
    let read = file.database.begin_read()?;
    let state = load_state(&read.open_table(tables::META)?)?;
    let alarms = Alarms::load(&read.open_table(tables::ALARMS)?)?;
    Ok((state, alarms))
}

/// Reads the counters; those of an empty state where there are none yet.
pub(crate) fn load_state(
    meta: &impl ReadableTable<&'static [u8], &'static [u8]>,
) -> Result<State, Fault> {
    match meta.get(tables::META_STATE)? {
        Some(row) => {
            let state = State::decode(sealed::open(tables::META_STATE, row.value())?);
            state.ok_or_else(|| Fault::corrupt("the row of the counters"))
        }
        None => Ok(State::default()),
    }
}
