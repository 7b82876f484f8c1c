//! `metadata.managedFields`: who owns which fields, since when, and by which operation.
//!
//! Knows nothing about types. Invariant: no manager in a `Managers` that was `encode`d has an
//! empty set.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::fields::{BadFields, Set};
use crate::go;

/// What a manager did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Operation {
    Apply,
    Update,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// What tells managers apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Manager {
    /// The name that the client gave.
    pub name: String,
    /// What it did.
    pub operation: Operation,
    /// Of what it wrote; empty where it applied, for whoever applies is one in all versions.
    pub api_version: String,
    /// Through which subresource; empty for none.
    pub subresource: String,
}

impl Manager {
    /// As conflicts name it: `"kubectl" using v1`.
    #[must_use]
    pub fn printed(&self) -> String {
        let mut text = go::quoted(&self.name);
        if !self.subresource.is_empty() {
            text += &format!(" with subresource {}", go::quoted(&self.subresource));
        }
        if self.operation == Operation::Update {
            text += &format!(" using {}", self.api_version);
        }
        text
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) set: Set,
    pub(crate) api_version: String,
}

/// All managers of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Managers {
    pub(crate) owned: BTreeMap<Manager, Owned>,
    /// RFC 3339, in UTC, whole seconds: their order as text is their order in time.
    pub(crate) times: BTreeMap<Manager, String>,
}

/// Why something is no `managedFields`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum BadManagers {
    #[error("operation must be `Apply` or `Update`")]
    Operation,
    #[error("apiVersion must not be empty")]
    ApiVersion,
    #[error("missing fieldsType in managed fields entry {0}")]
    NoFieldsType(usize),
    #[error("invalid fieldsType {1:?} in managed fields entry {0}")]
    FieldsType(usize, String),
    #[error("error decoding set: {0}")]
    Fields(#[from] BadFields),
    #[error("managed fields entry {0} is not a map of strings")]
    Entry(usize),
}

impl Managers {
    /// From the list in `metadata`.
    pub(crate) fn decode(entries: &[Value]) -> Result<Self, BadManagers> {
        let mut managers = Self::default();
        for (place, entry) in entries.iter().enumerate() {
            let none = Map::new();
            let entry = match entry {
                Value::Object(entry) => entry,
                Value::Null => &none,
                _ => return Err(BadManagers::Entry(place)),
            };
            let text = |key: &str| match entry.get(key) {
                None | Some(Value::Null) => Ok(String::new()),
                Some(Value::String(text)) => Ok(text.clone()),
                Some(_) => Err(BadManagers::Entry(place)),
            };
            let operation = match text("operation")?.as_str() {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return Err(BadManagers::Operation),
            };
            let api_version = text("apiVersion")?;
            if api_version.is_empty() {
                return Err(BadManagers::ApiVersion);
            }
            match text("fieldsType")?.as_str() {
                "FieldsV1" => {}
                "" => return Err(BadManagers::NoFieldsType(place)),
                other => return Err(BadManagers::FieldsType(place, other.to_owned())),
            }
            let set = match entry.get("fieldsV1") {
                None | Some(Value::Null) => Set::default(),
                Some(fields) => Set::from_fields_v1(fields)?,
            };
            let manager = Manager {
                name: text("manager")?,
                operation,
                api_version: match operation {
                    Operation::Apply => String::new(),
                    Operation::Update => api_version.clone(),
                },
                subresource: text("subresource")?,
            };
            let time = text("time")?;
            if !time.is_empty() {
                managers.times.insert(manager.clone(), time);
            }
            let owned = Owned { set, api_version };
            managers.owned.insert(manager, owned);
        }
        Ok(managers)
    }

    /// As the list in `metadata`: appliers first, then by time and name.
    pub(crate) fn encode(&self) -> Vec<Value> {
        let mut managers: Vec<_> = self.owned.iter().collect();
        let time = |manager: &Manager| self.times.get(manager).map_or("", String::as_str);
        managers.sort_by(|(left, left_owned), (right, right_owned)| {
            left.operation
                .cmp(&right.operation)
                .then_with(|| time(left).cmp(time(right)))
                .then_with(|| left.name.cmp(&right.name))
                .then_with(|| left_owned.api_version.cmp(&right_owned.api_version))
                .then_with(|| left.subresource.cmp(&right.subresource))
        });
        let entries = managers.into_iter().map(|(manager, owned)| {
            let mut entry = Map::new();
            let mut put = |key: &str, text: &str| {
                if !text.is_empty() {
                    entry.insert(key.to_owned(), json!(text));
                }
            };
            put("manager", &manager.name);
            put("operation", manager.operation.name());
            put("apiVersion", &owned.api_version);
            put("time", time(manager));
            put("fieldsType", "FieldsV1");
            put("subresource", &manager.subresource);
            entry.insert("fieldsV1".to_owned(), owned.set.to_fields_v1());
            Value::Object(entry)
        });
        entries.collect()
    }

    /// Keeps the Update entries at `most` or fewer: the oldest of a version become one entry.
    pub(crate) fn merge_oldest(&mut self, most: usize) {
        let updaters = self.owned.keys();
        let updaters = updaters.filter(|manager| manager.operation == Operation::Update);
        let mut updaters: Vec<Manager> = updaters.cloned().collect();
        let mut length = updaters.len();
        if length <= most {
            return;
        }
        updaters.sort_by(|left, right| {
            let (left_time, right_time) = (self.times.get(left), self.times.get(right));
            left_time.cmp(&right_time).then_with(|| left.cmp(right))
        });
        let mut first_of_version: BTreeMap<String, Manager> = BTreeMap::new();
        for manager in updaters {
            if length <= most {
                return;
            }
            let version = manager.api_version.clone();
            let Some(first) = first_of_version.get(&version) else {
                first_of_version.insert(version, manager);
                continue;
            };
            let bucket = Manager {
                name: "ancient-changes".to_owned(),
                operation: Operation::Update,
                api_version: version,
                subresource: String::new(),
            };
            if !self.owned.contains_key(&bucket)
                && let Some(owned) = self.owned.remove(first)
            {
                self.owned.insert(bucket.clone(), owned);
            }
            if bucket != manager
                && let Some(owned) = self.owned.remove(&manager)
            {
                let target = self.owned.entry(bucket.clone()).or_insert_with(|| Owned {
                    set: Set::default(),
                    api_version: owned.api_version.clone(),
                });
                target.set = std::mem::take(&mut target.set).union(owned.set);
                // It is the more recent of the two.
                match self.times.get(&manager).cloned() {
                    Some(time) => _ = self.times.insert(bucket, time),
                    None => _ = self.times.remove(&bucket),
                }
            }
            length -= 1;
        }
    }
}
