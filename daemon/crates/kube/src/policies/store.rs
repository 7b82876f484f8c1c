//! All policies and bindings as the store holds them, ready to be asked.
//!
//! A task follows the store and parses what changes. Invariant: policies come in the order of their
//! names, and so do the bindings of each; no more is held than was let in by
//! [`Engine::admit_policy`](super::admit).

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::definition::{Binding, Policy};
use crate::engine::{self, Engine};
use crate::error::ApiError;
use crate::registry::{self, Resource};
use crate::storage::Cursor;

pub(super) const GROUP: &str = "admissionregistration.k8s.io";
pub(super) const RESOURCES: [&str; 4] = [
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
];

/// After something could not be read.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long a request waits for them to be read once, as upstream's.
const READY_TIME_MAX: Duration = Duration::from_secs(10);

/// Whether policies only judge, or change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Validating,
    Mutating,
}

/// A policy with its bindings.
pub(super) struct Hook {
    pub(super) policy: Arc<Policy>,
    pub(super) bindings: Vec<Arc<Binding>>,
}

/// See the module.
pub(crate) struct Policies {
    tables: [RwLock<Table>; 2],
    loaded: watch::Sender<bool>,
}

impl Default for Policies {
    fn default() -> Policies {
        Policies {
            tables: Default::default(),
            loaded: watch::Sender::new(false),
        }
    }
}

#[derive(Default)]
struct Table {
    policies: BTreeMap<String, Arc<Policy>>,
    bindings: BTreeMap<String, Arc<Binding>>,
    hooks: Arc<[Hook]>,
}

impl Table {
    fn join(&mut self) {
        let hook = |policy: &Arc<Policy>| {
            let bindings = self.bindings.values();
            let own = bindings.filter(|binding| binding.policy == policy.name);
            Hook {
                policy: Arc::clone(policy),
                bindings: own.cloned().collect(),
            }
        };
        let hooks = self.policies.values().map(hook);
        self.hooks = hooks.filter(|hook| !hook.bindings.is_empty()).collect();
    }

    fn put(&mut self, is_binding: bool, object: &Value) {
        let name = crate::object::name(object).to_owned();
        match is_binding {
            true => _ = self.bindings.insert(name, Arc::new(Binding::read(object))),
            false => _ = self.policies.insert(name, Arc::new(Policy::read(object))),
        }
    }

    fn remove(&mut self, is_binding: bool, name: &str) {
        match is_binding {
            true => _ = self.bindings.remove(name),
            false => _ = self.policies.remove(name),
        }
    }
}

impl Policies {
    /// The policies of a phase.
    ///
    /// # Errors
    /// They have not been read yet, and are not within upstream's time.
    pub(super) async fn hooks(&self, phase: Phase) -> Result<Arc<[Hook]>, &'static str> {
        if !*self.loaded.borrow() {
            let mut loaded = self.loaded.subscribe();
            let ready = loaded.wait_for(|loaded| *loaded);
            let ready = tokio::time::timeout(READY_TIME_MAX, ready).await;
            ready.map_err(|_| "not yet ready to handle request")?.ok();
        }
        let table = self.tables[phase as usize].read();
        let table = table.unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(&table.hooks))
    }

    fn change(&self, place: usize, act: impl FnOnce(&mut Table, bool)) {
        let table = self.tables[place / 2].write();
        let mut table = table.unwrap_or_else(PoisonError::into_inner);
        act(&mut table, place % 2 == 1);
        table.join();
    }
}

/// Follows the store for as long as the server runs.
pub(crate) async fn follow(engine: Arc<Engine>) {
    loop {
        let followed = match load(&engine) {
            Ok(following) => follow_from(&engine, following).await,
            Err(error) => Err(error),
        };
        if let Err(error) = followed {
            tracing::warn!(%error, "admission policies are read anew");
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

type Following = (Arc<Resource>, Cursor);

/// Reads all of them; the cursors stand behind what was read.
fn load(engine: &Engine) -> Result<Vec<Following>, ApiError> {
    let mut following = Vec::new();
    for (place, plural) in RESOURCES.into_iter().enumerate() {
        let resource = engine.registry.find(GROUP, "v1", plural);
        let resource = Arc::clone(resource.ok_or_else(ApiError::no_such_path)?);
        let keys = registry::keys(&resource, "");
        let mut listing = engine.storage.list(keys.clone(), 0)?;
        engine.policies.change(place, |table, is_binding| {
            match is_binding {
                true => table.bindings.clear(),
                false => table.policies.clear(),
            };
        });
        loop {
            let chunk = listing.next_chunk()?;
            if chunk.is_empty() {
                break;
            }
            for stored in chunk {
                let object = engine::present(&resource, &stored)?;
                engine
                    .policies
                    .change(place, |table, is_binding| table.put(is_binding, &object));
            }
        }
        let cursor = engine.storage.watch(keys, listing.revision() + 1)?;
        following.push((resource, cursor));
    }
    engine.policies.loaded.send_replace(true);
    Ok(following)
}

async fn follow_from(engine: &Engine, mut following: Vec<Following>) -> Result<(), ApiError> {
    let [a, b, c, d] = following.as_mut_slice() else {
        return Ok(());
    };
    loop {
        let (place, resource, changes) = tokio::select! {
            changes = a.1.next() => (0, &a.0, changes?),
            changes = b.1.next() => (1, &b.0, changes?),
            changes = c.1.next() => (2, &c.0, changes?),
            changes = d.1.next() => (3, &d.0, changes?),
        };
        for change in changes {
            let object = match &change.now {
                Some(stored) => Some(engine::present(resource, stored)?),
                None => None,
            };
            engine
                .policies
                .change(place, |table, is_binding| match object {
                    Some(object) => table.put(is_binding, &object),
                    None => {
                        let key = String::from_utf8_lossy(&change.key);
                        let name = key.rsplit('/').next().unwrap_or_default();
                        table.remove(is_binding, name);
                    }
                });
        }
    }
}
