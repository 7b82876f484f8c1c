//! OwnerReferencesPermissionEnforcement: whoever names an owner may have to be allowed more than to
//! write the object.
//!
//! Off unless it is asked for. Invariant: an update that leaves the owners as they are is not
//! looked at.

use serde_json::Value;
use skerry_rbac::{Attributes, Target};

use crate::call::Call;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::object;
use crate::registry;

impl Engine {
    /// Refuses owners that the user may not name.
    pub(crate) fn guard_owners(
        &self,
        call: &Call,
        object: &Value,
        old: Option<&Value>,
    ) -> Result<(), ApiError> {
        let resource = &call.resource;
        let info = &call.info;
        let is_pod_status =
            resource.group.is_empty() && resource.plural == "pods" && info.subresource == "status";
        if !self.guards_owners || is_pod_status || owners(Some(object)) == owners(old) {
            return Ok(());
        }
        let name = object::name(object);
        let policies = self.roles.policies();
        let may = |verb: &'static str, target: Target<'_>| {
            self.decide(&policies, &Attributes::new(&call.user, verb, target), "")
        };
        let refuse = |why: String| Err(ApiError::forbidden(registry::about(resource, name), &why));
        // Whoever makes an object may say whose it is.
        if old.is_some() {
            let deletion = may(
                "delete",
                Target::Resource {
                    group: &resource.group,
                    resource: &resource.plural,
                    subresource: &info.subresource,
                    name,
                    namespace: &info.namespace,
                },
            );
            if !deletion.allowed {
                return refuse(format!(
                    "cannot set an ownerRef on a resource you can't delete: {}, <nil>",
                    deletion.reason
                ));
            }
        }
        for owner in newly_blocking(object, old) {
            let text = |field: &str| owner[field].as_str().unwrap_or_default();
            let (version, kind) = (text("apiVersion"), text("kind"));
            let kinds = self.registry.all();
            let named: Vec<_> = kinds
                .iter()
                .filter(|one| one.kind == kind && one.api_version() == version)
                .filter(|one| !one.storage_prefix.is_empty())
                .collect();
            let anything = Target::Resource {
                group: "*",
                resource: "*",
                subresource: "finalizers",
                name: "*",
                namespace: "",
            };
            if may("update", anything).allowed {
                return Ok(());
            }
            if named.is_empty() {
                return refuse(format!(
                    "cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion {version} Kind {kind}: no matches for kind {kind:?} in version {version:?}"
                ));
            }
            for one in named {
                let finalizers = may(
                    "update",
                    Target::Resource {
                        group: &one.group,
                        resource: &one.plural,
                        subresource: "finalizers",
                        name: text("name"),
                        namespace: if one.namespaced { &info.namespace } else { "" },
                    },
                );
                if !finalizers.allowed {
                    return refuse(format!(
                        "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: {}, <nil>",
                        finalizers.reason
                    ));
                }
            }
        }
        Ok(())
    }
}

fn owners(object: Option<&Value>) -> &[Value] {
    let owners = object.and_then(|object| object::metadata(object).get("ownerReferences"));
    let owners = owners.and_then(Value::as_array);
    owners.map_or(&[], Vec::as_slice)
}

/// The owners that wait for an object, and did not before.
fn newly_blocking<'o>(object: &'o Value, old: Option<&Value>) -> Vec<&'o Value> {
    let blocks = |owner: &&Value| owner["blockOwnerDeletion"] == true;
    let before = owners(old);
    let is_new = |owner: &&Value| {
        let same = before.iter().find(|known| known["uid"] == owner["uid"]);
        same.is_none_or(|known| !blocks(&known))
    };
    let all = owners(Some(object)).iter();
    all.filter(blocks).filter(is_new).collect()
}
