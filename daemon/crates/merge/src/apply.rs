//! Server-side apply, and the bookkeeping of owners that goes with every other write.
//!
//! Knows nothing about requests, storage, versions or defaults: an object has one type, and
//! whoever calls defaults and validates what comes out. Invariant: after a write, every field
//! that it changed has the writer as its owner and nobody else, but for those that applied the
//! same value.

mod blank;
mod last_applied;
mod ownership;
mod scale;
mod times;
mod user_agent;

use serde_json::{Map, Value};
use skerry_schema::Type;
use thiserror::Error;

pub use crate::conflict::{Conflict, Conflicts};
pub use crate::managers::{BadManagers, Manager, Operation};
pub use crate::typed::Invalid;
pub use scale::{owners_from_scale, owners_to_scale};
pub use times::keep_times;
pub use user_agent::manager_or_user_agent;

use crate::fields::Set;
use crate::limits::UPDATE_MANAGERS_MAX;
use crate::managers::Managers;
use crate::typed::{Duplicates, Model, compare, members, merge, reconcile, validate};

/// Who writes what, and when.
#[derive(Clone, Copy)]
pub struct Write<'a> {
    /// The field manager; where it is empty, `unknown`.
    pub manager: &'a str,
    /// What the object is.
    pub of: Type<'a>,
    /// Of the object: `v1`, `apps/v1`.
    pub api_version: &'a str,
    /// Of the object.
    pub kind: &'a str,
    /// Through which it is written; empty for none.
    pub subresource: &'a str,
    /// RFC 3339, in UTC, whole seconds.
    pub time: &'a str,
    /// Fields that a write here does not change, as the status where the object itself is
    /// written: nobody owns them through it.
    pub resets: &'a Set,
    /// Whether the kind is one of upstream's own, of which some fields are always there.
    pub built_in: bool,
}

impl<'a> Write<'a> {
    fn manager(&self, name: &str, operation: Operation) -> Manager {
        let name = if name.is_empty() { "unknown" } else { name };
        Manager {
            name: name.to_owned(),
            operation,
            api_version: match operation {
                Operation::Apply => String::new(),
                Operation::Update => self.api_version.to_owned(),
            },
            subresource: self.subresource.to_owned(),
        }
    }

    fn model(&self) -> Model<'a> {
        Model::Of(self.of)
    }

    /// `ns/name; apps/v1, Kind=Deployment`.
    fn described(&self, object: &Value) -> String {
        let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
        let group_version_kind = group_version_kind(self.api_version, self.kind);
        format!(
            "{}/{}; {group_version_kind}",
            text("namespace"),
            text("name")
        )
    }
}

/// `apps/v1, Kind=Deployment`, `/v1, Kind=Pod`.
fn group_version_kind(api_version: &str, kind: &str) -> String {
    let slash = if api_version.contains('/') { "" } else { "/" };
    format!("{slash}{api_version}, Kind={kind}")
}

