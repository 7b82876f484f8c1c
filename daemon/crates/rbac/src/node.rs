//! What kubelets may do, as kube-apiserver's Node authorizer has it: their own node and lease, the
//! pods that are bound to them, and what those refer to.
//!
//! Pure: whether an object is related to a node is for the caller to find out, who has the objects.
//! Invariant: a user of the group whose name names no node is allowed nothing here.

use std::sync::OnceLock;

use crate::Rule;
use crate::attributes::{Attributes, Target};
use crate::bootstrap;

/// The group of all kubelets.
pub const NODES: &str = "system:nodes";
const NAME_PREFIX: &str = "system:node:";
/// Where kubelets keep their leases.
pub const LEASES: &str = "kube-node-lease";

/// How an object can belong to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// A Secret that a pod on the node, or a volume of one, refers to.
    Secret,
    /// A ConfigMap that a pod on the node refers to.
    ConfigMap,
    /// A claim that a pod on the node mounts.
    Claim,
    /// The volume of such a claim.
    Volume,
    /// The account of a pod on the node.
    Account,
    /// A ResourceClaim of a pod on the node.
    ResourceClaim,
    /// An attachment to the node.
    Attachment,
    /// A ResourceSlice of the node.
    Slice,
    /// A pod that is bound to the node.
    Pod,
}

/// An answer, or what it depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opinion {
    /// It may be done.
    Allowed,
    /// Nothing here allows it; the reason may be empty.
    None(String),
    /// Allowed if the object asked for is related to the node in this way.
    IfRelated(Relation),
}

/// Who a kubelet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity<'a> {
    /// No kubelet.
    Other,
    /// A member of the group whose name names no node.
    Unknown,
    /// The kubelet of this node.
    Node(&'a str),
}

/// Whether a user is the kubelet of a node.
#[must_use]
pub fn identity<'a>(user: &'a str, groups: &[String]) -> Identity<'a> {
    let Some(node) = user.strip_prefix(NAME_PREFIX) else {
        return Identity::Other;
    };
    match groups.iter().any(|group| group == NODES) {
        false => Identity::Other,
        true if node.is_empty() => Identity::Unknown,
        true => Identity::Node(node),
    }
}

/// The reason where no relation is found.
#[must_use]
pub fn unrelated(node: &str) -> String {
    format!("no relationship found between node '{node}' and this object")
}

/// Judges what the kubelet of `node` wants. `selected` is the node whose objects alone a field
/// selector lets through, empty where there is none.
#[must_use]
pub fn judge(node: &str, wanted: &Attributes<'_>, selected: &str) -> Opinion {
    let Target::Resource {
        group,
        resource,
        subresource,
        name,
        namespace,
    } = wanted.target
    else {
        return by_rules(wanted);
    };
    let verb = wanted.verb;
    let none = |why: &str| Opinion::None(why.to_owned());
    let related = |relation| match name {
        "" => none("No Object name found"),
        _ => Opinion::IfRelated(relation),
    };
    let get = |relation| match (verb, subresource) {
        ("get", "") => related(relation),
        ("get", _) => none("cannot get subresource"),
        _ => none("can only get individual resources of this type"),
    };
    let read = |relation| match (verb, subresource, namespace) {
        ("get" | "list" | "watch", "", "") => none("can only read namespaced object of this type"),
        ("get" | "list" | "watch", "", _) => related(relation),
        ("get" | "list" | "watch", ..) => none("cannot read subresource"),
        _ => none("can only read resources of this type"),
    };
    match (group, resource) {
        ("", "secrets") => read(Relation::Secret),
        ("", "configmaps") => read(Relation::ConfigMap),
        ("", "persistentvolumeclaims") if subresource == "status" => match verb {
            "update" | "patch" => related(Relation::Claim),
            _ => none("can only get/update/patch this type"),
        },
        ("", "persistentvolumeclaims") => get(Relation::Claim),
        ("", "persistentvolumes") => get(Relation::Volume),
        ("resource.k8s.io", "resourceclaims") => get(Relation::ResourceClaim),
        ("storage.k8s.io", "volumeattachments") => get(Relation::Attachment),
        ("", "serviceaccounts") => match (verb, subresource, name) {
            ("create", "token", name) if !name.is_empty() => Opinion::IfRelated(Relation::Account),
            ("create", _, name) if !name.is_empty() => {
                none("can only create token subresource of serviceaccount")
            }
            _ => none("can only create tokens for individual service accounts"),
        },
        ("coordination.k8s.io", "leases") => match (verb, namespace) {
            (verb, _) if !is_own_write(verb) => {
                none("can only get, create, update, patch, or delete a node lease")
            }
            (_, namespace) if namespace != LEASES => Opinion::None(format!(
                "can only access leases in the {LEASES:?} system namespace"
            )),
            ("create", _) => Opinion::Allowed,
            _ if name == node => Opinion::Allowed,
            _ => none("can only access node lease with the same name as the requesting node"),
        },
        ("storage.k8s.io", "csinodes") => match (verb, subresource) {
            (verb, _) if !is_own_write(verb) => {
                none("can only get, create, update, patch, or delete a CSINode")
            }
            (_, sub) if !sub.is_empty() => none("cannot authorize CSINode subresources"),
            ("create", _) => Opinion::Allowed,
            _ if name == node => Opinion::Allowed,
            _ => none("can only access CSINode with the same name as the requesting node"),
        },
        ("resource.k8s.io", "resourceslices") => match (verb, subresource) {
            (_, sub) if !sub.is_empty() => none("cannot authorize ResourceSlice subresources"),
            ("create", _) => Opinion::Allowed,
            ("get" | "update" | "patch" | "delete", _) => related(Relation::Slice),
            ("watch" | "list" | "deletecollection", _) if selected == node => Opinion::Allowed,
            ("watch" | "list" | "deletecollection", _) => none(
                "can only list/watch/deletecollection resourceslices with nodeName field selector",
            ),
            _ => none(
                "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection",
            ),
        },
        ("", "nodes") => match (subresource, verb) {
            ("", "create" | "update" | "patch") | ("status", "update" | "patch") => {
                Opinion::Allowed
            }
            ("", "get" | "list" | "watch") if name == node => Opinion::Allowed,
            ("", "get" | "list" | "watch") if name.is_empty() => Opinion::None(format!(
                "node '{node}' cannot read all nodes, only its own Node object"
            )),
            ("", "get" | "list" | "watch") => Opinion::None(format!(
                "node '{node}' cannot read '{name}', only its own Node object"
            )),
            _ => none(""),
        },
        ("", "pods") => match (subresource, verb) {
            ("", "get") => related(Relation::Pod),
            ("", "list" | "watch") if selected == node => Opinion::Allowed,
            ("", "list" | "watch") if !name.is_empty() => Opinion::IfRelated(Relation::Pod),
            ("", "list" | "watch") => {
                none("can only list/watch pods with spec.nodeName field selector")
            }
            ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create") => {
                Opinion::Allowed
            }
            _ => none(""),
        },
        _ => by_rules(wanted),
    }
}

