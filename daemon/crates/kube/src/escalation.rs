//! Nobody gives away rights that they have not: roles and bindings are checked before they are
//! written.

use serde_json::Value;
use skerry_rbac::GROUP;
use skerry_rbac::escalation::{Refusal, check_binding, check_role};

use crate::call::Call;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::object;

impl Engine {
    /// Refuses a role or binding that gives more than its writer has.
    pub(crate) fn refuse_escalation(
        &self,
        call: &Call,
        next: &Value,
        old: Option<&Value>,
    ) -> Result<(), ApiError> {
        if call.resource.group != GROUP {
            return Ok(());
        }
        let policies = self.roles.policies();
        let checked = match call.resource.kind.as_str() {
            "Role" | "ClusterRole" => check_role(&policies, &call.user, next, old, &call.info.name),
            _ => check_binding(&policies, &call.user, next, old),
        };
        checked.map_err(|refusal| {
            let mut error = match refusal {
                Refusal::Forbidden(message) => ApiError::new(403, "Forbidden", message),
                missing @ Refusal::NotFound(_) => {
                    ApiError::new(404, "NotFound", missing.to_string())
                }
                other => ApiError::bad_request(other.to_string()),
            };
            error.details = Some(Box::new(serde_json::json!({
                "group": GROUP,
                "kind": call.resource.plural,
                "name": object::name(next),
            })));
            error
        })
    }
}
