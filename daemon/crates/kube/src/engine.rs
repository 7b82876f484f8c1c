//! What all verbs share: the store, the registry, and reading one object.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};

use serde_json::Value;
use skerry_schema::Catalog;

use crate::aggregate;
use crate::answer;
use crate::certificates::Signer;
use crate::convert::convert;
use crate::decode;
use crate::error::ApiError;
use crate::events::EventLease;
use crate::flow::FlowControl;
use crate::frames::Frames;
use crate::limits::{FRAMES_BYTES_MAX, FRAMES_MAX, RUNS_BYTES_MAX, RUNS_MAX};
use crate::metrics::Metrics;
use crate::object;
use crate::policies::Policies;
use crate::proxy::Outgoing;
use crate::registry::{self, Registry, Resource};
use crate::roles::Roles;
use crate::server::Options;
use crate::services::{NodePorts, ServiceNetwork};
use crate::storage::{Along, Freshness, Outcome, Storage, Stored, Write};
use crate::tokens::Tokens;
use crate::webhooks::Webhooks;

/// See the module.
pub(crate) struct Engine {
    /// Itself, for what outlives a call.
    pub(crate) myself: Weak<Engine>,
    pub(crate) storage: Storage,
    pub(crate) registry: Registry,
    pub(crate) roles: Roles,
    pub(crate) tokens: Option<Tokens>,
    /// Certificates, as PEM, that the API is verified with.
    pub(crate) authority: String,
    /// Signs certificates, where this server may.
    pub(crate) signer: Option<Arc<dyn Signer>>,
    /// Who this server is towards others.
    pub(crate) outgoing: Option<Arc<dyn Outgoing>>,
    /// Who answers for which version of the API.
    pub(crate) extensions: aggregate::Table,
    /// Whether naming owners takes more than writing the object.
    pub(crate) guards_owners: bool,
    /// What a new cluster encrypts.
    pub(crate) encrypted: Vec<String>,
    /// The addresses of Services.
    pub(crate) services: ServiceNetwork,
    /// The ports on nodes that Services may have.
    pub(crate) node_ports: NodePorts,
    /// The port of the API, as the Service `kubernetes` leads to it.
    pub(crate) api_port: u16,
    /// The lease that new events get.
    pub(crate) event_lease: EventLease,
    /// Events for other watchers.
    pub(crate) frames: Frames,
    /// Runs of them.
    pub(crate) runs: Frames,
    /// Who may run now.
    pub(crate) flow: FlowControl,
    /// Webhooks, and how they are asked.
    pub(crate) webhooks: Webhooks,
    /// What policies of admission say.
    pub(crate) policies: Policies,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
    /// This member has led, and has made what every cluster starts with.
    pub(crate) bootstrapped: AtomicBool,
}

/// An object and what the store knows of it.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// As clients see it.
    pub(crate) object: Value,
    pub(crate) stored: Stored,
}

/// What a client is told of a read that no quorum has confirmed.
pub(crate) const STALE: &str =
    "the cluster has no quorum: this is this server's own state and may be old";

impl Engine {
    pub(crate) fn new(
        storage: Storage,
        catalog: Catalog,
        tokens: Option<Tokens>,
        options: &Options,
    ) -> Arc<Engine> {
        let metrics = Arc::default();
        Arc::new_cyclic(|myself| Engine {
            myself: Weak::clone(myself),
            storage,
            registry: Registry::new(catalog),
            roles: Roles::default(),
            tokens,
            authority: options.authority.clone(),
            signer: options.signer.clone(),
            outgoing: options.outgoing.clone(),
            extensions: aggregate::Table::default(),
            guards_owners: options.guards_owners,
            encrypted: options.encrypted.clone(),
            services: options.services,
            node_ports: options.node_ports,
            api_port: options.port,
            event_lease: EventLease::default(),
            frames: Frames::new(FRAMES_MAX, FRAMES_BYTES_MAX),
            runs: Frames::new(RUNS_MAX, RUNS_BYTES_MAX),
            flow: FlowControl::new(options.memory_budget, &metrics),
            metrics,
            webhooks: Webhooks::default(),
            policies: Policies::default(),
            bootstrapped: AtomicBool::new(false),
        })
    }

    /// Makes the reads that follow see everything acknowledged before, or says that they may not.
    pub(crate) async fn freshen(&self) -> Option<&'static str> {
        match self.storage.freshen().await {
            Freshness::Newest => None,
            Freshness::Local => Some(STALE),
        }
    }

    /// The object as it is stored here.
    pub(crate) fn read(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Kept>, ApiError> {
        let key = registry::key(resource, namespace, name);
        self.storage
            .get(&key)?
            .map(|stored| kept(resource, stored))
            .transpose()
    }

    /// As [`Engine::read`]; an error where it is not there.
    pub(crate) fn must_read(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<Kept, ApiError> {
        self.read(resource, namespace, name)?
            .ok_or_else(|| ApiError::not_found(registry::about(resource, name)))
    }

    /// Writes an object that was at `expected`; 0: that was not there. False where it has changed
    /// meanwhile; otherwise the object gets its new revision.
    pub(crate) async fn store(
        &self,
        key: &str,
        expected: i64,
        object: &mut Value,
        lease: i64,
    ) -> Result<bool, ApiError> {
        self.store_with(key, expected, object, lease, Vec::new())
            .await
    }

    /// As [`Engine::store`], with other keys along; false also where one of those has changed.
    pub(crate) async fn store_with(
        &self,
        key: &str,
        expected: i64,
        object: &mut Value,
        lease: i64,
        along: Vec<Along>,
    ) -> Result<bool, ApiError> {
        object::metadata_mut(object).remove("resourceVersion");
        let write = Write::Put(answer::json(object).into(), lease);
        let done = self.storage.write_with(key, expected, write, along);
        match done.await? {
            Outcome::Done(revision) => {
                object::set_resource_version(object, revision);
                Ok(true)
            }
            Outcome::Conflict => Ok(false),
        }
    }

    /// Removes an object that was at `expected`: the revision of that, or nothing where it has
    /// changed meanwhile.
    pub(crate) async fn remove(&self, key: &str, expected: i64) -> Result<Option<i64>, ApiError> {
        match self.storage.write(key, expected, Write::Delete).await? {
            Outcome::Done(revision) => Ok(Some(revision)),
            Outcome::Conflict => Ok(None),
        }
    }
}

/// An object as clients see it.
pub(crate) fn kept(resource: &Resource, stored: Stored) -> Result<Kept, ApiError> {
    let object = present(resource, &stored)?;
    Ok(Kept { object, stored })
}

/// As clients of a resource see what is stored; where only a webhook can convert it, in the version
/// that it is stored in.
pub(crate) fn present(resource: &Resource, stored: &Stored) -> Result<Value, ApiError> {
    let mut object = decode::stored(&stored.value)?;
    match &resource.custom {
        None => convert(resource, &mut object),
        Some(custom) => {
            custom.refresh(stored, &mut object)?;
            custom.rename(resource, &mut object);
        }
    }
    object::set_resource_version(&mut object, stored.revision);
    Ok(object)
}
