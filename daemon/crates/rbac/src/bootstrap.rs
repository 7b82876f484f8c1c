//! The roles and bindings that are there from the start, as kube-apiserver
//! 1.36 creates them with its default features.
//!
//! Kept as tables of words (`roles`, `controllers`) and made into objects
//! when asked for: nothing of it stays in memory. Without aggregated rules:
//! `admin`, `edit` and `view` get theirs from [`crate::aggregation`].

mod controllers;
mod roles;

use serde_json::{Map, Value, json};

use crate::GROUP;
use crate::Rule;
use crate::reconcile::AUTOUPDATE;

/// The label on all of them.
pub const LABEL: (&str, &str) = ("kubernetes.io/bootstrapping", "rbac-defaults");

/// One rule, as words between blanks. The group `core` is the empty one;
/// `read` is get, list and watch, `write` create, delete, deletecollection,
/// patch and update.
#[derive(Debug, Clone, Copy)]
enum Grant {
    /// Verbs, groups, resources.
    On(&'static str, &'static str, &'static str),
    /// Verbs, groups, resources, names of objects.
    Named(&'static str, &'static str, &'static str, &'static str),
    /// Verbs, paths.
    Paths(&'static str, &'static str),
}

/// To write events: what nearly every controller does.
const EVENTS: Grant = Grant::On("create patch update", "core events.k8s.io", "events");

/// A ClusterRole, or a Role in a namespace.
#[derive(Debug, Clone, Copy)]
struct RoleRow {
    name: &'static str,
    /// Names of the roles that gather this one's rules: admin, edit, view.
    into: &'static str,
    grants: &'static [Grant],
}

/// A binding to the role of the same name, or to another.
#[derive(Debug, Clone, Copy)]
struct BindingRow {
    name: &'static str,
    role: &'static str,
    /// `group:`, `user:` or `account:namespace/`, each with a name.
    subjects: &'static str,
}

/// The roles that gather the rules of others, and into which they go
/// themselves.
const GATHERING: [(&str, &str); 3] = [("admin", ""), ("edit", "admin"), ("view", "edit")];

/// All bootstrap objects: ClusterRoles, their bindings, then Roles of
/// `kube-public` and `kube-system` and theirs.
#[must_use]
pub fn bootstrap() -> Vec<Value> {
    let mut objects = Vec::new();
    for (name, into) in GATHERING {
        let mut role = object("ClusterRole", "", name, into);
        role["aggregationRule"] =
            json!({"clusterRoleSelectors": [{"matchLabels": {gathered_by(name): "true"}}]});
        role["rules"] = Value::Null;
        objects.push(role);
    }
    for row in roles::CLUSTER_ROLES {
        objects.push(role("ClusterRole", "", row));
    }
    for row in controllers::CONTROLLERS {
        objects.push(role("ClusterRole", "", row));
    }
    for row in roles::CLUSTER_BINDINGS {
        objects.push(binding("ClusterRoleBinding", "", row));
    }
    for row in controllers::CONTROLLERS {
        let account = row
            .name
            .strip_prefix(controllers::PREFIX)
            .unwrap_or(row.name);
        let subjects = format!("account:kube-system/{account}");
        let row = BindingRow {
            name: row.name,
            role: row.name,
            subjects: "",
        };
        let mut bound = binding("ClusterRoleBinding", "", &row);
        bound["subjects"] = json!([subject(&subjects)]);
        objects.push(bound);
    }
    for (namespace, rows, bindings) in roles::NAMESPACED {
        objects.extend(rows.iter().map(|row| role("Role", namespace, row)));
        objects.extend(
            bindings
                .iter()
                .map(|row| binding("RoleBinding", namespace, row)),
        );
    }
    objects
}

/// What every kubelet may do, in fixed rules.
pub(crate) fn node_rules() -> Vec<Rule> {
    let mut rows = roles::CLUSTER_ROLES.iter();
    let row = rows.find(|row| row.name == "system:node");
    row.map(|row| Rule::read_all(&role("ClusterRole", "", row)))
        .unwrap_or_default()
}

fn gathered_by(role: &str) -> String {
    format!("{GROUP_LABEL}{role}")
}

const GROUP_LABEL: &str = "rbac.authorization.k8s.io/aggregate-to-";

fn object(kind: &str, namespace: &str, name: &str, into: &str) -> Value {
    let mut labels = Map::new();
    labels.insert(LABEL.0.to_owned(), json!(LABEL.1));
    for role in words(into) {
        labels.insert(gathered_by(role), json!("true"));
    }
    let mut metadata = json!({"name": name, "labels": labels, "annotations": {AUTOUPDATE: "true"}});
    if !namespace.is_empty() {
        metadata["namespace"] = json!(namespace);
    }
    json!({"apiVersion": format!("{GROUP}/v1"), "kind": kind, "metadata": metadata})
}

fn role(kind: &str, namespace: &str, row: &RoleRow) -> Value {
    let mut role = object(kind, namespace, row.name, row.into);
    role["rules"] = row.grants.iter().map(rule).collect();
    role
}

fn rule(grant: &Grant) -> Value {
    match *grant {
        Grant::On(verbs, groups, resources) => json!({
            "apiGroups": words(groups), "resources": words(resources), "verbs": words(verbs),
        }),
        Grant::Named(verbs, groups, resources, names) => json!({
            "apiGroups": words(groups), "resources": words(resources),
            "resourceNames": words(names), "verbs": words(verbs),
        }),
        Grant::Paths(verbs, paths) => {
            json!({"nonResourceURLs": words(paths), "verbs": words(verbs)})
        }
    }
}

/// The words of a cell, sorted as upstream stores them.
fn words(cell: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for word in cell.split_whitespace() {
        match word {
            "core" => words.push(""),
            "read" => words.extend(["get", "list", "watch"]),
            "write" => words.extend(["create", "delete", "deletecollection", "patch", "update"]),
            word => words.push(word),
        }
    }
    words.sort_unstable();
    words
}

fn binding(kind: &str, namespace: &str, row: &BindingRow) -> Value {
    let mut binding = object(kind, namespace, row.name, "");
    let role = if namespace.is_empty() {
        "ClusterRole"
    } else {
        "Role"
    };
    binding["roleRef"] = json!({"apiGroup": GROUP, "kind": role, "name": row.role});
    let subjects: Vec<Value> = row.subjects.split_whitespace().map(subject).collect();
    if !subjects.is_empty() {
        binding["subjects"] = Value::Array(subjects);
    }
    binding
}

fn subject(cell: &str) -> Value {
    if let Some(account) = cell.strip_prefix("account:") {
        let (namespace, name) = account.split_once('/').unwrap_or(("", account));
        return json!({"kind": "ServiceAccount", "name": name, "namespace": namespace});
    }
    let (kind, name) = match cell.strip_prefix("group:") {
        Some(name) => ("Group", name),
        None => ("User", cell.strip_prefix("user:").unwrap_or(cell)),
    };
    json!({"apiGroup": GROUP, "kind": kind, "name": name})
}
