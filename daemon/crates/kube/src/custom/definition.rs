//! What is kept of a CustomResourceDefinition: everything but its schemas.
//!
//! Pure. Knows nothing about requests or the store.

use std::sync::Arc;

use serde_json::Value;
use skerry_custom::definition::{Conversion, Definition as Said, Names, Version};
use skerry_schema::{Resource as Facts, Subresource};
use tokio::sync::watch;

use super::{Custom, Entry, GROUP, PLURAL, Shelf};
use crate::object;
use crate::registry::{self, Resource};

/// The verbs of a custom resource, in the order of upstream's discovery.
const VERBS: &[&str] = &[
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "create",
    "update",
    "watch",
];
/// Those that discovery shows while the definition is being deleted.
const LAST_VERBS: &[&str] = &["delete", "deletecollection", "get", "list", "watch"];
const SUBRESOURCE_VERBS: [&str; 3] = ["get", "patch", "update"];

/// What all versions of a custom resource share.
#[derive(Debug)]
pub(crate) struct Definition {
    /// `widgets.example.com`.
    pub(crate) name: String,
    pub(crate) uid: String,
    /// When the store last changed it.
    pub(crate) revision: i64,
    pub(crate) generation: i64,
    /// Whether its names are its own.
    pub(crate) established: bool,
    pub(crate) terminating: bool,
    pub(crate) storage_version: String,
    /// `spec.conversion`, where objects are not converted by changing their version alone.
    pub(crate) webhook: Option<Value>,
    /// Compiles its schemas.
    pub(crate) shelf: Arc<Shelf>,
    /// Ends when another definition takes its place.
    pub(crate) standing: watch::Receiver<()>,
}

impl Definition {
    /// Where the store has it.
    pub(crate) fn key(&self) -> String {
        format!("{}/{GROUP}/{PLURAL}/{}", registry::ROOT, self.name)
    }

    /// Returns once another definition has taken its place.
    pub(crate) async fn replaced(&self) {
        let mut standing = self.standing.clone();
        while standing.changed().await.is_ok() {}
    }
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default()
}

/// Whether a condition of a definition is true.
pub(crate) fn is_true(object: &Value, condition: &str) -> bool {
    let all = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    all.into_iter()
        .flatten()
        .any(|one| text(one, "/type") == condition && text(one, "/status") == "True")
}

/// `.spec.replicas` as the names of fields.
pub(crate) fn path(text: &str) -> Vec<&str> {
    text.split('.').filter(|part| !part.is_empty()).collect()
}

impl Entry {
    /// What a definition in the store makes of the API.
    pub(super) fn of(
        object: &Value,
        revision: i64,
        shelf: &Arc<Shelf>,
        before: Option<&Entry>,
    ) -> Entry {
        let generation = object::generation(object);
        let terminating = object::is_terminating(object) || is_true(object, "Terminating");
        // Whoever watches objects need not begin anew where nothing has changed for them.
        let same = before.filter(|before| {
            let known = &before.definition;
            known.uid == object::uid(object)
                && known.generation == generation
                && known.terminating == terminating
        });
        let sender = match same {
            Some(before) => Arc::clone(&before.standing),
            None => Arc::new(watch::Sender::new(())),
        };
        let standing = sender.subscribe();
        let mut said = Said::read(object);
        // Before names are accepted nothing is served.
        let accepted = object.pointer("/status/acceptedNames");
        if let Some(names) = accepted.filter(|names| !text(names, "/plural").is_empty()) {
            said.names = Names::read(names);
        }
        let versions = std::mem::take(&mut said.versions);
        let storage = versions.iter().find(|one| one.storage);
        let webhook = match said.conversion {
            Conversion::None => None,
            Conversion::Webhook { .. } => object.pointer("/spec/conversion").cloned(),
        };
        let definition = Arc::new(Definition {
            name: object::name(object).to_owned(),
            uid: object::uid(object).to_owned(),
            revision,
            generation,
            established: is_true(object, "Established") || is_true(object, "NamesAccepted"),
            terminating,
            storage_version: storage.map_or("", |one| &*one.name).to_owned(),
            webhook,
            shelf: Arc::clone(shelf),
            standing,
        });
        let versions = versions.into_iter().map(|version| {
            let facts = facts(&said, &version, &definition);
            let definition = Arc::clone(&definition);
            Arc::new(Resource::custom(
                facts,
                Custom {
                    definition,
                    version,
                },
            ))
        });
        Entry {
            versions: versions.collect(),
            definition,
            standing: sender,
        }
    }
}

/// The name that OpenAPI gives a custom type: `com.example.v1.Widget`.
fn type_name(group: &str, version: &str, kind: &str) -> String {
    let mut parts: Vec<&str> = group.split('.').collect();
    parts.reverse();
    format!("{}.{version}.{kind}", parts.join("."))
}

fn facts(said: &Said, version: &Version, definition: &Definition) -> Facts {
    let (group, names) = (&*said.group, &said.names);
    let (kind, plural) = (&*names.kind, &*names.plural);
    let mut facts = Facts::new(group, &version.name, kind, plural, said.namespaced);
    let texts = |all: &[Box<str>]| all.iter().map(|text| text.to_string()).collect();
    facts.list_kind = names.list_kind.to_string();
    facts.singular = names.singular.to_string();
    facts.short_names = texts(&names.short_names);
    facts.categories = texts(&names.categories);
    facts.definition = type_name(group, &version.name, kind);
    facts.storage_prefix = format!("{group}/{plural}");
    let verbs = match definition.terminating {
        true => LAST_VERBS,
        false => VERBS,
    };
    facts.verbs = verbs.iter().map(|verb| (*verb).to_owned()).collect();
    let subresource =
        |name: &str, group: &str, version: &str, kind: &str, definition: &str| Subresource {
            name: name.to_owned(),
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            verbs: SUBRESOURCE_VERBS.map(str::to_owned).to_vec(),
            definition: definition.to_owned(),
        };
    if version.status {
        let own = subresource("status", group, &version.name, kind, &facts.definition);
        facts.subresources.push(own);
    }
    if version.scale.is_some() {
        let scale = "io.k8s.api.autoscaling.v1.Scale";
        let own = subresource("scale", "autoscaling", "v1", "Scale", scale);
        facts.subresources.push(own);
    }
    facts
}
