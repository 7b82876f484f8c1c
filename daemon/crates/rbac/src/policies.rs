//! All roles and bindings that are in force, and what they decide.
//!
//! Fed object by object, as a watch brings them; keeps only what decisions
//! need. Asked for every request: no allocation until something is granted or
//! a bound role is missing.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::Value;
use skerry_selector::quoted;

use crate::attributes::Attributes;
use crate::rule::Rule;
use crate::subject::{RoleRef, Subject};
use crate::words::Words;
use crate::{GROUP, MASTERS};

/// Namespace (empty for cluster scope) and name.
type Place = (String, String);

#[derive(Debug)]
struct Binding {
    role: RoleRef,
    subjects: Box<[Subject]>,
}

/// Roles and bindings in force.
#[derive(Debug, Default)]
pub struct Policies {
    roles: BTreeMap<Place, Arc<[Rule]>>,
    bindings: BTreeMap<Place, Binding>,
    words: Words,
}

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may be done. There is no veto: not allowed means that
    /// nothing here allows it.
    pub allowed: bool,
    /// By what, or what stood in the way of finding out; may be empty.
    pub reason: String,
}

/// A role that is bound but not there, or no role at all. Printed as the
/// decision's reason names it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// No such role.
    #[error("{}.{GROUP} {} not found", .0.kind.to_lowercase(), quoted(&.0.name))]
    NotFound(RoleRef),
    /// Neither a Role nor a ClusterRole.
    #[error("unsupported role reference kind: {}", quoted(.0))]
    Kind(String),
}

/// A binding by which rules come to a user, for reasons.
struct Source<'a> {
    place: &'a Place,
    binding: &'a Binding,
    subject: &'a Subject,
}

impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (namespace, name) = self.place;
        let subject = self.subject.describe(namespace);
        if namespace.is_empty() {
            write!(
                f,
                "ClusterRoleBinding {} of {} to {subject}",
                quoted(name),
                self.binding.role
            )
        } else {
            let place = quoted(&format!("{name}/{namespace}"));
            write!(
                f,
                "RoleBinding {place} of {} to {subject}",
                self.binding.role
            )
        }
    }
}

impl Policies {
    /// Takes an object in, in place of the one of its kind, namespace and
    /// name. False if the object is none of the four kinds or has no name;
    /// what cannot be read in it grants nothing.
    pub fn put(&mut self, object: &Value) -> bool {
        let Some(kind) = object.get("kind").and_then(Value::as_str) else {
            return false;
        };
        let text = |path| object.pointer(path).and_then(Value::as_str);
        let Some(name) = text("/metadata/name").filter(|name| !name.is_empty()) else {
            return false;
        };
        let Some(place) = place(kind, text("/metadata/namespace").unwrap_or_default(), name) else {
            return false;
        };
        if matches!(kind, "Role" | "ClusterRole") {
            let rules = Rule::read_all_shared(object, &mut self.words);
            self.roles.insert(place, rules.into());
            return true;
        }
        let Some(role) = RoleRef::read(object) else {
            self.bindings.remove(&place);
            return true;
        };
        let subjects = object.get("subjects").and_then(Value::as_array);
        let subjects = subjects
            .into_iter()
            .flatten()
            .filter_map(|subject| Subject::read(subject, &mut self.words))
            .collect();
        self.bindings.insert(place, Binding { role, subjects });
        true
    }

    /// Forgets an object. False if there was none.
    pub fn remove(&mut self, kind: &str, namespace: &str, name: &str) -> bool {
        let Some(place) = place(kind, namespace, name) else {
            return false;
        };
        if matches!(kind, "Role" | "ClusterRole") {
            self.roles.remove(&place).is_some()
        } else {
            self.bindings.remove(&place).is_some()
        }
    }

