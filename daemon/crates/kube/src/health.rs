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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::storage::Storage;
    use crate::storage::local::Local;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn server(leadership: Leadership) -> (Arc<Local>, Arc<Engine>, Health) {
        let store = Local::new();
        store.set_leadership(leadership);
        let health = Health::default();
        let options = crate::server_test::options(health.clone());
        let storage = Storage::new(Arc::clone(&store) as _, None);
        let engine = Engine::new(storage, skerry_schema::built_in(), None, &options);
        add(&engine, &health);
        (store, engine, health)
    }

    async fn failing(health: &Health, path: &str) -> Vec<String> {
        let report = health.answer(path, "verbose").await.unwrap();
        let lines = report.text.lines();
        let failed = lines.filter_map(|line| line.strip_prefix("[-]")?.split(' ').next());
        failed.map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn a_server_is_ready_once_what_every_cluster_starts_with_is_there() {
        let (store, engine, health) = server(Leadership::Nobody);
        let hooks = [
            "poststarthook/start-system-namespaces-controller",
            "poststarthook/rbac/bootstrap-roles",
            "poststarthook/bootstrap-controller",
        ];
        assert_eq!(failing(&health, "/healthz").await, hooks);
        assert_eq!(failing(&health, "/readyz").await[0], "informer-sync");
        assert_eq!(
            failing(&health, "/livez").await,
            [""; 0],
            "a restart would not help"
        );

        store.set_leadership(Leadership::Here);
        let controllers = tokio::spawn(crate::controllers::run(Arc::clone(&engine)));
        let roles = tokio::spawn(crate::roles::follow(engine));
        let ready = async {
            while !failing(&health, "/readyz").await.is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.unwrap();
        // What was there once is there for good, whoever leads.
        store.set_leadership(Leadership::Nobody);
        assert_eq!(failing(&health, "/readyz").await, [""; 0]);
        controllers.abort();
        roles.abort();
    }

    #[tokio::test]
    async fn a_leader_is_not_ready_before_it_has_made_all_roles() {
        let (store, engine, health) = server(Leadership::Elsewhere);
        for (plural, name) in ROLES {
            let resource = engine.registry.find(GROUP, "v1", plural).unwrap();
            let key = registry::key(resource, "", name);
            let write = crate::storage::Write::Put("{}".into(), 0);
            engine.storage.write(&key, 0, write).await.unwrap();
        }
        let hook = "/readyz/poststarthook/rbac/bootstrap-roles";
        store.set_leadership(Leadership::Here);
        assert_eq!(health.answer(hook, "").await.unwrap().status, 500);
        engine.bootstrapped.store(true, Ordering::Relaxed);
        assert_eq!(health.answer(hook, "").await.unwrap().status, 200);

        let (store, _, follower) = server(Leadership::Elsewhere);
        assert_eq!(follower.answer(hook, "").await.unwrap().status, 500);
        drop(store);
    }
}