/// Why a configuration was not applied.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// 409, `Conflict`, with a cause for each.
    #[error(transparent)]
    Conflicts(#[from] Conflicts),
    /// 400, `BadRequest`: the configuration is of another kind or version.
    #[error("invalid object type: {0}")]
    OtherKind(String),
    /// 400, `BadRequest`: ownership is not for configurations to say.
    #[error("metadata.managedFields must be nil")]
    ManagedFields,
    /// 500: the configuration is not of its type.
    #[error("failed to create typed patch object ({0}): {1}")]
    Config(String, Invalid),
    /// 500: what is stored is not of its type.
    #[error("failed to create typed live object ({0}): {1}")]
    Live(String, Invalid),
    /// 500: what is stored has owners that cannot be read.
    #[error("failed to decode managed fields: {0}")]
    Managers(#[from] BadManagers),
}

/// The object after `config` was applied to it, with its owners. What `config` no longer has, and
/// its manager owned alone, goes. Nulls in it that are new to the object are left for the caller.
///
/// # Errors
/// Where others own what `config` changes, unless `force` says that they lose it; and where
/// `config` is not what it should be.
pub fn apply(
    live: Option<&Value>,
    config: &Value,
    force: bool,
    write: &Write<'_>,
) -> Result<Value, ApplyError> {
    let text = |key: &str| config[key].as_str().unwrap_or_default();
    if text("apiVersion") != write.api_version || text("kind") != write.kind {
        let found = group_version_kind(text("apiVersion"), text("kind"));
        return Err(ApplyError::OtherKind(found));
    }
    if config["metadata"]["managedFields"].is_array() {
        return Err(ApplyError::ManagedFields);
    }
    let applying = Applying {
        live: live.map(without_managers),
        managers: match live.and_then(entries) {
            Some(entries) => Managers::decode(entries)?,
            None => Managers::default(),
        },
        config,
        write,
    };
    let applying = applying.with_first_owner()?;
    let applied = match applying.run(force) {
        Err(ApplyError::Conflicts(conflicts)) if write.manager == "kubectl" => {
            applying.run_after_client_side(conflicts)
        }
        other => other,
    };
    let (mut object, managers) = applied?;
    if write.manager == "kubectl" {
        last_applied::renew(&mut object, config);
    }
    put_managers(&mut object, &managers);
    Ok(object)
}

/// What is wrong with the owners that an object says it has, if they are not as they should be.
#[must_use]
pub fn managers_fault(object: &Value) -> Option<String> {
    let entries = match object.get("metadata")?.get("managedFields")? {
        Value::Null => return None,
        Value::Array(entries) => entries,
        _ => return Some("managedFields is no list".to_owned()),
    };
    Managers::decode(entries)
        .err()
        .map(|error| error.to_string())
}

/// `new`, which is what `live` becomes by any other write than an apply, with its owners. Never
/// fails: where owners cannot be told, they stay what they were.
#[must_use]
pub fn update(live: Option<&Value>, mut new: Value, write: &Write<'_>) -> Value {
    if !new["metadata"].is_object() {
        return new;
    }
    let managers = owners_before(live, &new, write);
    drop_managers(&mut new);
    let created = live.is_none_or(|live| !live["metadata"]["uid"].is_string());
    if managers.owned.is_empty() && !created {
        // Nobody has been keeping track of it.
        return new;
    }
    let base = match live {
        Some(live) => without_managers(live),
        None => blank::base(write),
    };
    match track(&base, &new, managers, write.manager, write) {
        Ok(managers) => put_managers(&mut new, &managers),
        Err(_) => {
            if let Some(entries) = live.and_then(entries) {
                put(&mut new, entries.to_vec());
            }
        }
    }
    new
}

/// The owners that a write starts from: those that it sends, unless they say nothing, else those
/// that are stored. Through a subresource they cannot be sent.
fn owners_before(live: Option<&Value>, new: &Value, write: &Write<'_>) -> Managers {
    let stored = || {
        let entries = live.and_then(entries).unwrap_or_default();
        Managers::decode(entries).unwrap_or_default()
    };
    if !write.subresource.is_empty() {
        return stored();
    }
    let Some(sent) = entries(new) else {
        return stored();
    };
    let says_nothing =
        |entry: &Value| entry.is_null() || entry.as_object().is_some_and(Map::is_empty);
    match sent {
        [] => Managers::default(),
        [only] if says_nothing(only) => Managers::default(),
        sent => match Managers::decode(sent) {
            Ok(managers) if !managers.owned.is_empty() => managers,
            _ => stored(),
        },
    }
}

/// The owners after `manager` turned `live` into `new`.
fn track(
    live: &Value,
    new: &Value,
    mut managers: Managers,
    manager: &str,
    write: &Write<'_>,
) -> Result<Managers, Invalid> {
    let model = write.model();
    validate(model, new, Duplicates::Allowed)?;
    validate(model, live, Duplicates::Allowed)?;
    for owned in managers.owned.values_mut() {
        owned.set = reconcile(&owned.set, model);
    }
    let comparison = compare(model, live, new).without_trees(write.resets);
    ownership::lose(&mut managers, &comparison, None);
    let written = ownership::without_identity(&comparison.written());
    if !written.is_empty() {
        let manager = write.manager(manager, Operation::Update);
        let owned = managers.owned.entry(manager.clone());
        let owned = owned.or_insert_with(|| ownership::nothing(write.api_version));
        owned.set = std::mem::take(&mut owned.set).union(written);
        managers.times.insert(manager, write.time.to_owned());
    }
    managers.merge_oldest(UPDATE_MANAGERS_MAX);
    Ok(managers)
}

/// An apply that is going on.
struct Applying<'a> {
    live: Option<Value>,
    managers: Managers,
    config: &'a Value,
    write: &'a Write<'a>,
}

