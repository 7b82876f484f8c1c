//! One rule of a role: which verbs on which resources or paths.
//!
//! Knows nothing of who holds it. A rule that has not its schema's types is
//! no rule: half of one could grant more than was meant (an unreadable list
//! of names would be a list of all).

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use skerry_selector::quoted;

use crate::attributes::{Attributes, Target};
use crate::words::Words;

/// Matches every verb, group, resource or path.
pub const ALL: &str = "*";

/// A list of words; most hold fewer than ten.
pub type List = Box<[Arc<str>]>;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Rule {
    /// `get`, `create`, `*`, ...
    pub verbs: List,
    /// API groups, `""` for core, `*` for all.
    pub groups: List,
    /// `pods`, `pods/log`, `*/scale`, `*`.
    pub resources: List,
    /// Names of objects; none is all.
    pub names: List,
    /// Paths that are no resources; a `*` at the end is any rest.
    pub paths: List,
}

impl Rule {
    /// Reads a PolicyRule object.
    pub(crate) fn read(value: &Value, words: &mut Words) -> Option<Self> {
        let fields = value.as_object()?;
        let mut list = |name: &str| -> Option<List> {
            match fields.get(name) {
                None | Some(Value::Null) => Some(List::default()),
                Some(Value::Array(values)) => values
                    .iter()
                    .map(|value| Some(words.share(value.as_str()?)))
                    .collect(),
                Some(_) => None,
            }
        };
        Some(Self {
            verbs: list("verbs")?,
            groups: list("apiGroups")?,
            resources: list("resources")?,
            names: list("resourceNames")?,
            paths: list("nonResourceURLs")?,
        })
    }

    /// Reads the `rules` of a Role or ClusterRole; unreadable ones are left
    /// out.
    #[must_use]
    pub fn read_all(role: &Value) -> Vec<Self> {
        Self::read_all_shared(role, &mut Words::default())
    }

    pub(crate) fn read_all_shared(role: &Value, words: &mut Words) -> Vec<Self> {
        let rules = role.get("rules").and_then(Value::as_array);
        rules
            .into_iter()
            .flatten()
            .filter_map(|rule| Self::read(rule, words))
            .collect()
    }

    /// The PolicyRule object.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut fields = Map::new();
        for (name, list) in [
            ("apiGroups", &self.groups),
            ("resources", &self.resources),
            ("resourceNames", &self.names),
            ("nonResourceURLs", &self.paths),
        ] {
            if !list.is_empty() {
                fields.insert(name.to_owned(), strings(list));
            }
        }
        fields.insert("verbs".to_owned(), strings(&self.verbs));
        Value::Object(fields)
    }

    /// Whether this rule grants what is wanted.
    #[must_use]
    pub fn allows(&self, wanted: &Attributes<'_>) -> bool {
        match wanted.target {
            Target::Resource {
                group,
                resource,
                subresource,
                name,
                ..
            } => {
                has_or_all(&self.verbs, wanted.verb)
                    && has_or_all(&self.groups, group)
                    && self
                        .resources
                        .iter()
                        .any(|held| allows_resource(held, resource, subresource))
                    && (self.names.is_empty() || has(&self.names, name))
            }
            Target::Path(path) => {
                has_or_all(&self.verbs, wanted.verb)
                    && self.paths.iter().any(|held| allows_path(held, path))
            }
        }
    }

    /// Whether everything `other` grants, this one rule grants.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        (has(&self.verbs, ALL) || has_each(&self.verbs, &other.verbs))
            && (has(&self.groups, ALL) || has_each(&self.groups, &other.groups))
            && other
                .resources
                .iter()
                .all(|resource| self.covers_resource(resource))
            && other
                .paths
                .iter()
                .all(|path| self.paths.iter().any(|held| allows_path(held, path)))
            && (self.names.is_empty()
                || (!other.names.is_empty() && has_each(&self.names, &other.names)))
    }

    fn covers_resource(&self, resource: &str) -> bool {
        has(&self.resources, ALL)
            || has(&self.resources, resource)
            || resource.split_once('/').is_some_and(|(_, subresource)| {
                self.resources
                    .iter()
                    .any(|held| held.strip_prefix("*/") == Some(subresource))
            })
    }

    /// The rule taken apart: one verb on one resource of one group with at
    /// most one name, or one verb on one path.
    pub(crate) fn grants(&self) -> impl Iterator<Item = Self> + '_ {
        let one = |word: &Arc<str>| -> List { Box::new([Arc::clone(word)]) };
        let names = if self.names.is_empty() {
            None
        } else {
            Some(&self.names)
        };
        let on_resources = self.groups.iter().flat_map(move |group| {
            self.resources.iter().flat_map(move |resource| {
                self.verbs.iter().flat_map(move |verb| {
                    let bare = Self {
                        verbs: one(verb),
                        groups: one(group),
                        resources: one(resource),
                        ..Self::default()
                    };
                    let named = names.into_iter().flat_map(|names| names.iter());
                    let unnamed = names.is_none().then(|| bare.clone());
                    named
                        .map(move |name| Self {
                            names: one(name),
                            ..bare.clone()
                        })
                        .chain(unnamed)
                })
            })
        });
        let on_paths = self.paths.iter().flat_map(move |path| {
            self.verbs.iter().map(move |verb| Self {
                verbs: one(verb),
                paths: one(path),
                ..Self::default()
            })
        });
        on_resources.chain(on_paths)
    }
}

/// As in the refusal of an escalation: `{APIGroups:[""], Resources:["pods"],
/// Verbs:["get"]}`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = [
            ("APIGroups", &self.groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.paths),
            ("ResourceNames", &self.names),
            ("Verbs", &self.verbs),
        ]
        .into_iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(name, list)| format!("{name}:{}", quoted_list(list)))
        .collect();
        write!(f, "{{{}}}", parts.join(", "))
    }
}

/// A list of strings as Go's `%q` prints one: `["a" "b"]`.
pub(crate) fn quoted_list(list: &[impl AsRef<str>]) -> String {
    let words: Vec<String> = list.iter().map(|word| quoted(word.as_ref())).collect();
    format!("[{}]", words.join(" "))
}

fn strings(list: &[Arc<str>]) -> Value {
    Value::Array(list.iter().map(|word| json!(&**word)).collect())
}

fn has(list: &[Arc<str>], word: &str) -> bool {
    list.iter().any(|held| &**held == word)
}

fn has_or_all(list: &[Arc<str>], word: &str) -> bool {
    list.iter().any(|held| &**held == ALL || &**held == word)
}

fn has_each(list: &[Arc<str>], words: &[Arc<str>]) -> bool {
    words.iter().all(|word| has(list, word))
}

fn allows_resource(held: &str, resource: &str, subresource: &str) -> bool {
    if held == ALL {
        return true;
    }
    if subresource.is_empty() {
        return held == resource;
    }
    held.strip_prefix("*/") == Some(subresource)
        || held
            .strip_prefix(resource)
            .and_then(|rest| rest.strip_prefix('/'))
            .is_some_and(|rest| rest == subresource)
}

fn allows_path(held: &str, path: &str) -> bool {
    held == path || (held.ends_with('*') && path.starts_with(held.trim_end_matches('*')))
}
