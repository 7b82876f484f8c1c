//! Reading the state from any thread.
//!
//! Invariant: a view is one consistent state, and the newest at the moment it was asked for. It is
//! shared between all who ask until the next batch, so asking costs next to nothing; it is dropped
//! with the next batch, so an idle cache pins no pages.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::StoreError;
use crate::auth::AuthHandle;
use crate::fault::Fault;
use crate::file::{StateFile, mark_for_check};
use crate::ring::EventRing;
use crate::snapshot::SnapshotReader;
use crate::view::{Snapshot, View};

/// A handle for reading.
#[derive(Clone)]
pub struct Reader(Arc<Shared>);

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Reader {
        Reader(shared)
    }

    /// The state as it is now.
    pub fn view(&self) -> Result<View, StoreError> {
        self.0.snapshot().map(View::new)
    }

    /// The newest revisions, for watchers.
    pub fn ring(&self) -> &EventRing {
        &self.0.ring
    }

    /// The space quota in bytes; see [`quota`](crate::quota).
    pub fn quota_bytes(&self) -> u64 {
        self.0.quota_bytes
    }

    /// Users, roles and permissions as the last batch left them.
    pub fn auth(&self) -> &AuthHandle {
        &self.0.auth
    }

    /// The whole state as a stream of chunks, for a member that lags.
    pub fn snapshot(&self) -> Result<SnapshotReader, StoreError> {
        let view = self.view()?;
        SnapshotReader::new(view)
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("ring", &self.0.ring)
            .finish()
    }
}

/// What the writer and the readers share.
pub(crate) struct Shared {
    file: RwLock<Arc<StateFile>>,
    newest: Mutex<Option<Arc<Snapshot>>>,
    pub(crate) ring: EventRing,
    quota_bytes: u64,
    auth: AuthHandle,
}

impl Shared {
    pub(crate) fn new(
        file: Arc<StateFile>,
        revision: i64,
        ring_bytes: usize,
        quota_bytes: u64,
        auth: AuthHandle,
    ) -> Arc<Shared> {
        Arc::new(Shared {
            file: RwLock::new(file),
            newest: Mutex::new(None),
            ring: EventRing::of(revision, ring_bytes),
            quota_bytes,
            auth,
        })
    }

    fn snapshot(&self) -> Result<Arc<Snapshot>, StoreError> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(snapshot) = &*newest {
            return Ok(Arc::clone(snapshot));
        }
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        let file = Arc::clone(&file);
        let snapshot = Snapshot::open(&file);
        let snapshot = Arc::new(snapshot.map_err(|fault| self.store_error(fault, &file))?);
        *newest = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }

    /// A batch was committed: the next to ask opens a new view.
    pub(crate) fn forget_snapshot(&self) {
        let old = {
            let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
            newest.take()
        };
        drop(old);
    }

    /// The state is another file from here on.
    pub(crate) fn replace(&self, file: Arc<StateFile>) {
        *self.file.write().unwrap_or_else(PoisonError::into_inner) = file;
        self.forget_snapshot();
    }

    /// Names the file; where it is damaged, the next open checks all of it.
    pub(crate) fn store_error(&self, fault: Fault, file: &StateFile) -> StoreError {
        let error = fault.store(&file.path);
        note_damage(&error, file);
        error
    }
}

/// Asks for a full check at the next open where an error speaks of damage.
pub(crate) fn note_damage(error: &StoreError, file: &StateFile) {
    if matches!(error, StoreError::Corrupt { .. })
        && let Err(error) = mark_for_check(&file.path)
    {
        tracing::warn!(path = %file.path.display(), %error, "cannot ask for a check of the state");
    }
}
