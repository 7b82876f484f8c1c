//! Nobody grants what they do not have: the check before a role or a binding
//! is written.
//!
//! `escalate` on a role, `bind` on the role that is bound, or all of the
//! rules in question must be held already. The work is bounded
//! ([`crate::limits`]); what is too large to check is refused.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use skerry_selector::quoted;

use crate::GROUP;
use crate::attributes::{Attributes, Target, User, forbidden_object};
use crate::limits::{COMPARISONS_MAX, GRANTS_MAX, MISSING_NAMED_MAX};
use crate::policies::{Policies, Unresolved, is_master};
use crate::rule::{List, Rule, quoted_list};
use crate::subject::RoleRef;

/// A comparison of rules that would take too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many rules to check: more than {GRANTS_MAX} single permissions")]
pub struct TooMany;

/// Why a role or binding may not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Forbidden, with this message.
    #[error("{0}")]
    Forbidden(String),
    /// The bound role does not exist: NotFound.
    #[error("{}s.{GROUP} {} not found", .0.kind.to_lowercase(), quoted(&.0.name))]
    NotFound(RoleRef),
    /// The bound role is of no kind that there is: an internal error upstream,
    /// though validation comes first.
    #[error("unsupported role reference kind: {}", quoted(.0))]
    Kind(String),
}

/// What `wanted` grants and `held` does not, taken apart into single grants;
/// empty when all is covered.
pub fn missing(held: &[Rule], wanted: &[Rule]) -> Result<Vec<Rule>, TooMany> {
    let (mut missing, mut grants, mut comparisons) = (Vec::new(), 0_usize, 0_usize);
    for rule in wanted {
        // Often one held rule covers the whole, and nothing need be taken apart.
        comparisons += held.len();
        if held.iter().any(|held| held.covers(rule)) {
            continue;
        }
        for grant in rule.grants() {
            grants += 1;
            comparisons += held.len();
            if grants > GRANTS_MAX || comparisons > COMPARISONS_MAX {
                return Err(TooMany);
            }
            if !held.iter().any(|held| held.covers(&grant)) {
                missing.push(grant);
            }
        }
    }
    Ok(missing)
}

/// Refuses unless the user holds all of `rules` in the namespace (empty: in
/// the whole cluster). The text is upstream's, without what is forbidden.
fn confirm(
    policies: &Policies,
    user: &User,
    namespace: &str,
    rules: &[Rule],
) -> Result<(), String> {
    let (held, unresolved) = policies.rules_for(&user.name, &user.groups, namespace);
    let missing = missing(&held, rules).map_err(|error| error.to_string())?;
    if missing.is_empty() {
        return Ok(());
    }
    let lines: BTreeSet<String> = compact(missing)
        .iter()
        .take(MISSING_NAMED_MAX)
        .map(ToString::to_string)
        .collect();
    let lines: Vec<String> = lines.into_iter().collect();
    let mut text = format!(
        "user {} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
        quoted(&user.name),
        quoted_list(&user.groups),
        lines.join("\n")
    );
    if !unresolved.is_empty() {
        let errors = crate::policies::together(&unresolved);
        text.push_str(&format!("; resolution errors: [{errors}]"));
    }
    Err(text)
}

/// Grants without names on one resource become one rule with all their verbs.
fn compact(grants: Vec<Rule>) -> Vec<Rule> {
    let mut compacted = Vec::new();
    let mut simple: BTreeMap<(List, List), Vec<_>> = BTreeMap::new();
    for grant in grants {
        if grant.names.is_empty() && grant.paths.is_empty() {
            simple
                .entry((grant.groups, grant.resources))
                .or_default()
                .extend(grant.verbs);
        } else {
            compacted.push(grant);
        }
    }
    compacted.extend(simple.into_iter().map(|((groups, resources), verbs)| Rule {
        verbs: verbs.into(),
        groups,
        resources,
        ..Rule::default()
    }));
    compacted
}

