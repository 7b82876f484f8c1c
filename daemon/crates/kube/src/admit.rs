//! May this be written now: namespaces must exist and must not be going.
//!
//! Knows nothing about users: who may do what was decided before.

use serde_json::json;
use skerry_admission::priority;

use crate::call::Call;
use crate::engine::Engine;
use crate::error::{About, ApiError};
use crate::object;
use crate::registry;

/// Namespaces that are always there.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

impl Engine {
    /// Whether an object may be made where the call wants it.
    pub(crate) fn admit_create(&self, call: &Call, name: &str) -> Result<(), ApiError> {
        let custom = call.resource.custom.as_ref();
        if custom.is_some_and(|custom| custom.definition.terminating) {
            let what = "create not allowed while custom resource definition is terminating";
            return Err(ApiError::new(405, "MethodNotAllowed", what));
        }
        let namespace = &call.info.namespace;
        if !call.resource.namespaced || namespace.is_empty() {
            return Ok(());
        }
        let about = About {
            group: "",
            resource: "namespaces",
            name: namespace,
        };
        let Some(namespaces) = self.registry.find("", "v1", "namespaces") else {
            return Err(ApiError::not_found(about));
        };
        let Some(found) = self.read(namespaces, "", namespace)? else {
            return Err(ApiError::not_found(about));
        };
        if !object::is_terminating(&found.object) || is_review(call) {
            return Ok(());
        }
        let why = format!(
            "unable to create new content in namespace {namespace} because it is being terminated"
        );
        Err(
            ApiError::forbidden(registry::about(&call.resource, name), &why).with_causes(json!([{
                "reason": "NamespaceTerminating",
                "message": format!("namespace {namespace} is being terminated"),
                "field": "metadata.namespace",
            }])),
        )
    }

    /// Whether an object may be deleted at all.
    pub(crate) fn admit_delete(&self, call: &Call, name: &str) -> Result<(), ApiError> {
        let resource = &call.resource;
        let is_namespace = resource.group.is_empty() && resource.kind == "Namespace";
        if is_namespace && IMMORTAL.contains(&name) {
            let about = registry::about(resource, name);
            return Err(ApiError::forbidden(
                about,
                "this namespace may not be deleted",
            ));
        }
        let is_priority_class =
            resource.group == "scheduling.k8s.io" && resource.kind == "PriorityClass";
        if is_priority_class && priority::is_system_class(name) {
            let about = registry::about(resource, name);
            let why = "this is a system priority class and cannot be deleted";
            return Err(ApiError::forbidden(about, why));
        }
        Ok(())
    }
}

/// Reviews are asked, not kept.
fn is_review(call: &Call) -> bool {
    call.resource.storage_prefix.is_empty()
}