impl Applying<'_> {
    /// Where nobody has been keeping track, what is there is owned by `before-first-apply`.
    fn with_first_owner(mut self) -> Result<Self, ApplyError> {
        if let Some(live) = &self.live
            && self.managers.owned.is_empty()
        {
            let base = blank::base(self.write);
            self.managers = track(
                &base,
                live,
                Managers::default(),
                "before-first-apply",
                self.write,
            )
            .map_err(|invalid| ApplyError::Live(self.write.described(live), invalid))?;
        }
        Ok(self)
    }

    fn run(&self, force: bool) -> Result<(Value, Managers), ApplyError> {
        let write = self.write;
        let model = write.model();
        validate(model, self.config, Duplicates::Refused)
            .map_err(|invalid| ApplyError::Config(write.described(self.config), invalid))?;
        let mut managers = self.managers.clone();
        let empty = Value::Object(Map::new());
        let live = self.live.as_ref().unwrap_or(&empty);
        validate(model, live, Duplicates::Allowed)
            .map_err(|invalid| ApplyError::Live(write.described(live), invalid))?;
        for owned in managers.owned.values_mut() {
            owned.set = reconcile(&owned.set, model);
        }

        let manager = write.manager(write.manager, Operation::Apply);
        let mut owned = ownership::nothing(write.api_version);
        owned.set = members(model, self.config).without_trees(write.resets);
        let before = managers.owned.insert(manager.clone(), owned);
        let merged = merge(model, live, self.config);
        let merged = match before {
            Some(before) => ownership::prune(model, &merged, &before.set, &managers),
            None => merged,
        };

        let comparison = compare(model, live, &merged).without_trees(write.resets);
        let conflicts = ownership::conflicts(&managers, &comparison, &manager);
        if !force && !conflicts.is_empty() {
            return Err(Conflicts::of(&conflicts).into());
        }
        ownership::lose(&mut managers, &comparison, Some(&manager));
        if let Some(owned) = managers.owned.get_mut(&manager) {
            owned.set = ownership::without_identity(&owned.set);
            if owned.set.is_empty() {
                managers.owned.remove(&manager);
            }
        }
        if self.live.is_none() || !crate::value::same(live, &merged) {
            managers.times.insert(manager, write.time.to_owned());
        }
        Ok((merged, managers))
    }

    /// What client-side apply owned, `kubectl` may take over.
    fn run_after_client_side(&self, conflicts: Conflicts) -> Result<(Value, Managers), ApplyError> {
        let live = self.live.as_ref();
        let Some(allowed) = live.and_then(|live| last_applied::owned(live, self.write)) else {
            return Err(conflicts.into());
        };
        let left = conflicts.without(&allowed);
        if left.0.is_empty() {
            self.run(true)
        } else {
            Err(left.into())
        }
    }
}

/// `metadata.managedFields`, where it is a list.
fn entries(object: &Value) -> Option<&[Value]> {
    let entries = object["metadata"]["managedFields"].as_array();
    entries.map(Vec::as_slice)
}

fn without_managers(object: &Value) -> Value {
    let mut object = object.clone();
    drop_managers(&mut object);
    object
}

fn drop_managers(object: &mut Value) {
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.remove("managedFields");
    }
}

fn put_managers(object: &mut Value, managers: &Managers) {
    let entries = managers.encode();
    if !entries.is_empty() {
        put(object, entries);
    }
}

fn put(object: &mut Value, entries: Vec<Value>) {
    let Value::Object(fields) = object else {
        return;
    };
    let metadata = fields
        .entry("metadata")
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(metadata) = metadata {
        metadata.insert("managedFields".to_owned(), Value::Array(entries));
    }
}