/// Checks a Role or ClusterRole before it is written. `requested_name` is the
/// name in the request's path: empty for a create.
pub fn check_role(
    policies: &Policies,
    user: &User,
    role: &Value,
    old: Option<&Value>,
    requested_name: &str,
) -> Result<(), Refusal> {
    let cluster = role.get("kind").and_then(Value::as_str) == Some("ClusterRole");
    let resource = if cluster { "clusterroles" } else { "roles" };
    let namespace = if cluster {
        ""
    } else {
        metadata(role, "namespace")
    };
    let escalate = Target::Resource {
        group: GROUP,
        resource,
        subresource: "",
        name: requested_name,
        namespace,
    };
    if is_master(&user.groups)
        || policies
            .authorize(&Attributes::new(user, "escalate", escalate))
            .allowed
        || old.is_some_and(|old| only_collection_changes(role, old))
    {
        return Ok(());
    }
    let forbidden = |why: &str| {
        Refusal::Forbidden(forbidden_object(
            GROUP,
            resource,
            metadata(role, "name"),
            why,
        ))
    };
    confirm(policies, user, namespace, &Rule::read_all(role)).map_err(|why| forbidden(&why))?;
    // A role that gathers others' rules can come to hold anything.
    if cluster
        && (aggregates(role) || old.is_some_and(aggregates))
        && confirm(policies, user, "", &everything()).is_err()
    {
        return Err(forbidden(
            "must have cluster-admin privileges to use the aggregationRule",
        ));
    }
    Ok(())
}

/// Checks a RoleBinding or ClusterRoleBinding before it is written.
pub fn check_binding(
    policies: &Policies,
    user: &User,
    binding: &Value,
    old: Option<&Value>,
) -> Result<(), Refusal> {
    let cluster = binding.get("kind").and_then(Value::as_str) == Some("ClusterRoleBinding");
    let resource = if cluster {
        "clusterrolebindings"
    } else {
        "rolebindings"
    };
    let namespace = if cluster {
        ""
    } else {
        metadata(binding, "namespace")
    };
    if is_master(&user.groups) || old.is_some_and(|old| only_collection_changes(binding, old)) {
        return Ok(());
    }
    let Some(role) = RoleRef::read(binding) else {
        return Err(Refusal::Kind(String::new()));
    };
    let bound = match role.kind.as_str() {
        "ClusterRole" => "clusterroles",
        "Role" => "roles",
        _ => return Err(Refusal::Kind(role.kind)),
    };
    let bind = Target::Resource {
        group: &role.group,
        resource: bound,
        subresource: "",
        name: &role.name,
        namespace,
    };
    if policies
        .authorize(&Attributes::new(user, "bind", bind))
        .allowed
    {
        return Ok(());
    }
    let rules = policies
        .resolve(&role, namespace)
        .map_err(|error| match error {
            Unresolved::NotFound(role) => Refusal::NotFound(role),
            Unresolved::Kind(kind) => Refusal::Kind(kind),
        })?;
    confirm(policies, user, namespace, rules).map_err(|why| {
        Refusal::Forbidden(forbidden_object(
            GROUP,
            resource,
            metadata(binding, "name"),
            &why,
        ))
    })
}

fn aggregates(role: &Value) -> bool {
    role.pointer("/aggregationRule/clusterRoleSelectors")
        .and_then(Value::as_array)
        .is_some_and(|selectors| !selectors.is_empty())
}

fn everything() -> [Rule; 2] {
    let all = || -> List { Box::new([crate::rule::ALL.into()]) };
    [
        Rule {
            verbs: all(),
            groups: all(),
            resources: all(),
            ..Rule::default()
        },
        Rule {
            verbs: all(),
            paths: all(),
            ..Rule::default()
        },
    ]
}

/// Whether nothing differs but what the garbage collector writes.
fn only_collection_changes(new: &Value, old: &Value) -> bool {
    let without = |object: &Value| {
        let mut object = object.clone();
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            for field in ["ownerReferences", "finalizers", "selfLink"] {
                metadata.remove(field);
            }
        }
        object
    };
    without(new) == without(old)
}

fn metadata<'a>(object: &'a Value, field: &str) -> &'a str {
    object
        .get("metadata")
        .and_then(|m| m.get(field))
        .and_then(Value::as_str)
        .unwrap_or_default()
}
