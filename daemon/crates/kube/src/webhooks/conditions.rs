//! `matchConditions`: whether what is known of a request makes a webhook worth asking.
//!
//! Invariant: a condition that has no value refuses the request, or leaves the webhook out, as
//! `failurePolicy` says.

use std::time::Instant;

use serde_json::{Value, json};
use skerry_kinds::FieldError;
use skerry_rbac::review::user_info;

use super::ask::{kind_of, named};
use super::configurations::configures_webhooks;
use super::hook::{Hook, Phase};
use super::matching::Invocation;
use crate::admission::Asked;
use crate::call::Call;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::expressions::{Condition, Facts, Met, asking, meets};
use crate::metrics::Conditions;
use crate::policies::Asker;
use crate::{kind, registry};

impl Engine {
    /// Whether all conditions of a webhook hold.
    pub(super) fn meets_conditions(
        &self,
        (hook, phase): (&Hook, Phase),
        asked: &Asked<'_>,
        invocation: &Invocation,
        object: Option<&Value>,
    ) -> Result<bool, ApiError> {
        if hook.conditions.is_empty() {
            return Ok(true);
        }
        let asker = Asker::new(self, asked, &invocation.resource);
        let mut facts = Facts::new(
            invocation.shown.object(object),
            invocation.shown.old(asked),
            || request(asked, invocation),
            // Webhooks are not told of it, as upstream.
            || Value::Null,
        );
        facts.asker = Some(&asker);
        let began = Instant::now();
        let (met, errors) = meets(&hook.conditions, &facts);
        let measured = Conditions {
            name: &hook.name,
            kind: "webhook",
            operation: asked.operation.word(),
            step: phase.word(),
        };
        let metrics = &self.metrics.admission;
        metrics.conditions(measured, errors, began.elapsed());
        match met {
            Met::Yes => Ok(true),
            Met::Unknown(why) if !hook.fails_open => {
                let about = registry::about(&asked.call.resource, asked.name);
                Err(ApiError::forbidden(about, &why).by_others())
            }
            Met::No | Met::Unknown(_) => {
                metrics.excluded(measured);
                Ok(false)
            }
        }
    }

    /// Refuses conditions that mean nothing, unless they stood there before.
    pub(crate) fn check_conditions(
        &self,
        call: &Call,
        object: &Value,
        old: Option<&Value>,
    ) -> Result<(), ApiError> {
        if !configures_webhooks(&call.resource) || !call.info.subresource.is_empty() {
            return Ok(());
        }
        let conditions = |object: &Value| -> Vec<Value> {
            let hooks = object["webhooks"].as_array().into_iter().flatten();
            hooks.map(|hook| hook["matchConditions"].clone()).collect()
        };
        let all = conditions(object);
        if all.iter().all(Value::is_null) || old.is_some_and(|old| conditions(old) == all) {
            return Ok(());
        }
        let env = asking();
        let mut errors: Vec<FieldError> = Vec::new();
        for (i, conditions) in all.iter().enumerate() {
            for (j, condition) in Condition::read_all(&env, conditions).iter().enumerate() {
                if let Err(error) = &condition.program {
                    let field = format!("webhooks[{i}].matchConditions[{j}].expression");
                    errors.push(error.at(field, &condition.expression));
                }
            }
        }
        match errors.as_slice() {
            [] => Ok(()),
            errors => Err(kind::invalid(&call.resource, object, errors)),
        }
    }
}

/// The request as expressions see it: without the objects, which are variables of their own.
pub(crate) fn request(asked: &Asked<'_>, invocation: &Invocation) -> Value {
    let own = &*asked.call.resource;
    let resource = &*invocation.resource;
    let mut told = json!({
        "kind": kind_of(resource, asked),
        "resource": named(resource),
        "requestKind": kind_of(own, asked),
        "requestResource": named(own),
        "operation": asked.operation.word(),
        "userInfo": user_info(&asked.call.user),
        "dryRun": asked.dry_run,
        "options": asked.options,
    });
    for (field, text) in [
        ("subResource", asked.subresource()),
        ("requestSubResource", asked.subresource()),
        ("name", asked.name),
        ("namespace", asked.namespace),
    ] {
        if !text.is_empty() {
            told[field] = text.into();
        }
    }
    told
}
