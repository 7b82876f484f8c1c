//! Events with which controllers warn of an object.
//!
//! Invariant: none, beyond that of every write; who warns sees to it that he does so once.

use serde_json::{Value, json};

use crate::engine::Engine;
use crate::error::ApiError;
use crate::object;
use crate::registry::Resource;
use crate::time;

/// What is said of an object.
pub(super) struct Warning {
    /// Who says it.
    pub(super) component: &'static str,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// Where events of objects without a namespace are.
const NAMESPACE: &str = "default";

impl Engine {
    /// Writes an event of an object. It is dropped where its namespace takes no new objects.
    pub(super) async fn warn_of(
        &self,
        resource: &Resource,
        object: &Value,
        warning: Warning,
    ) -> Result<(), ApiError> {
        let namespace = object::namespace(object);
        let of_event = match namespace {
            "" => NAMESPACE,
            namespace => namespace,
        };
        let api_version = match resource.group.as_str() {
            "" => resource.version.clone(),
            group => format!("{group}/{}", resource.version),
        };
        let mut about = json!({
            "kind": resource.kind,
            "name": object::name(object),
            "uid": object::uid(object),
            "apiVersion": api_version,
        });
        if !namespace.is_empty() {
            about["namespace"] = namespace.into();
        }
        let now = time::now();
        let at = time::rfc3339(now);
        let event = json!({
            "metadata": {"name": format!("{}.{:x}", object::name(object), now.as_nanos())},
            "involvedObject": about,
            "reason": warning.reason,
            "message": warning.message,
            "source": {"component": warning.component},
            "reportingComponent": warning.component,
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
            "type": "Warning",
        });
        match self.make("", "v1", "events", of_event, event).await {
            Err(error) if error.code < 500 => {
                tracing::debug!(%error, "an event is not written");
                Ok(())
            }
            made => made,
        }
    }
}
