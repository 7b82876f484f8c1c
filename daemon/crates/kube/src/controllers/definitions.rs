//! Definitions of custom resources: which names they get, when they are served, and the end of
//! their objects before their own.
//!
//! One definition after the other is judged by what the store says, so two that want the same name
//! cannot both get it. Invariant: a definition is gone only after its objects are.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{RETRY_INTERVAL, own_options};
use crate::custom::{self, CLEANUP, GROUP, PLURAL, is_true, set_condition};
use crate::engine::{self, Engine, Kept};
use crate::error::ApiError;
use crate::object;
use crate::options::{DeleteOptions, Propagation};
use crate::registry::{self, Resource};

/// Between two looks at objects that take their time to go.
const CLEANUP_INTERVAL: Duration = Duration::from_millis(500);

/// Names of the definitions of one group that are taken.
#[derive(Default)]
struct Taken {
    resources: BTreeSet<String>,
    kinds: BTreeSet<String>,
}

pub(super) async fn run(engine: &Engine) {
    loop {
        if let Err(error) = follow(engine).await {
            tracing::warn!(%error, "definitions of custom resources are looked at anew");
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

async fn follow(engine: &Engine) -> Result<(), ApiError> {
    let found = engine.registry.find(GROUP, "v1", PLURAL);
    let resource = Arc::clone(found.ok_or_else(ApiError::no_such_path)?);
    let keys = registry::keys(&resource, "");
    let mut listing = engine.storage.list(keys.clone(), 0)?;
    let mut cursor = engine.storage.watch(keys, listing.revision() + 1)?;
    let mut due = BTreeSet::new();
    loop {
        let chunk = listing.next_chunk()?;
        if chunk.is_empty() {
            break;
        }
        due.extend(chunk.iter().map(|stored| name_of(&stored.key)));
    }
    drop(listing);
    loop {
        let mut later = BTreeSet::new();
        while let Some(name) = due.pop_first() {
            let settled = match engine.settle_definition(&resource, &name).await {
                // The others do not wait for what somebody has against this one.
                Err(error) if error.by_others => {
                    tracing::warn!(%error, name, "a definition cannot be written");
                    Settled::Waits
                }
                settled => settled?,
            };
            match settled {
                Settled::Done => {}
                Settled::Waits => _ = later.insert(name),
                Settled::Released(group) => due.extend(engine.refused_in(&resource, &group)?),
            }
        }
        due = later;
        let changes = match due.is_empty() {
            true => cursor.next().await?,
            false => tokio::select! {
                changes = cursor.next() => changes?,
                () = tokio::time::sleep(CLEANUP_INTERVAL) => Vec::new(),
            },
        };
        for change in changes {
            let name = name_of(&change.key);
            if change.now.is_none() {
                // Its names are free.
                let group = name.split_once('.').map_or("", |(_, group)| group);
                due.extend(engine.refused_in(&resource, group)?);
            }
            due.insert(name);
        }
    }
}

/// What names a definition has: of what is stored no more is read than that.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    group: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    accepted_names: Names,
    conditions: Vec<Condition>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Names {
    plural: String,
    singular: String,
    kind: String,
    list_kind: String,
    short_names: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

impl Named {
    fn is_accepted(&self) -> bool {
        let mut conditions = self.status.conditions.iter();
        conditions.any(|one| one.kind == "NamesAccepted" && one.status == "True")
    }
}

/// What became of a definition.
enum Settled {
    Done,
    /// Its objects are not gone yet.
    Waits,
    /// It gave up names in a group that others may want.
    Released(String),
}

fn name_of(key: &[u8]) -> String {
    let key = String::from_utf8_lossy(key);
    key.rsplit('/').next().unwrap_or_default().to_owned()
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default()
}

impl Engine {
    /// The definitions of a group whose names were not accepted.
    fn refused_in(&self, resource: &Resource, group: &str) -> Result<BTreeSet<String>, ApiError> {
        let mut names = BTreeSet::new();
        self.each_definition(resource, |one| {
            if one.spec.group == group && !one.is_accepted() {
                names.insert(one.metadata.name);
            }
        })?;
        Ok(names)
    }

    fn each_definition(
        &self,
        resource: &Resource,
        mut act: impl FnMut(Named),
    ) -> Result<(), ApiError> {
        let mut listing = self.storage.list(registry::keys(resource, ""), 0)?;
        loop {
            let chunk = listing.next_chunk()?;
            if chunk.is_empty() {
                return Ok(());
            }
            for stored in chunk {
                act(serde_json::from_slice(&stored.value).map_err(ApiError::internal)?);
            }
        }
    }

    async fn settle_definition(
        &self,
        resource: &Arc<Resource>,
        name: &str,
    ) -> Result<Settled, ApiError> {
        let Some(live) = self.read(resource, "", name)? else {
            return Ok(Settled::Done);
        };
        let held = object::finalizers(&live.object);
        if object::is_terminating(&live.object) && held.iter().any(|held| held == CLEANUP) {
            return self.clean_up(&live).await;
        }
        let mut next = live.object.clone();
        let before = next.pointer("/status/acceptedNames").cloned();
        self.judge_names(resource, &mut next)?;
        judge_approval(&mut next);
        if next == live.object {
            return Ok(Settled::Done);
        }
        let released = before.is_some_and(|names| {
            !text(&names, "/plural").is_empty() && next["status"]["acceptedNames"] != names
        });
        let group = text(&next, "/spec/group").to_owned();
        self.write_definition(&live, next, "status").await?;
        // Where it has changed meanwhile, that brings us here again.
        Ok(match released {
            true => Settled::Released(group),
            false => Settled::Done,
        })
    }

    /// Which names others of its group have.
    fn taken(&self, resource: &Resource, definition: &Value) -> Result<Taken, ApiError> {
        let group = text(definition, "/spec/group").to_owned();
        let own = object::name(definition).to_owned();
        let mut taken = Taken::default();
        self.each_definition(resource, |other| {
            if other.spec.group != group || other.metadata.name == own {
                return;
            }
            let names = other.status.accepted_names;
            let resources = [names.plural, names.singular].into_iter();
            taken.resources.extend(resources.chain(names.short_names));
            taken.kinds.extend([names.kind, names.list_kind]);
        })?;
        for names in [&mut taken.resources, &mut taken.kinds] {
            names.remove("");
        }
        Ok(taken)
    }

    /// Gives a definition the names that nobody else has, and says whether it has all it wants.
    fn judge_names(&self, resource: &Resource, definition: &mut Value) -> Result<(), ApiError> {
        let wanted = definition["spec"]["names"].clone();
        let accepted = definition.pointer("/status/acceptedNames");
        // Whoever has all that it wants takes nothing from others.
        let taken = match accepted == Some(&wanted) {
            true => Taken::default(),
            false => self.taken(resource, definition)?,
        };
        let mut accepted = accepted.cloned().unwrap_or_else(|| json!({}));
        let mut refusal: Option<(&str, String)> = None;
        for (field, reason, others) in [
            ("plural", "PluralConflict", &taken.resources),
            ("singular", "SingularConflict", &taken.resources),
            ("shortNames", "ShortNamesConflict", &taken.resources),
            ("kind", "KindConflict", &taken.kinds),
            ("listKind", "ListKindConflict", &taken.kinds),
        ] {
            let (want, have) = (wanted.get(field), accepted.get(field));
            if want == have {
                continue;
            }
            let had = names(have);
            let clashes: Vec<String> = names(want)
                .into_iter()
                .filter(|name| !had.contains(name) && others.contains(*name))
                .map(|name| format!("{name:?} is already in use"))
                .collect();
            match (clashes.as_slice(), want) {
                ([], Some(want)) => accepted[field] = want.clone(),
                ([], None) => {
                    if let Value::Object(fields) = &mut accepted {
                        fields.remove(field);
                    }
                }
                ([one], _) => refusal = Some((reason, one.clone())),
                (several, _) => refusal = Some((reason, format!("[{}]", several.join(", ")))),
            }
        }
        match wanted.get("categories") {
            Some(categories) => accepted["categories"] = categories.clone(),
            None => {
                if let Value::Object(fields) = &mut accepted {
                    fields.remove("categories");
                }
            }
        }
        object::fields_of(definition, "status").insert("acceptedNames".into(), accepted);
        match &refusal {
            None => {
                let message = "no conflicts found";
                set_condition(definition, "NamesAccepted", true, "NoConflicts", message);
                let message = "the initial names have been accepted";
                set_condition(
                    definition,
                    "Established",
                    true,
                    "InitialNamesAccepted",
                    message,
                );
            }
            Some((reason, message)) => {
                set_condition(definition, "NamesAccepted", false, reason, message);
                // What is served once goes on being served.
                if !is_true(definition, "Established") {
                    let message = "not all names are accepted";
                    set_condition(definition, "Established", false, "NotAccepted", message);
                }
            }
        }
        match skerry_custom::definition::nonstructural(definition) {
            Some(message) => {
                set_condition(
                    definition,
                    "NonStructuralSchema",
                    true,
                    "Violations",
                    &message,
                );
            }
            None => custom::remove_condition(definition, "NonStructuralSchema"),
        }
        Ok(())
    }

    /// Deletes the objects of a definition that is to go, and lets it go once they are gone.
    async fn clean_up(&self, live: &Kept) -> Result<Settled, ApiError> {
        let (group, plural) = (
            text(&live.object, "/spec/group"),
            text(&live.object, "/spec/names/plural"),
        );
        let mut next = live.object.clone();
        if !is_true(&live.object, "Established") {
            let message = "resource was never established";
            set_condition(&mut next, "Terminating", false, "NeverEstablished", message);
            return self.let_go(live, next).await;
        }
        // This member's own view of it may come a moment later.
        self.registry.customs.wait_for(live.stored.revision).await;
        let Some(resource) = self.registry.customs.kept(group, plural) else {
            return Ok(Settled::Waits);
        };
        let message = "CustomResource deletion is in progress";
        set_condition(
            &mut next,
            "Terminating",
            true,
            "InstanceDeletionInProgress",
            message,
        );
        if next != live.object {
            self.write_definition(live, next, "status").await?;
            return Ok(Settled::Waits);
        }
        match self.delete_objects(&resource).await {
            Ok(()) => {}
            Err(error) if error.code < 500 => {
                let message = format!("could not issue all deletes: {}", error.message);
                let reason = "InstanceDeletionFailed";
                set_condition(&mut next, "Terminating", true, reason, &message);
                self.write_definition(live, next, "status").await?;
                return Ok(Settled::Waits);
            }
            Err(error) => return Err(error),
        }
        if self.storage.count(&registry::keys(&resource, ""), 0)? > 0 {
            return Ok(Settled::Waits);
        }
        let reason = "InstanceDeletionCompleted";
        set_condition(
            &mut next,
            "Terminating",
            false,
            reason,
            "removed all instances",
        );
        self.let_go(live, next).await
    }

    async fn let_go(&self, live: &Kept, mut next: Value) -> Result<Settled, ApiError> {
        let mut finalizers = object::finalizers(&next);
        finalizers.retain(|held| held != CLEANUP);
        object::set_finalizers(&mut next, finalizers);
        self.write_definition(live, next, "").await?;
        Ok(Settled::Done)
    }

    async fn delete_objects(&self, resource: &Arc<Resource>) -> Result<(), ApiError> {
        let mut listing = self.storage.list(registry::keys(resource, ""), 0)?;
        let options = DeleteOptions {
            propagation: Some(Propagation::Background),
            ..DeleteOptions::default()
        };
        let mut refused = Ok(());
        loop {
            let chunk = listing.next_chunk()?;
            if chunk.is_empty() {
                return refused;
            }
            for stored in chunk {
                let object = engine::present(resource, &stored)?;
                let (namespace, name) = (object::namespace(&object), object::name(&object));
                let (group, version) = (&resource.group, &resource.version);
                let call =
                    self.own_call("delete", group, version, &resource.plural, namespace, name)?;
                match self.delete_object(&call, namespace, name, &options).await {
                    Ok(_) => {}
                    Err(error) if error.by_others => refused = Err(error),
                    Err(error) if matches!(error.code, 404 | 409) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Where it has changed meanwhile, that brings us to it again.
    async fn write_definition(
        &self,
        live: &Kept,
        next: Value,
        subresource: &str,
    ) -> Result<(), ApiError> {
        let name = object::name(&live.object);
        let mut call = self.own_call("update", GROUP, "v1", PLURAL, "", name)?;
        call.info.subresource = subresource.into();
        match self.replace(&call, live, next, &own_options()).await {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.code, 404 | 409) && !error.by_others => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn names(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Groups of upstream's own want somebody's word for it.
fn judge_approval(definition: &mut Value) {
    const NOTE: &str = "/metadata/annotations/api-approved.kubernetes.io";
    const CONDITION: &str = "KubernetesAPIApprovalPolicyConformant";
    let group = text(definition, "/spec/group");
    let is_protected = ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|own| group == *own || group.ends_with(&format!(".{own}")));
    if !is_protected {
        return custom::remove_condition(definition, CONDITION);
    }
    let note = text(definition, NOTE).to_owned();
    let (is, reason, message) = match note.as_str() {
        "" => (
            false,
            "MissingAnnotation",
            "protected groups must have approval annotation \"api-approved.kubernetes.io\", see https://github.com/kubernetes/enhancements/pull/1111".to_owned(),
        ),
        note if note.starts_with("unapproved") => {
            (false, "UnapprovedAnnotation", format!("not approved: {note:?}"))
        }
        note if note.starts_with("https://") => {
            (true, "ApprovedAnnotation", format!("approved in {note}"))
        }
        note => (
            false,
            "InvalidAnnotation",
            format!("protected groups must have approval annotation \"api-approved.kubernetes.io\" with either a URL or a reason starting with \"unapproved\", see https://github.com/kubernetes/enhancements/pull/1111: {note:?}"),
        ),
    };
    set_condition(definition, CONDITION, is, reason, &message);
}
