//! What is kept of a CustomResourceDefinition: everything but its schemas.
//!
//! Pure. Knows nothing about requests or the store.

use std::sync::Arc;

use serde_json::Value;
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

/// A printer column.
#[derive(Debug)]
pub(crate) struct Column {
    /// As a Table has it.
    pub(crate) definition: Value,
    /// `date`, `string`, ...
    pub(crate) kind: String,
    /// `.spec.replicas`.
    pub(crate) path: String,
}

/// Where the scale of an object is.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    /// Names of fields, from the root.
    pub(crate) replicas: Vec<String>,
    pub(crate) status_replicas: Vec<String>,
    pub(crate) selector: Option<Vec<String>>,
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

fn texts(value: &Value, pointer: &str) -> Vec<String> {
    let found = value.pointer(pointer).and_then(Value::as_array);
    let texts = found.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
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
pub(crate) fn path(text: &str) -> Vec<String> {
    let parts = text.split('.').filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
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
        let versions = object.pointer("/spec/versions").and_then(Value::as_array);
        let versions: Vec<&Value> = versions.into_iter().flatten().collect();
        let storage = versions
            .iter()
            .find(|one| one.get("storage") == Some(&Value::Bool(true)));
        let conversion = object.pointer("/spec/conversion");
        let by_webhook = text(object, "/spec/conversion/strategy") == "Webhook";
        let definition = Arc::new(Definition {
            name: object::name(object).to_owned(),
            uid: object::uid(object).to_owned(),
            revision,
            generation,
            established: is_true(object, "Established") || is_true(object, "NamesAccepted"),
            terminating,
            storage_version: storage.map_or("", |one| text(one, "/name")).to_owned(),
            webhook: by_webhook.then(|| conversion.cloned()).flatten(),
            shelf: Arc::clone(shelf),
            standing,
        });
        let versions = versions.iter().map(|version| {
            let facts = facts(object, version, &definition);
            let custom = custom(object, version, &definition);
            Arc::new(Resource::custom(facts, custom))
        });
        Entry {
            versions: versions.collect(),
            definition,
            standing: sender,
        }
    }
}

/// The name that OpenAPI gives a custom type: `com.example.v1.Widget`.
pub(crate) fn type_name(group: &str, version: &str, kind: &str) -> String {
    let mut parts: Vec<&str> = group.split('.').collect();
    parts.reverse();
    format!("{}.{version}.{kind}", parts.join("."))
}

fn facts(object: &Value, version: &Value, definition: &Definition) -> Facts {
    // Before names are accepted nothing is served.
    let names = object.pointer("/status/acceptedNames");
    let names = names.filter(|names| !text(names, "/plural").is_empty());
    let names = names.or_else(|| object.pointer("/spec/names"));
    let names = names.unwrap_or(&Value::Null);
    let group = text(object, "/spec/group");
    let version_name = text(version, "/name");
    let (kind, plural) = (text(names, "/kind"), text(names, "/plural"));
    let namespaced = text(object, "/spec/scope") == "Namespaced";
    let mut facts = Facts::new(group, version_name, kind, plural, namespaced);
    facts.list_kind = text(names, "/listKind").to_owned();
    facts.singular = text(names, "/singular").to_owned();
    facts.short_names = texts(names, "/shortNames");
    facts.categories = texts(names, "/categories");
    facts.definition = type_name(group, version_name, kind);
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
    if version.pointer("/subresources/status").is_some() {
        let own = subresource("status", group, version_name, kind, &facts.definition);
        facts.subresources.push(own);
    }
    if version.pointer("/subresources/scale").is_some() {
        let scale = "io.k8s.api.autoscaling.v1.Scale";
        let own = subresource("scale", "autoscaling", "v1", "Scale", scale);
        facts.subresources.push(own);
    }
    facts
}

fn custom(object: &Value, version: &Value, definition: &Arc<Definition>) -> Custom {
    let is = |field: &str| version.get(field) == Some(&Value::Bool(true));
    let deprecation = is("deprecated").then(|| {
        let said = text(version, "/deprecationWarning");
        match said {
            "" => format!(
                "{}/{} {} is deprecated",
                text(object, "/spec/group"),
                text(version, "/name"),
                text(object, "/spec/names/kind"),
            ),
            said => said.to_owned(),
        }
    });
    let columns = version
        .get("additionalPrinterColumns")
        .and_then(Value::as_array);
    let columns = columns.into_iter().flatten().map(column).collect();
    let selectable = version.get("selectableFields").and_then(Value::as_array);
    let selectable = selectable.into_iter().flatten();
    let selectable = selectable.map(|one| {
        let path = text(one, "/jsonPath");
        path.strip_prefix('.').unwrap_or(path).to_owned()
    });
    let scale = version.pointer("/subresources/scale").map(|scale| Scale {
        replicas: path(text(scale, "/specReplicasPath")),
        status_replicas: path(text(scale, "/statusReplicasPath")),
        selector: Some(text(scale, "/labelSelectorPath"))
            .filter(|path| !path.is_empty())
            .map(path),
    });
    Custom {
        definition: Arc::clone(definition),
        served: is("served"),
        deprecation,
        columns,
        selectable: selectable.collect(),
        scale,
        has_status: version.pointer("/subresources/status").is_some(),
    }
}

fn column(column: &Value) -> Column {
    let said = |field: &str| text(column, &format!("/{field}")).to_owned();
    let path = said("jsonPath");
    let mut description = said("description");
    if description.is_empty() {
        description = format!("Custom resource definition column (in JSONPath format): {path}");
    }
    Column {
        definition: serde_json::json!({
            "name": said("name"),
            "type": said("type"),
            "format": said("format"),
            "description": description,
            "priority": column.get("priority").and_then(Value::as_i64).unwrap_or(0),
        }),
        kind: said("type"),
        path,
    }
}
