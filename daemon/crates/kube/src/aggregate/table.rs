//! What APIServices say, ready to be asked on every request.
//!
//! Knows nothing about the store or the network. Invariant: of what this server answers itself only
//! names and ranks are kept, and of others at most [`EXTENSIONS_MAX`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use rustls::ClientConfig;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::local::{self, Rank};
use super::swagger::Kept;
use super::text;
use crate::limits::{API_SERVICES_MAX, CA_BUNDLE_BYTES_MAX, EXTENSIONS_MAX};
use crate::object;
use crate::proxy::Pool;

/// One APIService.
#[derive(Debug)]
pub(crate) struct Service {
    pub(super) name: String,
    pub(super) group: String,
    pub(super) version: String,
    pub(super) rank: Rank,
    /// Who answers, where this server does not.
    pub(super) remote: Option<Remote>,
}

/// Somebody else who answers.
#[derive(Debug, Clone)]
pub(super) struct Remote {
    pub(super) link: Arc<Link>,
    pub(super) available: bool,
}

/// How somebody else is reached, and what they have said of themselves.
#[derive(Debug)]
pub(crate) struct Link {
    pub(super) namespace: String,
    pub(super) service: String,
    pub(super) port: u16,
    pub(super) insecure: bool,
    /// Certificates, as PEM.
    pub(super) bundle: Vec<u8>,
    pub(super) config: OnceLock<Result<Arc<ClientConfig>, String>>,
    /// Open connections; they go with what has been said of the way there.
    pub(super) pool: Arc<Pool>,
    found: Mutex<Found>,
}

/// What an extension server has said it has.
#[derive(Debug, Default, Clone)]
pub(super) struct Found {
    /// The version's entry in aggregated discovery, as JSON.
    pub(super) entry: Option<Bytes>,
    /// The last question was answered.
    pub(super) current: bool,
    /// The place of its OpenAPI document.
    pub(super) openapi: Option<String>,
    /// What it adds to the document of version 2.
    pub(super) swagger: Option<Kept>,
    /// What that document was tagged with.
    pub(super) tag: String,
    /// When it is asked again.
    pub(super) due: Option<Instant>,
    /// How often in a row it has not answered.
    pub(super) failures: u32,
}

impl Link {
    fn of(spec: &Value) -> Option<Link> {
        let service = spec.get("service").filter(|service| service.is_object())?;
        let bundle = text(spec, "caBundle");
        let bundle = STANDARD.decode(bundle).unwrap_or_default();
        let port = service.get("port").and_then(Value::as_u64).unwrap_or(443);
        Some(Link {
            namespace: text(service, "namespace").to_owned(),
            service: text(service, "name").to_owned(),
            port: u16::try_from(port).unwrap_or_default(),
            insecure: spec.get("insecureSkipTLSVerify") == Some(&Value::Bool(true)),
            bundle,
            config: OnceLock::new(),
            pool: Arc::default(),
            found: Mutex::default(),
        })
    }

    fn is_same(&self, other: &Link) -> bool {
        (&self.namespace, &self.service, self.port)
            == (&other.namespace, &other.service, other.port)
            && (self.insecure, &self.bundle) == (other.insecure, &other.bundle)
    }

    pub(super) fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// As an APIService says; `before` is what it has said until now.
    fn of(object: &Value, before: Option<&Service>) -> Service {
        let spec = &object["spec"];
        let rank = |field: &str| spec.get(field).and_then(Value::as_i64).unwrap_or_default();
        let link = Link::of(spec).map(|link| {
            let known = before.and_then(|before| before.remote.as_ref());
            match known.filter(|known| known.link.is_same(&link)) {
                Some(known) => Arc::clone(&known.link),
                None => Arc::new(link),
            }
        });
        let available = available(object).is_some_and(|one| text(one, "status") == "True");
        Service {
            name: object::name(object).to_owned(),
            group: text(spec, "group").to_owned(),
            version: text(spec, "version").to_owned(),
            rank: Rank {
                group: rank("groupPriorityMinimum"),
                version: rank("versionPriority"),
            },
            remote: link.map(|link| Remote { link, available }),
        }
    }
}

/// The condition that says whether somebody answers.
pub(super) fn available(object: &Value) -> Option<&Value> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let mut conditions = conditions.iter();
    conditions.find(|condition| text(condition, "type") == "Available")
}

/// See the module.
#[derive(Default)]
pub(crate) struct Table {
    services: RwLock<BTreeMap<String, Arc<Service>>>,
    remotes: AtomicUsize,
    /// Told of every change.
    pub(super) changed: Notify,
}

