//! Kubelets: what belongs to a node decides what its kubelet may read and write.
//!
//! Nothing is kept: relations are looked up in the store when a kubelet asks. The question costs a
//! read of the pods of one namespace, and kubelets ask seldom: they hold what they use in watches.

mod refers;
mod restrict;

use std::sync::Arc;

use serde_json::Value;
use skerry_rbac::node::{self, Identity, Opinion, Relation};
use skerry_rbac::{Attributes, Decision, Policies, Target};
use skerry_selector::fields;

use crate::decode;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::query::Query;
use crate::registry;

pub(crate) use restrict::Operation;

/// The fields by which pods and slices of one node are selected.
const NODE_FIELDS: [&str; 2] = ["spec.nodeName", "nodeName"];

/// The node whose objects alone a query's field selector lets through; empty: there is none.
pub(crate) fn selected(query: &Query) -> String {
    let Ok(selector) = fields::Selector::parse(query.get("fieldSelector")) else {
        return String::new();
    };
    let exact = NODE_FIELDS.iter().find_map(|field| selector.exact(field));
    exact.unwrap_or_default().to_owned()
}

impl Engine {
    /// Whether something may be done: by roles, or because a kubelet has to. `selected` is the node
    /// that a field selector names.
    pub(crate) fn decide(
        &self,
        policies: &Policies,
        wanted: &Attributes<'_>,
        selected: &str,
    ) -> Decision {
        let by_roles = policies.authorize(wanted);
        if by_roles.allowed {
            return by_roles;
        }
        let why = match node::identity(wanted.user, wanted.groups) {
            Identity::Other => return by_roles,
            Identity::Unknown => format!("unknown node for user {:?}", wanted.user),
            Identity::Node(name) => match node::judge(name, wanted, selected) {
                Opinion::Allowed => return allowed(),
                Opinion::None(why) => why,
                Opinion::IfRelated(relation) if self.is_related(name, relation, wanted) => {
                    return allowed();
                }
                Opinion::IfRelated(_) => node::unrelated(name),
            },
        };
        let reasons = [why, by_roles.reason];
        let reasons: Vec<&str> = reasons
            .iter()
            .map(String::as_str)
            .filter(|reason| !reason.is_empty())
            .collect();
        Decision {
            allowed: false,
            reason: reasons.join("\n"),
        }
    }

    /// Whether the object of a request belongs to a node in this way.
    fn is_related(&self, node: &str, relation: Relation, wanted: &Attributes<'_>) -> bool {
        let Target::Resource {
            name, namespace, ..
        } = wanted.target
        else {
            return false;
        };
        let found = self.relates(node, relation, namespace, name);
        found.unwrap_or_else(|error| {
            tracing::warn!(%error, node, namespace, name, "cannot look up what belongs to a node");
            false
        })
    }

    fn relates(
        &self,
        node: &str,
        relation: Relation,
        namespace: &str,
        name: &str,
    ) -> Result<bool, ApiError> {
        let of_node = |object: Option<Value>| {
            let name = object.as_ref().and_then(|object| {
                let spec = object.get("spec")?;
                spec.get("nodeName")?.as_str()
            });
            name == Some(node)
        };
        match relation {
            Relation::Pod => Ok(of_node(self.look("", "pods", namespace, name)?)),
            Relation::Attachment => {
                let attachment = self.look("storage.k8s.io", "volumeattachments", "", name)?;
                Ok(of_node(attachment))
            }
            Relation::Slice => {
                let slice = self.look("resource.k8s.io", "resourceslices", "", name)?;
                Ok(of_node(slice))
            }
            Relation::Volume => {
                let Some(volume) = self.look("", "persistentvolumes", "", name)? else {
                    return Ok(false);
                };
                match refers::claim_of(&volume) {
                    Some((namespace, claim)) => {
                        self.runs(node, namespace, |pod| refers::claims(pod, claim))
                    }
                    None => Ok(false),
                }
            }
            Relation::Secret => Ok(
                self.runs(node, namespace, |pod| refers::secrets(pod, name))?
                    || self.keeps_volume_secret(node, namespace, name)?,
            ),
            Relation::ConfigMap => self.runs(node, namespace, |pod| refers::config_maps(pod, name)),
            Relation::Claim => self.runs(node, namespace, |pod| refers::claims(pod, name)),
            Relation::Account => self.runs(node, namespace, |pod| refers::account(pod) == name),
            Relation::ResourceClaim => {
                self.runs(node, namespace, |pod| refers::resource_claims(pod, name))
            }
        }
    }

    /// Whether a pod of a namespace that is bound to the node, and was not made by the node itself,
    /// is one of those.
    fn runs(
        &self,
        node: &str,
        namespace: &str,
        matches: impl Fn(&Value) -> bool,
    ) -> Result<bool, ApiError> {
        let bound = format!("\"nodeName\":{}", Value::from(node));
        self.any("pods", namespace, bound.as_bytes(), |pod| {
            refers::is_bound(pod, node) && !refers::is_mirror(pod) && matches(pod)
        })
    }

    /// Whether a volume that a pod on the node mounts needs the secret.
    fn keeps_volume_secret(
        &self,
        node: &str,
        namespace: &str,
        name: &str,
    ) -> Result<bool, ApiError> {
        let named = Value::from(name).to_string();
        let mut claims = Vec::new();
        self.any("persistentvolumes", "", named.as_bytes(), |volume| {
            if refers::volume_secret(volume, namespace, name)
                && let Some((namespace, claim)) = refers::claim_of(volume)
            {
                claims.push((namespace.to_owned(), claim.to_owned()));
            }
            false
        })?;
        for (namespace, claim) in claims {
            if self.runs(node, &namespace, |pod| refers::claims(pod, &claim))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether there is such an object; only those whose text holds `needle` are parsed.
    fn any(
        &self,
        plural: &str,
        namespace: &str,
        needle: &[u8],
        mut matches: impl FnMut(&Value) -> bool,
    ) -> Result<bool, ApiError> {
        let resource = self.registry.find("", "v1", plural);
        let resource = resource.ok_or_else(ApiError::no_such_path)?;
        let mut listing = self.storage.list(registry::keys(resource, namespace), 0)?;
        loop {
            let chunk = listing.next_chunk()?;
            if chunk.is_empty() {
                return Ok(false);
            }
            for stored in chunk {
                let has = |text: &[u8]| text.windows(needle.len()).any(|window| window == needle);
                if has(&stored.value) && matches(&decode::stored(&stored.value)?) {
                    return Ok(true);
                }
            }
        }
    }

    fn look(
        &self,
        group: &str,
        plural: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, ApiError> {
        let all = self.registry.built_in().iter();
        let mut named = all.filter(|one| one.group == group && one.plural == plural);
        let resource: &Arc<_> = named.next().ok_or_else(ApiError::no_such_path)?;
        Ok(self
            .read(resource, namespace, name)?
            .map(|kept| kept.object))
    }
}

fn allowed() -> Decision {
    Decision {
        allowed: true,
        reason: String::new(),
    }
}
