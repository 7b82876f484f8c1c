//! The `ServiceCIDR` of the network that Services have their addresses in.
//!
//! Invariant: what somebody has written is left as it is; that it is ready is said only where it
//! is the network that this server gives addresses of, and nobody has said anything of it.

use serde_json::{Value, json};

use super::own_options;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::object;
use crate::options::WriteOptions;
use crate::time;

const GROUP: &str = "networking.k8s.io";
const PLURAL: &str = "servicecidrs";
const NAME: &str = "kubernetes";

/// Who keeps the fields of its status: upstream's name.
const MANAGER: &str = "kubernetes-service-cidr-controller";

impl Engine {
    pub(super) async fn settle_service_network(&self) -> Result<(), ApiError> {
        let cidrs = json!([self.services.to_string()]);
        let wanted = json!({"metadata": {"name": NAME}, "spec": {"cidrs": cidrs}});
        self.make_first(GROUP, "v1", PLURAL, "", wanted).await?;
        let mut call = self.own_call("update", GROUP, "v1", PLURAL, "", NAME)?;
        call.info.subresource = "status".into();
        call.is_exempt = true;
        let Some(live) = self.read(&call.resource, "", NAME)? else {
            return Ok(());
        };
        if live.object["spec"]["cidrs"] != cidrs || is_settled(&live.object) {
            return Ok(());
        }
        let mut next = live.object.clone();
        let ready = json!({
            "type": "Ready",
            "status": "True",
            "reason": "",
            "message": "Kubernetes default Service CIDR is ready",
            "lastTransitionTime": time::rfc3339(time::now()),
        });
        let status = object::fields_of(&mut next, "status");
        let conditions = status.entry("conditions").or_insert_with(|| json!([]));
        if let Value::Array(conditions) = conditions {
            conditions.retain(|one| one["type"] != "Ready");
            conditions.push(ready);
        }
        let options = WriteOptions {
            field_manager: MANAGER.into(),
            ..own_options()
        };
        // Where it has changed meanwhile, the next look finds that.
        self.replace(&call, &live, next, &options).await?;
        Ok(())
    }
}

/// Whether it is being deleted, or somebody knows whether it is ready.
fn is_settled(object: &Value) -> bool {
    let conditions = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let mut conditions = conditions.into_iter().flatten();
    !object::text(object, "deletionTimestamp").is_empty()
        || conditions.any(|one| one["type"] == "Ready" && one["status"] != "Unknown")
}