impl Table {
    /// Takes in what an APIService says now.
    pub(super) fn put(&self, object: &Value) {
        let name = object::name(object).to_owned();
        self.change(|services| {
            let before = services.get(&name).map(Arc::as_ref);
            let mut service = Service::of(object, before);
            let others = services.values().filter(|one| one.name != name);
            let remotes = others.filter(|one| one.remote.is_some()).count();
            if let Some(remote) = &service.remote
                && (remotes >= EXTENSIONS_MAX || remote.link.bundle.len() > CA_BUNDLE_BYTES_MAX)
            {
                tracing::warn!(name, "this APIService is beyond what is served");
                service.remote = None;
                services.remove(&name);
                return;
            }
            if services.len() < API_SERVICES_MAX || services.contains_key(&name) {
                services.insert(name, Arc::new(service));
            }
        });
    }

    pub(super) fn remove(&self, name: &str) {
        self.change(|services| _ = services.remove(name));
    }

    pub(super) fn clear(&self, keep: impl Fn(&str) -> bool) {
        self.change(|services| services.retain(|name, _| keep(name)));
    }

    fn change(&self, act: impl FnOnce(&mut BTreeMap<String, Arc<Service>>)) {
        let mut services = self
            .services
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        act(&mut services);
        let remotes = services.values().filter(|one| one.remote.is_some()).count();
        self.remotes.store(remotes, Ordering::Release);
        drop(services);
        self.changed.notify_waiters();
    }

    /// Who answers a path, where this server does not: below `/apis/G/V`, or `/api/v1`.
    pub(crate) fn remote_of(&self, path: &str) -> Option<Arc<Service>> {
        if self.remotes.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let (group, version) = match parts.next()? {
            "api" => ("", parts.next()?),
            "apis" => (parts.next()?, parts.next()?),
            _ => return None,
        };
        self.of(group, version).filter(|one| one.remote.is_some())
    }

    /// Who answers for a version.
    pub(super) fn of(&self, group: &str, version: &str) -> Option<Arc<Service>> {
        let services = self.services.read().unwrap_or_else(PoisonError::into_inner);
        services.get(&local::name(group, version)).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Service>> {
        let services = self.services.read().unwrap_or_else(PoisonError::into_inner);
        services.values().cloned().collect()
    }

    /// All that others answer for.
    pub(super) fn remotes(&self) -> Vec<Arc<Service>> {
        if self.remotes.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let mut all = self.all();
        all.retain(|one| one.remote.is_some());
        all
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    pub(crate) fn object(group: &str, version: &str, available: bool) -> Value {
        json!({
            "metadata": {"name": format!("{version}.{group}")},
            "spec": {
                "group": group, "version": version,
                "groupPriorityMinimum": 500, "versionPriority": 10,
                "service": {"namespace": "a", "name": "b", "port": 443},
            },
            "status": {"conditions": [
                {"type": "Available", "status": if available { "True" } else { "False" }},
            ]},
        })
    }

    #[test]
    fn a_path_belongs_to_whom_its_version_belongs_to() {
        let table = Table::default();
        table.put(&object("metrics.k8s.io", "v1beta1", true));
        let of = |path: &str| table.remote_of(path).map(|one| one.name.clone());
        let name = Some("v1beta1.metrics.k8s.io".to_owned());
        assert_eq!(of("/apis/metrics.k8s.io/v1beta1"), name);
        assert_eq!(of("/apis//metrics.k8s.io/v1beta1/nodes/a"), name);
        for other in [
            "/apis/metrics.k8s.io",
            "/apis/metrics.k8s.io/v1",
            "/api/v1",
            "/",
            "/version",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
        table.remove("v1beta1.metrics.k8s.io");
        assert_eq!(of("/apis/metrics.k8s.io/v1beta1"), None);
    }

    #[test]
    fn what_was_found_out_stays_while_the_way_there_does() {
        let table = Table::default();
        table.put(&object("g", "v1", false));
        let link = |table: &Table| {
            let service = table.of("g", "v1").unwrap();
            Arc::clone(&service.remote.as_ref().unwrap().link)
        };
        let first = link(&table);
        table.put(&object("g", "v1", true));
        assert!(Arc::ptr_eq(&first, &link(&table)));
        let mut moved = object("g", "v1", true);
        moved["spec"]["service"]["port"] = json!(8443);
        table.put(&moved);
        assert!(!Arc::ptr_eq(&first, &link(&table)));
    }

    #[test]
    fn there_are_no_more_than_the_limit() {
        let table = Table::default();
        for number in 0..=EXTENSIONS_MAX {
            table.put(&object(&format!("g{number}"), "v1", true));
        }
        assert_eq!(table.remotes().len(), EXTENSIONS_MAX);
    }
}
