//! Endpoints and EndpointSlices of Services: made of the Pods that their selectors match, and
//! mirrored where somebody wrote Endpoints himself.
//!
//! Keeps the selector of each Service and what is due, and no Pods. What a change costs: a Pod's
//! change is held against the selectors of its namespace; each Service that it concerns then reads
//! the Pods of that namespace, of which only those are parsed that have the selector's labels, and
//! its own slices. A Service rests for nine times as long as that took, so that a thousand Pods that
//! start at once cost a few reads each, and no more than a tenth of a processor. Writes are those
//! slices that changed. Invariant: what is as it should be is not written.

mod index;
mod mirror;
mod owner;
mod pod;
mod queue;
mod slices;
mod subsets;
mod sync;
mod wanted;
mod write;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use self::index::{Index, Place};
use self::pod::Pod;
use self::queue::Queue;
use super::RETRY_INTERVAL;
use crate::decode;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::object;
use crate::registry::{self, Resource};
use crate::storage::{Change, Cursor, Stored};

/// When what has changed since had its change.
const TRIGGER_TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Who writes a slice.
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const SLICES: &str = "endpointslice-controller.k8s.io";
const MIRROR: &str = "endpointslicemirroring-controller.k8s.io";
const HEADLESS: &str = "service.kubernetes.io/headless";
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
/// Who writes Endpoints.
const ENDPOINTS_MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const ENDPOINTS: &str = "endpoint-controller";
const ZONE: &str = "topology.kubernetes.io/zone";

/// A Service rests for so many times as long as looking at it took.
const REST_FACTOR: u32 = 9;
/// No longer than this.
const REST_MAX: Duration = Duration::from_secs(5);

/// The resources that are read here.
struct Kinds {
    services: Arc<Resource>,
    pods: Arc<Resource>,
    nodes: Arc<Resource>,
    endpoints: Arc<Resource>,
    slices: Arc<Resource>,
}

/// What is known between two looks.
struct State {
    kinds: Kinds,
    index: Index,
    queue: Queue,
    /// Revisions of own writes that the watch has yet to bring back.
    own: HashSet<i64>,
    /// Services with Pods on nodes that are not there.
    nodeless: BTreeMap<String, BTreeSet<Place>>,
}

