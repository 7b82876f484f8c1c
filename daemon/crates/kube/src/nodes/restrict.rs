//! What a kubelet may write, as kube-apiserver's NodeRestriction admission has it: the authorizer
//! lets every kubelet write nodes, pods and leases, and this looks at which.
//!
//! Invariant: nobody but a kubelet is ever refused here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use skerry_rbac::node::{self, Identity, LEASES};

use super::refers;
use crate::call::Call;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::object;

/// What is being done to an object.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Operation<'o> {
    /// The new object; for a subresource what was posted to it.
    Create(&'o Value),
    /// The object as it is to be, and as it is.
    Update(&'o Value, &'o Value),
    /// The object as it is.
    Delete(&'o Value),
}

/// Labels of its own node that a kubelet may set, though they are of Kubernetes.
const OWN_LABELS: [&str; 11] = [
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
];
/// Namespaces of such labels.
const OWN_LABEL_NAMESPACES: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];
const RESTRICTED: &str = "node-restriction.kubernetes.io";

impl Engine {
    /// Refuses what a kubelet may not write.
    pub(crate) fn restrict_node(
        &self,
        call: &Call,
        operation: Operation<'_>,
    ) -> Result<(), ApiError> {
        let user = &call.user;
        let node = match node::identity(&user.name, &user.groups) {
            Identity::Other => return Ok(()),
            Identity::Unknown => {
                let why = format!("could not determine node from user {:?}", user.name);
                return Err(ApiError::forbidden(call.about(), &why));
            }
            Identity::Node(node) => node,
        };
        let resource = &call.resource;
        let refused = match (resource.group.as_str(), resource.plural.as_str()) {
            ("", "pods") => self.restrict_pod(node, call, operation)?,
            ("", "nodes") => restrict_own_node(node, call, operation),
            ("", "persistentvolumeclaims") => restrict_claim(node, call, operation),
            ("", "serviceaccounts") => self.restrict_token(node, call, operation)?,
            ("coordination.k8s.io", "leases") if call.info.namespace != LEASES => Err(format!(
                "can only access leases in the {LEASES:?} system namespace"
            )),
            ("coordination.k8s.io", "leases") => {
                is_named(operation, node).then_some(()).ok_or_else(|| {
                    "can only access node lease with the same name as the requesting node".into()
                })
            }
            ("storage.k8s.io", "csinodes") => {
                is_named(operation, node).then_some(()).ok_or_else(|| {
                    "can only access CSINode with the same name as the requesting node".into()
                })
            }
            ("resource.k8s.io", "resourceslices") => restrict_slice(node, operation),
            _ => Ok(()),
        };
        refused.map_err(|why| {
            let name = match operation {
                _ if !call.info.name.is_empty() => call.info.name.as_str(),
                Operation::Create(object) | Operation::Update(object, _) => object::name(object),
                Operation::Delete(object) => object::name(object),
            };
            ApiError::forbidden(crate::registry::about(resource, name), &why)
        })
    }

    fn restrict_pod(
        &self,
        node: &str,
        call: &Call,
        operation: Operation<'_>,
    ) -> Result<Result<(), String>, ApiError> {
        Ok(match (call.info.subresource.as_str(), operation) {
            ("", Operation::Create(pod)) => {
                let own = self.look("", "nodes", "", node)?;
                restrict_mirror_pod(node, own.as_ref(), pod)
            }
            ("", Operation::Delete(pod)) if refers::is_bound(pod, node) => Ok(()),
            ("", Operation::Delete(_)) => Err(format!(
                "node {node:?} can only delete pods with spec.nodeName set to itself"
            )),
            ("", Operation::Update(..)) => Err(format!(
                "unexpected operation \"UPDATE\", node {node:?} can only create and delete mirror pods"
            )),
            ("status", Operation::Update(next, old)) => restrict_pod_status(node, next, old),
            // The pod is what the eviction's path names.
            ("eviction", Operation::Delete(pod)) if refers::is_bound(pod, node) => Ok(()),
            ("eviction", Operation::Delete(_)) => Err(format!(
                "node {node} can only evict pods with spec.nodeName set to itself"
            )),
            (other, _) => Err(format!(
                "unexpected pod subresource {other:?}, only 'status' and 'eviction' are allowed"
            )),
        })
    }

