//! All webhooks that are configured, as the store holds them, ready to be asked.
//!
//! A task follows the store and parses what changes. Invariant: hooks come in the order of their
//! configurations' names, and then in that of the configuration; no more is held than
//! [`WEBHOOK_CONFIGURATIONS_BYTES_MAX`] of what was written.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::hook::{Hook, Phase};
use crate::admission::Asked;
use crate::call::Call;
use crate::engine::{self, Engine};
use crate::error::ApiError;
use crate::limits::WEBHOOK_CONFIGURATIONS_BYTES_MAX;
use crate::registry::{self, Resource};
use crate::storage::Cursor;

pub(crate) const GROUP: &str = "admissionregistration.k8s.io";
const MUTATING: &str = "mutatingwebhookconfigurations";
const VALIDATING: &str = "validatingwebhookconfigurations";

/// After something could not be read.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long a request waits for them to be read once, as upstream's.
const READY_TIME_MAX: Duration = Duration::from_secs(10);

/// See the module.
pub(crate) struct Configurations {
    mutating: RwLock<Table>,
    validating: RwLock<Table>,
    loaded: watch::Sender<bool>,
}

impl Default for Configurations {
    fn default() -> Configurations {
        Configurations {
            mutating: RwLock::default(),
            validating: RwLock::default(),
            loaded: watch::Sender::new(false),
        }
    }
}

/// The configurations of one kind.
#[derive(Default)]
struct Table {
    by_name: BTreeMap<String, Vec<Arc<Hook>>>,
    /// All of them in order.
    all: Arc<[Arc<Hook>]>,
}

impl Table {
    fn put(&mut self, configuration: &Value) {
        let name = crate::object::name(configuration).to_owned();
        let hooks = Hook::read_all(configuration);
        self.by_name
            .insert(name, hooks.into_iter().map(Arc::new).collect());
        self.order();
    }

    fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
        self.order();
    }

    fn order(&mut self) {
        self.all = self.by_name.values().flatten().cloned().collect();
    }
}

impl Configurations {
    /// The webhooks of a phase.
    ///
    /// # Errors
    /// They have not been read yet, and are not within upstream's time.
    pub(crate) async fn hooks(&self, phase: Phase) -> Result<Arc<[Arc<Hook>]>, &'static str> {
        if !*self.loaded.borrow() {
            let mut loaded = self.loaded.subscribe();
            let ready = loaded.wait_for(|loaded| *loaded);
            let ready = tokio::time::timeout(READY_TIME_MAX, ready).await;
            ready.map_err(|_| "not yet ready to handle request")?.ok();
        }
        let table = self.table(phase).read();
        Ok(Arc::clone(
            &table.unwrap_or_else(PoisonError::into_inner).all,
        ))
    }

    fn table(&self, phase: Phase) -> &RwLock<Table> {
        match phase {
            Phase::Mutating => &self.mutating,
            Phase::Validating => &self.validating,
        }
    }

    fn change(&self, phase: Phase, act: impl FnOnce(&mut Table)) {
        let table = self.table(phase).write();
        act(&mut table.unwrap_or_else(PoisonError::into_inner));
    }
}