pub(super) async fn run(engine: &Engine) {
    loop {
        if let Err(error) = follow(engine).await {
            tracing::warn!(%error, "endpoints are looked at anew");
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

async fn follow(engine: &Engine) -> Result<(), ApiError> {
    let find = |group: &str, plural: &str| {
        let found = engine.registry.find(group, "v1", plural);
        found.cloned().ok_or_else(ApiError::no_such_path)
    };
    let mut state = State {
        kinds: Kinds {
            services: find("", "services")?,
            pods: find("", "pods")?,
            nodes: find("", "nodes")?,
            endpoints: find("", "endpoints")?,
            slices: find("discovery.k8s.io", "endpointslices")?,
        },
        index: Index::default(),
        queue: Queue::default(),
        own: HashSet::new(),
        nodeless: BTreeMap::new(),
    };
    let from = state.read_all(engine).await? + 1;
    let watch = |resource: &Resource| engine.storage.watch(registry::keys(resource, ""), from);
    let mut services = watch(&state.kinds.services)?;
    let mut pods = watch(&state.kinds.pods)?;
    let mut nodes = watch(&state.kinds.nodes)?;
    let mut endpoints = watch(&state.kinds.endpoints)?;
    let mut slices = watch(&state.kinds.slices)?;
    loop {
        let due = state.queue.due_at(Instant::now());
        tokio::select! {
            biased;
            changes = services.next() => state.note_services(&changes?)?,
            changes = pods.next() => {
                let changes = changes?;
                state.note_pods(&pods, &changes)?;
            }
            changes = nodes.next() => state.note_nodes(&changes?),
            changes = endpoints.next() => state.note_endpoints(&changes?),
            changes = slices.next() => {
                let changes = changes?;
                state.note_slices(&slices, &changes)?;
            }
            () = until(due) => state.look(engine).await,
        }
    }
}

/// Until an instant; for ever where there is none.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

impl State {
    /// Notes all Services, and Endpoints whose Service went while nobody looked. The revision that
    /// was read.
    async fn read_all(&mut self, engine: &Engine) -> Result<i64, ApiError> {
        let mut listing = engine
            .storage
            .list(registry::keys(&self.kinds.services, ""), 0)?;
        let revision = listing.revision();
        loop {
            let chunk = listing.next_chunk()?;
            if chunk.is_empty() {
                break;
            }
            for stored in chunk {
                self.note_service(&stored)?;
            }
            tokio::task::yield_now().await;
        }
        let all = registry::keys(&self.kinds.endpoints, "");
        let mut listing = engine.storage.list(all, revision)?;
        loop {
            let chunk = listing.next_chunk()?;
            if chunk.is_empty() {
                break;
            }
            for stored in chunk {
                let Some(place) = place(&stored.key) else {
                    continue;
                };
                // Others may be somebody's own.
                let managed = index::holds(&stored.value, ENDPOINTS_MANAGED_BY.as_bytes());
                let key = registry::key(&self.kinds.services, &place.0, &place.1);
                if managed && engine.storage.get(&key)?.is_none() {
                    self.queue.service_gone(place);
                }
            }
            tokio::task::yield_now().await;
        }
        Ok(revision)
    }

    fn note_service(&mut self, stored: &Stored) -> Result<(), ApiError> {
        let service = decode::stored(&stored.value)?;
        self.index.put(&service);
        let Some(place) = place(&stored.key) else {
            return Ok(());
        };
        let is_new = stored.created == stored.revision;
        let since = object::text(&service, "creationTimestamp");
        self.queue.add(place, is_new.then_some(since));
        Ok(())
    }

    fn note_services(&mut self, changes: &[Change]) -> Result<(), ApiError> {
        for change in changes {
            match (&change.now, place(&change.key)) {
                (Some(stored), _) => self.note_service(stored)?,
                (None, Some(place)) => {
                    self.index.remove(&place);
                    self.nodeless.retain(|_, waiting| {
                        waiting.remove(&place);
                        !waiting.is_empty()
                    });
                    self.queue.service_gone(place);
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn note_pods(&mut self, cursor: &Cursor, changes: &[Change]) -> Result<(), ApiError> {
        for change in changes {
            let Some((namespace, _)) = place(&change.key) else {
                continue;
            };
            if !self.index.has(&namespace) {
                continue;
            }
            let read = |stored: &Stored| -> Result<Pod, ApiError> {
                Ok(Pod::read(&decode::stored(&stored.value)?))
            };
            let before = match change.is_creation() {
                true => None,
                false => cursor.before(change)?.as_ref().map(read).transpose()?,
            };
            let now = change.now.as_ref().map(read).transpose()?;
            if before == now {
                continue;
            }
            let since = |pod: &Option<Pod>| pod.as_ref().map(|pod| pod.ready_since.clone());
            let (old, new) = (since(&before), since(&now));
            let trigger = new.filter(|new| !new.is_empty() && Some(new) != old.as_ref());
            for pod in before.iter().chain(&now) {
                for place in self.index.of(&namespace, &pod.labels) {
                    self.queue.add(place, trigger.as_deref());
                }
            }
        }
        Ok(())
    }

    fn note_nodes(&mut self, changes: &[Change]) {
        for change in changes.iter().filter(|change| change.is_creation()) {
            let name = change.key.rsplit(|byte| *byte == b'/').next();
            let name = name.and_then(|name| std::str::from_utf8(name).ok());
            let waiting = name.and_then(|name| self.nodeless.remove(name));
            for place in waiting.into_iter().flatten() {
                self.queue.add(place, None);
            }
        }
    }

    fn note_endpoints(&mut self, changes: &[Change]) {
        for change in changes {
            if !self.own.remove(&change.revision)
                && let Some(place) = place(&change.key)
            {
                self.queue.add(place, None);
            }
        }
    }

    /// Somebody else's hand on a slice of a Service.
    fn note_slices(&mut self, cursor: &Cursor, changes: &[Change]) -> Result<(), ApiError> {
        for change in changes {
            if self.own.remove(&change.revision) {
                continue;
            }
            let Some((namespace, _)) = place(&change.key) else {
                continue;
            };
            let before = match change.is_creation() {
                true => None,
                false => cursor.before(change)?,
            };
            for stored in before.iter().chain(&change.now) {
                let slice = decode::stored(&stored.value)?;
                let label = |key: &str| owner::label(&slice, key).map(str::to_owned);
                let ours = matches!(label(MANAGED_BY).as_deref(), Some(SLICES | MIRROR));
                if let Some(service) = label(SERVICE_NAME).filter(|_| ours) {
                    self.queue.add((namespace.clone(), service), None);
                }
            }
        }
        Ok(())
    }

    /// Looks at the Service that is due.
    async fn look(&mut self, engine: &Engine) {
        let Some((place, due)) = self.queue.take(Instant::now()) else {
            return;
        };
        let start = Instant::now();
        match engine.sync_endpoints(self, &place, &due).await {
            Ok(()) => {
                let rest = (start.elapsed() * REST_FACTOR).min(REST_MAX);
                self.queue.done(&place, Instant::now(), rest);
            }
            // The namespace goes, and with it all that would be made.
            Err(error) if matches!(error.code, 403 | 404) && !error.by_others => {
                self.queue.done(&place, start, Duration::ZERO);
            }
            Err(error) => {
                let (namespace, name) = (&place.0, &place.1);
                tracing::debug!(%error, namespace, name, "endpoints are written later");
                self.queue.failed(place, Instant::now(), due);
            }
        }
    }
}

/// Namespace and name at the end of a key.
fn place(key: &[u8]) -> Option<Place> {
    let key = std::str::from_utf8(key).ok()?;
    let (rest, name) = key.rsplit_once('/')?;
    let (_, namespace) = rest.rsplit_once('/')?;
    Some((namespace.to_owned(), name.to_owned()))
}
