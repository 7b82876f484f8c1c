//! `matchConditions`: whether what is known of a request makes a webhook worth asking.
//!
//! The seam to CEL: nothing else here knows that there is such a language. Invariant: a condition
//! that cannot be evaluated refuses the request, or leaves the webhook out, as `failurePolicy` says.

use serde_json::Value;

use super::hook::Hook;
use super::matching::Invocation;
use crate::admission::Asked;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::registry;

impl Engine {
    pub(super) fn meets_conditions(
        &self,
        hook: &Hook,
        asked: &Asked<'_>,
        _invocation: &Invocation,
        _object: Option<&Value>,
    ) -> Result<bool, ApiError> {
        let Some(condition) = hook.conditions.first() else {
            return Ok(true);
        };
        if hook.fails_open {
            return Ok(false);
        }
        let why = format!(
            "condition {:?} cannot be evaluated: {:?}",
            condition.name, condition.expression
        );
        let about = registry::about(&asked.call.resource, asked.name);
        Err(ApiError::forbidden(about, &why))
    }
}