    fn restrict_token(
        &self,
        node: &str,
        call: &Call,
        operation: Operation<'_>,
    ) -> Result<Result<(), String>, ApiError> {
        let Operation::Create(request) = operation else {
            return Ok(Ok(()));
        };
        if call.info.subresource != "token" {
            return Ok(Ok(()));
        }
        let bound = request.pointer("/spec/boundObjectRef");
        let said = |field: &str| {
            let value = bound.and_then(|bound| bound.get(field));
            value.and_then(Value::as_str).unwrap_or_default()
        };
        if said("apiVersion") != "v1" || said("kind") != "Pod" || said("name").is_empty() {
            return Ok(Err("node requested token not bound to a pod".into()));
        }
        let uid = said("uid");
        if uid.is_empty() {
            return Ok(Err(
                "node requested token with a pod binding without a uid".into()
            ));
        }
        let name = said("name");
        let Some(pod) = self.look("", "pods", &call.info.namespace, name)? else {
            let about = crate::error::About {
                group: "",
                resource: "pods",
                name,
            };
            return Err(ApiError::not_found(about));
        };
        if object::uid(&pod) != uid {
            return Ok(Err(format!(
                "the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been deleted and then recreated"
            )));
        }
        if !refers::is_bound(&pod, node) {
            return Ok(Err(
                "node requested token bound to a pod scheduled on a different node".into(),
            ));
        }
        Ok(Ok(()))
    }
}

fn is_named(operation: Operation<'_>, node: &str) -> bool {
    let (Operation::Create(object) | Operation::Update(object, _) | Operation::Delete(object)) =
        operation;
    object::name(object) == node
}

/// A kubelet makes only the copies of what it runs from files, and they refer to nothing.
fn restrict_mirror_pod(node: &str, own: Option<&Value>, pod: &Value) -> Result<(), String> {
    let fail = |why: &str| Err(format!("node {node:?} {why}"));
    if !refers::is_mirror(pod) {
        return Err(format!(
            "pod does not have {:?} annotation, node {node:?} can only create mirror pods",
            refers::MIRROR
        ));
    }
    if !refers::is_bound(pod, node) {
        return fail("can only create pods with spec.nodeName set to itself");
    }
    let owners = object::metadata(pod).get("ownerReferences");
    let owners = owners.and_then(Value::as_array).map(Vec::as_slice);
    let owner = match owners.unwrap_or_default() {
        [] => return fail("can only create pods with an owner reference set to itself"),
        [owner] => owner,
        _ => return fail("can only create pods with a single owner reference set to itself"),
    };
    let text = |field: &str| owner.get(field).and_then(Value::as_str).unwrap_or_default();
    let is = |field: &str| owner.get(field).and_then(Value::as_bool) == Some(true);
    if text("apiVersion") != "v1" || text("kind") != "Node" || text("name") != node {
        return fail("can only create pods with an owner reference set to itself");
    }
    if !is("controller") {
        return fail("can only create pods with a controller owner reference set to itself");
    }
    if is("blockOwnerDeletion") {
        return fail("must not set blockOwnerDeletion on an owner reference");
    }
    let uid = own.map_or("", object::uid);
    if own.is_none() || uid != text("uid") {
        return Err(format!(
            "node {node} UID mismatch: expected {} got {uid}",
            text("uid")
        ));
    }
    let refused = [
        (!refers::account(pod).is_empty(), "a service account"),
        (refers::any_secret(pod), "secrets"),
        (refers::any_config_map(pod), "configmaps"),
        (
            refers::has_source(pod, "clusterTrustBundle"),
            "clustertrustbundles",
        ),
        (
            refers::has_source(pod, "persistentVolumeClaim"),
            "persistentvolumeclaims",
        ),
        (
            pod.pointer("/spec/resourceClaims").is_some(),
            "resourceclaims",
        ),
    ];
    match refused.iter().find(|(refers, _)| *refers) {
        Some((_, what)) => fail(&format!("can not create pods that reference {what}")),
        None => Ok(()),
    }
}

fn restrict_pod_status(node: &str, next: &Value, old: &Value) -> Result<(), String> {
    if !refers::is_bound(old, node) {
        return Err(format!(
            "node {node:?} can only update pod status for pods with spec.nodeName set to itself"
        ));
    }
    let labels = |pod: &Value| labels(pod).into_iter().map(own).collect::<Vec<_>>();
    if labels(next) != labels(old) {
        return Err(format!(
            "node {node:?} cannot update labels through pod status"
        ));
    }
    for field in ["resourceClaimStatuses", "extendedResourceClaimStatus"] {
        let claims = |pod: &Value| pod.get("status").and_then(|s| s.get(field)).cloned();
        if claims(next) != claims(old) {
            return Err(format!(
                "node {node:?} cannot update resource claim statues"
            ));
        }
    }
    Ok(())
}

fn own((key, value): (&str, &str)) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

