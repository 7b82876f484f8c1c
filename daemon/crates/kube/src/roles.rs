//! Roles and bindings as the store holds them, ready to be asked.
//!
//! A task follows the store and feeds them to the policies. Invariant: what is asked here is at
//! most as old as the task's last turn.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use skerry_rbac::{GROUP, Policies};

use crate::engine::{self, Engine};
use crate::error::ApiError;
use crate::registry::{self, Resource};
use crate::storage::Cursor;

/// The resources that policies are made of.
pub(crate) const RESOURCES: [&str; 4] = [
    "roles",
    "clusterroles",
    "rolebindings",
    "clusterrolebindings",
];

/// After something could not be read.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Default)]
pub(crate) struct Roles {
    policies: RwLock<Policies>,
    loaded: AtomicBool,
}

impl Roles {
    pub(crate) fn policies(&self) -> RwLockReadGuard<'_, Policies> {
        self.policies.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether they have been read from the store once.
    pub(crate) fn are_loaded(&self) -> bool {
        self.loaded.load(Ordering::Relaxed)
    }

    fn change(&self, act: impl FnOnce(&mut Policies)) {
        act(&mut self
            .policies
            .write()
            .unwrap_or_else(PoisonError::into_inner));
    }
}

/// Follows the store for as long as the server runs.
pub(crate) async fn follow(engine: Arc<Engine>) {
    loop {
        match load(&engine) {
            Ok(mut cursors) => {
                if let Err(error) = follow_from(&engine, &mut cursors).await {
                    tracing::warn!(%error, "roles are read anew");
                }
            }
            Err(error) => tracing::warn!(%error, "roles cannot be read"),
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

type Following = (Arc<Resource>, Cursor);

/// Reads all roles and bindings; the cursors stand behind what was read.
fn load(engine: &Engine) -> Result<Vec<Following>, ApiError> {
    let mut policies = Policies::default();
    let mut cursors = Vec::new();
    for plural in RESOURCES {
        let resource = engine.registry.find(GROUP, "v1", plural);
        let resource = Arc::clone(resource.ok_or_else(ApiError::no_such_path)?);
        let mut listing = engine.storage.list(registry::keys(&resource, ""), 0)?;
        loop {
            let chunk = listing.next_chunk()?;
            if chunk.is_empty() {
                break;
            }
            for stored in chunk {
                policies.put(&engine::present(&resource, &stored)?);
            }
        }
        let from = listing.revision() + 1;
        let cursor = engine.storage.watch(registry::keys(&resource, ""), from)?;
        cursors.push((resource, cursor));
    }
    engine.roles.change(|held| *held = policies);
    engine.roles.loaded.store(true, Ordering::Relaxed);
    Ok(cursors)
}

async fn follow_from(engine: &Engine, cursors: &mut [Following]) -> Result<(), ApiError> {
    let [roles, cluster_roles, bindings, cluster_bindings] = cursors else {
        return Ok(());
    };
    loop {
        let (resource, changes) = tokio::select! {
            changes = roles.1.next() => (&roles.0, changes?),
            changes = cluster_roles.1.next() => (&cluster_roles.0, changes?),
            changes = bindings.1.next() => (&bindings.0, changes?),
            changes = cluster_bindings.1.next() => (&cluster_bindings.0, changes?),
        };
        for change in changes {
            match &change.now {
                Some(stored) => {
                    let object = engine::present(resource, stored)?;
                    engine.roles.change(|policies| _ = policies.put(&object));
                }
                None => {
                    let key = String::from_utf8_lossy(&change.key);
                    let mut parts = key.rsplit('/');
                    let name = parts.next().unwrap_or_default();
                    let namespace = match resource.namespaced {
                        true => parts.next().unwrap_or_default(),
                        false => "",
                    };
                    engine
                        .roles
                        .change(|policies| _ = policies.remove(&resource.kind, namespace, name));
                }
            }
        }
    }
}