/// Verbs on objects that carry the node's name.
fn is_own_write(verb: &str) -> bool {
    matches!(verb, "get" | "create" | "update" | "patch" | "delete")
}

/// What all kubelets may do alike, whatever the stored role of that name says.
fn by_rules(wanted: &Attributes<'_>) -> Opinion {
    static RULES: OnceLock<Vec<Rule>> = OnceLock::new();
    let rules = RULES.get_or_init(bootstrap::node_rules);
    match rules.iter().any(|rule| rule.allows(wanted)) {
        true => Opinion::Allowed,
        false => Opinion::None(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::User;

    fn asked(verb: &str, group: &str, path: &str, selected: &str) -> Opinion {
        let user = User {
            name: "system:node:n1".into(),
            groups: vec![NODES.into()],
            ..User::default()
        };
        // namespace/resource/name/subresource
        let mut parts = path.split('/');
        let mut next = || parts.next().unwrap_or_default();
        let target = Target::Resource {
            group,
            namespace: next(),
            resource: next(),
            name: next(),
            subresource: next(),
        };
        judge("n1", &Attributes::new(&user, verb, target), selected)
    }

    #[test]
    fn a_kubelet_reads_its_own_node_and_pods_and_nobody_elses() {
        assert_eq!(asked("get", "", "/nodes/n1", ""), Opinion::Allowed);
        assert_eq!(asked("list", "", "/pods", "n1"), Opinion::Allowed);
        assert_eq!(
            asked("get", "", "a/pods/p", ""),
            Opinion::IfRelated(Relation::Pod)
        );
        for (verb, path, selected) in [
            ("get", "/nodes/n2", ""),
            ("list", "/nodes", ""),
            ("list", "/pods", ""),
            ("watch", "/pods", "n2"),
            ("update", "a/pods/p", ""),
            ("create", "a/pods/p/exec", ""),
            ("delete", "/nodes/n1", ""),
        ] {
            let opinion = asked(verb, "", path, selected);
            assert!(
                matches!(opinion, Opinion::None(_)),
                "{verb} {path}: {opinion:?}"
            );
        }
    }

    #[test]
    fn a_kubelet_reads_single_secrets_that_are_related_and_never_lists_them() {
        assert_eq!(
            asked("get", "", "a/secrets/s", ""),
            Opinion::IfRelated(Relation::Secret)
        );
        assert_eq!(
            asked("list", "", "a/secrets", ""),
            Opinion::None("No Object name found".into())
        );
        assert!(matches!(
            asked("delete", "", "a/secrets/s", ""),
            Opinion::None(_)
        ));
    }

    #[test]
    fn a_kubelet_has_one_lease() {
        let group = "coordination.k8s.io";
        let own = asked("update", group, "kube-node-lease/leases/n1", "");
        assert_eq!(own, Opinion::Allowed);
        for path in ["kube-node-lease/leases/n2", "default/leases/n1"] {
            assert!(matches!(asked("update", group, path, ""), Opinion::None(_)));
        }
    }

    #[test]
    fn what_all_kubelets_do_alike_is_in_fixed_rules() {
        assert_eq!(asked("list", "", "/services", ""), Opinion::Allowed);
        assert_eq!(asked("create", "", "a/events", ""), Opinion::Allowed);
        assert_eq!(
            asked("list", "apps", "/deployments", ""),
            Opinion::None(String::new())
        );
    }

    #[test]
    fn a_name_without_the_group_is_nobody_and_the_group_without_a_name_too() {
        let group = [NODES.to_owned()];
        assert_eq!(identity("system:node:a", &group), Identity::Node("a"));
        assert_eq!(identity("system:node:a", &[]), Identity::Other);
        assert_eq!(identity("system:node:", &group), Identity::Unknown);
        assert_eq!(identity("joe", &group), Identity::Other);
    }
}
