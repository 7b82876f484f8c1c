//! Authentication: users, roles, permissions on ranges, the switch and its revision.
//!
//! Part of the replicated state: written in the same transaction as the entry that asked for it,
//! equal on every member. Knows nothing about sockets, certificates, passwords in the clear or
//! clocks; tokens live with the API, which listens to [`AuthChange`]s. Invariant: what
//! [`AuthHandle::state`] gives is the state of the last committed batch.

mod apply;
pub mod limits;
mod permit;
mod ranges;
mod state;
mod tables;

#[cfg(test)]
mod apply_test;
#[cfg(test)]
mod permit_test;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use redb::{ReadTransaction, WriteTransaction};
use skerry_proto::command::command::Operation;
use skerry_proto::etcdserverpb as pb;

pub use apply::AuthChange;
pub use permit::Identity;
pub use state::{AuthState, ROOT, User};
pub(crate) use tables::{AUTH, AUTH_ROLES, AUTH_USERS};

use crate::{ApplyError, Reply, StoreError};

/// The writer's side; lives with the store's one writer.
#[derive(Debug)]
pub(crate) struct Auth {
    path: PathBuf,
    /// As the entries applied so far leave it.
    state: Arc<AuthState>,
    /// What to tell once the batch is committed.
    pending: Vec<AuthChange>,
    handle: AuthHandle,
}

impl Auth {
    /// Reads the state of the database at `path`.
    pub(crate) fn load(path: &Path, txn: &ReadTransaction) -> Result<Auth, StoreError> {
        let state = Arc::new(tables::load(path, txn)?);
        Ok(Auth {
            path: path.to_owned(),
            handle: AuthHandle(Arc::new(Shared {
                state: RwLock::new(Arc::clone(&state)),
                listeners: Mutex::new(Vec::new()),
            })),
            state,
            pending: Vec::new(),
        })
    }

    /// Reads the state anew after the whole database was replaced; handles that were given out
    /// stay good. Nothing of a batch may be pending.
    pub(crate) fn reload(&mut self, txn: &ReadTransaction) -> Result<(), StoreError> {
        self.state = Arc::new(tables::load(&self.path, txn)?);
        self.pending.clear();
        if !self.state.enabled() {
            self.pending.push(AuthChange::Disabled);
        }
        self.publish();
        Ok(())
    }

    /// The state as the entries applied so far leave it, which may be ahead of the readers'.
    pub(crate) fn state(&self) -> &AuthState {
        &self.state
    }

    /// What readers hold.
    pub(crate) fn handle(&self) -> AuthHandle {
        self.handle.clone()
    }

    /// Applies an operation of this module within `txn`; `None` for any other operation. Whether
    /// the caller may is a question for [`AuthState::permit_command`] before.
    pub(crate) fn apply(
        &mut self,
        txn: &WriteTransaction,
        index: u64,
        operation: &Operation,
        header: pb::ResponseHeader,
    ) -> Result<Option<Result<Reply, ApplyError>>, StoreError> {
        if !apply::concerns(operation) {
            return Ok(None);
        }
        let mut step = apply::Step {
            state: Arc::make_mut(&mut self.state),
            changes: tables::Changes::default(),
            announce: None,
            index,
            header,
        };
        let outcome = step.run(operation);
        let (changes, announce) = (step.changes, step.announce);
        self.pending.extend(announce);
        tables::save(&self.path, txn, &self.state, &changes)?;
        Ok(outcome)
    }

    /// Shows readers what was applied and tells listeners, in order. Called after the commit and
    /// before the outcomes are handed to those who wait.
    pub(crate) fn publish(&mut self) {
        self.handle.0.publish(&self.state, &mut self.pending);
    }
}

/// What readers hold: the state of the last committed batch, and news of changes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AuthHandle(Arc<Shared>);

type Listener = Box<dyn Fn(&AuthChange) + Send + Sync>;

struct Shared {
    state: RwLock<Arc<AuthState>>,
    listeners: Mutex<Vec<Listener>>,
}

impl AuthHandle {
    /// The state of the last committed batch.
    pub fn state(&self) -> Arc<AuthState> {
        let state = self.0.state.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&state)
    }

    /// Has `listener` called on the store thread with every change from now on, after it is
    /// committed and before whoever asked for it is answered. It must not block.
    pub fn listen(&self, listener: impl Fn(&AuthChange) + Send + Sync + 'static) {
        let mut listeners = self
            .0
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.push(Box::new(listener));
    }
}

impl Shared {
    fn publish(&self, state: &Arc<AuthState>, pending: &mut Vec<AuthChange>) {
        let mut current = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&current, state) {
            *current = Arc::clone(state);
        }
        drop(current);
        if pending.is_empty() {
            return;
        }
        let listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for change in pending.drain(..) {
            listeners.iter().for_each(|listener| listener(&change));
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