    /// Whether it may be done. Members of `system:masters` may do everything,
    /// without a reason, as upstream answers before it looks at any role.
    #[must_use]
    pub fn authorize(&self, wanted: &Attributes<'_>) -> Decision {
        if is_master(wanted.groups) {
            return Decision {
                allowed: true,
                reason: String::new(),
            };
        }
        let mut unresolved = Vec::new();
        let found = self.visit(wanted.user, wanted.groups, wanted.namespace(), |found| {
            match found {
                Ok((source, rule)) if rule.allows(wanted) => {
                    return ControlFlow::Break(format!("RBAC: allowed by {source}"));
                }
                Ok(_) => {}
                Err(error) => unresolved.push(error),
            }
            ControlFlow::Continue(())
        });
        match found {
            Some(reason) => Decision {
                allowed: true,
                reason,
            },
            None if unresolved.is_empty() => Decision {
                allowed: false,
                reason: String::new(),
            },
            None => Decision {
                allowed: false,
                reason: format!("RBAC: {}", together(&unresolved)),
            },
        }
    }

    /// Every rule that holds for a user in a namespace (empty: everywhere),
    /// and the roles that are bound to the user but missing.
    #[must_use]
    pub fn rules_for(
        &self,
        user: &str,
        groups: &[String],
        namespace: &str,
    ) -> (Vec<Rule>, Vec<Unresolved>) {
        let (mut rules, mut unresolved) = (Vec::new(), Vec::new());
        let never: Option<()> = self.visit(user, groups, namespace, |found| {
            match found {
                Ok((_, rule)) => rules.push(rule.clone()),
                Err(error) => unresolved.push(error),
            }
            ControlFlow::Continue(())
        });
        debug_assert!(never.is_none());
        (rules, unresolved)
    }

    /// The rules of a role that a binding in `namespace` refers to.
    pub fn resolve(&self, role: &RoleRef, namespace: &str) -> Result<&[Rule], Unresolved> {
        let place = match role.kind.as_str() {
            "Role" if namespace.is_empty() => None,
            "Role" => Some((namespace.to_owned(), role.name.clone())),
            "ClusterRole" => Some((String::new(), role.name.clone())),
            other => return Err(Unresolved::Kind(other.to_owned())),
        };
        place
            .and_then(|place| self.roles.get(&place))
            .map(|rules| &**rules)
            .ok_or_else(|| Unresolved::NotFound(role.clone()))
    }

    /// Calls `see` with every rule that holds for the user, those of
    /// ClusterRoleBindings first, until it breaks.
    fn visit<B>(
        &self,
        user: &str,
        groups: &[String],
        namespace: &str,
        mut see: impl FnMut(Result<(Source<'_>, &Rule), Unresolved>) -> ControlFlow<B>,
    ) -> Option<B> {
        let local = if namespace.is_empty() {
            None
        } else {
            Some(namespace)
        };
        for scope in std::iter::once("").chain(local) {
            let first = (scope.to_owned(), String::new());
            let bindings = self
                .bindings
                .range(first..)
                .take_while(|(place, _)| place.0 == scope);
            for (place, binding) in bindings {
                let meant = binding
                    .subjects
                    .iter()
                    .find(|who| who.is(user, groups, scope));
                let Some(subject) = meant else { continue };
                let rules = match self.resolve(&binding.role, scope) {
                    Ok(rules) => rules,
                    Err(error) => match see(Err(error)) {
                        ControlFlow::Break(found) => return Some(found),
                        ControlFlow::Continue(()) => continue,
                    },
                };
                for rule in rules {
                    let source = Source {
                        place,
                        binding,
                        subject,
                    };
                    if let ControlFlow::Break(found) = see(Ok((source, rule))) {
                        return Some(found);
                    }
                }
            }
        }
        None
    }
}

/// Whether one of the groups may do everything.
pub(crate) fn is_master(groups: &[String]) -> bool {
    groups.iter().any(|group| group == MASTERS)
}

/// Several errors as upstream prints them together: one bare, more in
/// brackets, each once.
pub(crate) fn together(errors: &[Unresolved]) -> String {
    let mut texts: Vec<String> = Vec::new();
    for error in errors {
        let text = error.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match texts.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

/// Where an object of the kind is kept. A namespaced one without a namespace
/// has no place: it must not become one of the cluster.
fn place(kind: &str, namespace: &str, name: &str) -> Option<Place> {
    match kind {
        "ClusterRole" | "ClusterRoleBinding" => Some((String::new(), name.to_owned())),
        "Role" | "RoleBinding" if !namespace.is_empty() => {
            Some((namespace.to_owned(), name.to_owned()))
        }
        _ => None,
    }
}