fn labels(object: &Value) -> BTreeMap<&str, &str> {
    let labels = object::metadata(object).get("labels");
    let labels = labels.and_then(Value::as_object).into_iter().flatten();
    labels
        .map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
        .collect()
}

fn restrict_own_node(node: &str, call: &Call, operation: Operation<'_>) -> Result<(), String> {
    let name = match operation {
        _ if !call.info.name.is_empty() => call.info.name.as_str(),
        Operation::Create(object) | Operation::Update(object, _) => object::name(object),
        Operation::Delete(object) => object::name(object),
    };
    if name != node {
        return Err(format!(
            "node {node:?} is not allowed to modify node {name:?}"
        ));
    }
    let none = BTreeMap::new();
    match operation {
        Operation::Create(object) => {
            if object.pointer("/spec/configSource").is_some() {
                return Err(format!(
                    "node {node:?} is not allowed to create pods with a non-nil configSource"
                ));
            }
            match forbidden_labels(&labels(object), &none) {
                refused if refused.is_empty() => Ok(()),
                refused => Err(format!(
                    "node {node:?} is not allowed to set the following labels: {}",
                    refused.join(", ")
                )),
            }
        }
        Operation::Update(next, old) => {
            let source = next.pointer("/spec/configSource");
            if source.is_some() && source != old.pointer("/spec/configSource") {
                return Err(format!(
                    "node {node:?} is not allowed to update configSource to a new non-nil configSource"
                ));
            }
            if next.pointer("/spec/taints") != old.pointer("/spec/taints") {
                return Err(format!("node {node:?} is not allowed to modify taints"));
            }
            let owners = |node: &Value| object::metadata(node).get("ownerReferences").cloned();
            if owners(next) != owners(old) {
                return Err(format!(
                    "node {node:?} is not allowed to modify ownerReferences"
                ));
            }
            match forbidden_labels(&labels(next), &labels(old)) {
                refused if refused.is_empty() => Ok(()),
                refused => Err(format!(
                    "is not allowed to modify labels: {}",
                    refused.join(", ")
                )),
            }
        }
        Operation::Delete(_) => Ok(()),
    }
}

/// Changed labels that would let a kubelet draw pods to its node.
fn forbidden_labels(next: &BTreeMap<&str, &str>, old: &BTreeMap<&str, &str>) -> Vec<String> {
    let keys: BTreeSet<&str> = next.keys().chain(old.keys()).copied().collect();
    let changed = keys.into_iter().filter(|key| next.get(key) != old.get(key));
    changed
        .filter(|key| {
            let namespace = key.split_once('/').map_or("", |(namespace, _)| namespace);
            let within = |domain: &str| {
                namespace
                    .strip_suffix(domain)
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            };
            let of_kubernetes = within("kubernetes.io") || within("k8s.io");
            let own =
                OWN_LABELS.contains(key) || OWN_LABEL_NAMESPACES.iter().any(|own| within(own));
            within(RESTRICTED) || (of_kubernetes && !own)
        })
        .map(str::to_owned)
        .collect()
}

/// Of a claim only what a resized volume changes.
fn restrict_claim(node: &str, call: &Call, operation: Operation<'_>) -> Result<(), String> {
    let (Operation::Update(next, old), "status") = (operation, call.info.subresource.as_str())
    else {
        return Err("may only update PVC status".into());
    };
    let rest = |claim: &Value| {
        let mut claim = claim.clone();
        let metadata = object::metadata_mut(&mut claim);
        metadata.remove("resourceVersion");
        metadata.remove("managedFields");
        let status = object::fields_of(&mut claim, "status");
        for field in [
            "capacity",
            "conditions",
            "allocatedResources",
            "allocatedResourceStatuses",
        ] {
            status.remove(field);
        }
        claim
    };
    match rest(next) == rest(old) {
        true => Ok(()),
        false => Err(format!(
            "node {node:?} is not allowed to update fields other than status.capacity and status.conditions"
        )),
    }
}

fn restrict_slice(node: &str, operation: Operation<'_>) -> Result<(), String> {
    let of = |slice: &Value| {
        let name = slice.pointer("/spec/nodeName").and_then(Value::as_str);
        name.unwrap_or_default() == node
    };
    match operation {
        Operation::Create(slice) if !of(slice) => Err(format!(
            "can only create ResourceSlice with the same NodeName as the requesting node {node:?}"
        )),
        Operation::Update(next, old) if !of(next) || !of(old) => Err(format!(
            "can only update ResourceSlice of the requesting node {node:?}"
        )),
        Operation::Delete(slice) if !of(slice) => Err(
            "can only delete ResourceSlice with the same NodeName as the requesting node".into(),
        ),
        _ => Ok(()),
    }
}
