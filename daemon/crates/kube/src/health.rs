//! The checks of the API: whether what every cluster starts with is there, under upstream's names.
//!
//! Invariant: what has been there once is not looked for again: nobody can take it away for good.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use skerry_health::{Check, Health, Probe};
use skerry_rbac::GROUP;

use crate::controllers::NAMESPACES;
use crate::engine::Engine;
use crate::registry;
use crate::storage::Leadership;

/// A server that is not through with these is not ready, but a restart would not help either.
const PROBES: [Probe; 2] = [Probe::Ready, Probe::Healthy];

/// Without these nobody could do anything; a follower, which does not make them, looks for them.
const ROLES: [(&str, &str); 5] = [
    ("clusterroles", "cluster-admin"),
    ("clusterroles", "view"),
    ("clusterrolebindings", "cluster-admin"),
    ("clusterrolebindings", "system:discovery"),
    ("clusterrolebindings", "system:public-info-viewer"),
];

/// Group, plural, namespace and name.
type Place = (&'static str, &'static str, &'static str, &'static str);

/// Adds what the API knows to the checks of its server.
pub(crate) fn add(engine: &Arc<Engine>, health: &Health) {
    let of = Arc::clone(engine);
    health.add(Check::now(
        "informer-sync",
        &[Probe::Ready],
        move || match of.roles.are_loaded() {
            true => Ok(()),
            false => Err("roles have not been read yet".into()),
        },
    ));
    let namespaces = NAMESPACES.map(|name| ("", "namespaces", "", name));
    add_hook(
        engine,
        health,
        "poststarthook/start-system-namespaces-controller",
        move |engine| all_there(engine, &namespaces),
    );
    let roles = ROLES.map(|(plural, name)| (GROUP, plural, "", name));
    add_hook(
        engine,
        health,
        "poststarthook/rbac/bootstrap-roles",
        move |engine| match engine.bootstrapped.load(Ordering::Relaxed) {
            true => Ok(()),
            false if engine.storage.leadership() == Leadership::Here => {
                Err("bootstrap roles are still being made".into())
            }
            false => all_there(engine, &roles),
        },
    );
    let service = [("", "services", "default", "kubernetes")];
    add_hook(
        engine,
        health,
        "poststarthook/bootstrap-controller",
        move |engine| all_there(engine, &service),
    );
}

fn add_hook(
    engine: &Arc<Engine>,
    health: &Health,
    name: &'static str,
    look: impl Fn(&Engine) -> Result<(), String> + Send + Sync + 'static,
) {
    let engine = Arc::clone(engine);
    let done = AtomicBool::new(false);
    health.add(Check::now(name, &PROBES, move || {
        if done.load(Ordering::Relaxed) {
            return Ok(());
        }
        look(&engine)?;
        done.store(true, Ordering::Relaxed);
        Ok(())
    }));
}

fn all_there(engine: &Engine, places: &[Place]) -> Result<(), String> {
    for (group, plural, namespace, name) in places {
        let resource = engine.registry.find(group, "v1", plural);
        let resource = resource.ok_or_else(|| format!("{plural} are not served"))?;
        let key = registry::key(resource, namespace, name);
        let found = engine.storage.get(&key);
        if found.map_err(|error| error.to_string())?.is_none() {
            return Err(format!("{plural} {name:?} is not there yet"));
        }
    }
    Ok(())
}