/// Follows the store for as long as the server runs.
pub(crate) async fn follow(engine: Arc<Engine>) {
    loop {
        match load(&engine) {
            Ok([mutating, validating]) => {
                if let Err(error) = follow_from(&engine, mutating, validating).await {
                    tracing::warn!(%error, "configurations of webhooks are read anew");
                }
            }
            Err(error) => tracing::warn!(%error, "configurations of webhooks cannot be read"),
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

type Following = (Arc<Resource>, Cursor);

/// Reads all of them; the cursors stand behind what was read.
fn load(engine: &Engine) -> Result<[Following; 2], ApiError> {
    let read = |plural: &str, phase: Phase| {
        let resource = engine.registry.find(GROUP, "v1", plural);
        let resource = Arc::clone(resource.ok_or_else(ApiError::no_such_path)?);
        let mut table = Table::default();
        let mut listing = engine.storage.list(registry::keys(&resource, ""), 0)?;
        loop {
            let chunk = listing.next_chunk()?;
            if chunk.is_empty() {
                break;
            }
            for stored in chunk {
                table.put(&engine::present(&resource, &stored)?);
            }
        }
        let from = listing.revision() + 1;
        let cursor = engine.storage.watch(registry::keys(&resource, ""), from)?;
        engine
            .webhooks
            .configurations
            .change(phase, |held| *held = table);
        Ok::<Following, ApiError>((resource, cursor))
    };
    let following = [
        read(MUTATING, Phase::Mutating)?,
        read(VALIDATING, Phase::Validating)?,
    ];
    engine.webhooks.configurations.loaded.send_replace(true);
    Ok(following)
}

async fn follow_from(
    engine: &Engine,
    mut mutating: Following,
    mut validating: Following,
) -> Result<(), ApiError> {
    loop {
        let (phase, resource, changes) = tokio::select! {
            changes = mutating.1.next() => (Phase::Mutating, &mutating.0, changes?),
            changes = validating.1.next() => (Phase::Validating, &validating.0, changes?),
        };
        for change in changes {
            let configurations = &engine.webhooks.configurations;
            match &change.now {
                Some(stored) => {
                    let object = engine::present(resource, stored)?;
                    configurations.change(phase, |table| table.put(&object));
                }
                None => {
                    let key = String::from_utf8_lossy(&change.key);
                    let name = key.rsplit('/').next().unwrap_or_default();
                    configurations.change(phase, |table| table.remove(name));
                }
            }
        }
    }
}

/// Whether no webhook is asked: about what configures admission, so that a webhook that is down can
/// be taken away again, and about what the server cannot do without when it starts.
pub(super) fn exempts(asked: &Asked<'_>) -> bool {
    let resource = &asked.call.resource;
    let configures = resource.group == GROUP
        && matches!(
            resource.kind.as_str(),
            "ValidatingWebhookConfiguration"
                | "MutatingWebhookConfiguration"
                | "ValidatingAdmissionPolicy"
                | "ValidatingAdmissionPolicyBinding"
                | "MutatingAdmissionPolicy"
                | "MutatingAdmissionPolicyBinding"
        );
    configures || asked.call.is_exempt
}

/// Whether objects of a resource are configurations of webhooks.
pub(super) fn configures_webhooks(resource: &Resource) -> bool {
    resource.group == GROUP && matches!(resource.plural.as_str(), MUTATING | VALIDATING)
}

impl Engine {
    /// The webhooks of a phase.
    pub(super) async fn hooks(
        &self,
        asked: &Asked<'_>,
        phase: Phase,
    ) -> Result<Arc<[Arc<Hook>]>, ApiError> {
        let hooks = self.webhooks.configurations.hooks(phase).await;
        hooks.map_err(|why| {
            let about = registry::about(&asked.call.resource, asked.name);
            ApiError::forbidden(about, why)
        })
    }

    /// Refuses a configuration of webhooks that would have every member hold more of them than
    /// there is room for.
    pub(crate) fn bound_configurations(&self, call: &Call, object: &Value) -> Result<(), ApiError> {
        let resource = &call.resource;
        if !configures_webhooks(resource) {
            return Ok(());
        }
        let name = crate::object::name(object);
        let own = registry::key(resource, "", name);
        let mut bytes = object.to_string().len();
        for plural in [MUTATING, VALIDATING] {
            let resource = self.registry.find(GROUP, "v1", plural);
            let resource = resource.ok_or_else(ApiError::no_such_path)?;
            let mut listing = self.storage.list(registry::keys(resource, ""), 0)?;
            loop {
                let chunk = listing.next_chunk()?;
                if chunk.is_empty() {
                    break;
                }
                let others = chunk.iter().filter(|stored| stored.key != own.as_bytes());
                bytes += others.map(|stored| stored.value.len()).sum::<usize>();
            }
        }
        if bytes <= WEBHOOK_CONFIGURATIONS_BYTES_MAX {
            return Ok(());
        }
        let why = format!(
            "the configurations of all webhooks may not be longer than {WEBHOOK_CONFIGURATIONS_BYTES_MAX} bytes"
        );
        Err(ApiError::forbidden(registry::about(resource, name), &why))
    }
}
