//! Mutating webhooks: one after the other, each sees what those before it have made.
//!
//! Invariant: whatever a patch makes of an object, what leaves here is an object of the same kind
//! that has its defaults and no field that its type has not.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use skerry_merge::PatchError;
use tokio::time::Instant;

use super::ask::Failed;
use super::configurations::exempts;
use super::hook::{Hook, Phase};
use super::matching::Invocation;
use super::observe::Observed;
use super::review::BadAnswer;
use crate::admission::{Asked, Versions};
use crate::engine::Engine;
use crate::error::ApiError;
use crate::limits::DEPTH_MAX;
use crate::object;

/// What is known from one round of webhooks to the next.
#[derive(Default)]
pub(crate) struct Rounds {
    number: usize,
    /// As they were when the first round began.
    hooks: Option<Arc<[Arc<Hook>]>>,
    /// Those that want to be asked again if anything changes, and nothing has since.
    content: BTreeSet<usize>,
    /// Those that are asked again.
    again: BTreeSet<usize>,
    /// What the last round has made, where somebody may be asked again.
    made: Option<Value>,
}

impl Rounds {
    /// Something has changed after these were asked.
    fn changed(&mut self) {
        self.again.append(&mut self.content);
    }
}

impl Engine {
    /// Has webhooks change an object; none: what is asked about has none that could be changed.
    /// Whether one of them has changed it.
    pub(crate) async fn mutating_webhooks(
        &self,
        asked: &Asked<'_>,
        mut object: Option<&mut Value>,
        rounds: &mut Rounds,
    ) -> Result<bool, ApiError> {
        if exempts(asked) {
            return Ok(false);
        }
        let hooks = match &rounds.hooks {
            Some(hooks) => Arc::clone(hooks),
            None => self.hooks(asked, Phase::Mutating).await?,
        };
        if hooks.is_empty() {
            return Ok(false);
        }
        rounds.hooks = Some(Arc::clone(&hooks));
        let is_again = rounds.number > 0;
        if is_again && rounds.made.as_ref() != object.as_deref() {
            rounds.changed();
        }
        let mut any_changed = false;
        let mut versions = Versions::default();
        for (index, hook) in hooks.iter().enumerate() {
            let invocation = self.invocation(
                (hook, Phase::Mutating),
                asked,
                object.as_deref(),
                &mut versions,
            );
            let Some(invocation) = invocation.await? else {
                continue;
            };
            if is_again && !rounds.again.contains(&index) {
                continue;
            }
            let round = rounds.number;
            let turn = Turn { index, round };
            let changed = self
                .mutate(hook, asked, &invocation, object.as_deref_mut(), turn)
                .await?;
            if changed {
                versions.forget();
                any_changed = true;
                rounds.changed();
            }
            if hook.is_reinvocable {
                rounds.content.insert(index);
            }
        }
        rounds.number += 1;
        let may_go_on = any_changed || !rounds.content.is_empty();
        rounds.made = object.filter(|_| may_go_on).map(|object| object.clone());
        Ok(any_changed)
    }

    /// One webhook; whether it has changed the object.
    async fn mutate(
        &self,
        hook: &Arc<Hook>,
        asked: &Asked<'_>,
        invocation: &Invocation,
        object: Option<&mut Value>,
        turn: Turn,
    ) -> Result<bool, ApiError> {
        let began = Instant::now();
        let done = self
            .ask_and_patch(hook, asked, invocation, object, turn)
            .await;
        let changed = matches!(done, Ok(true));
        asked.call.annotate(
            &turn.key("mutation"),
            &json!({"configuration": hook.configuration, "webhook": hook.name, "mutated": changed})
                .to_string(),
        );
        let is_ignored = hook.fails_open && matches!(done, Err(Failed::Calling { .. }));
        self.metrics.webhooks.observe(&Observed {
            name: &hook.name,
            phase: Phase::Mutating,
            operation: asked.operation.word(),
            failed: done.as_ref().err(),
            is_ignored,
            seconds: began.elapsed().as_secs_f64(),
        });
        match done {
            Ok(changed) => Ok(changed),
            Err(Failed::Calling { why, .. }) if hook.fails_open => {
                tracing::warn!(
                    webhook = hook.name,
                    why,
                    "a webhook that failed is passed over"
                );
                asked
                    .call
                    .annotate(&turn.key("failed-open.mutation"), &hook.name);
                asked.in_time()?;
                Ok(false)
            }
            Err(failed) => {
                asked.call.set_judged();
                Err(failed.refusal(hook).by_others())
            }
        }
    }

    async fn ask_and_patch(
        &self,
        hook: &Arc<Hook>,
        asked: &Asked<'_>,
        invocation: &Invocation,
        object: Option<&mut Value>,
        turn: Turn,
    ) -> Result<bool, Failed> {
        let shown = invocation.shown.object(object.as_deref());
        let verdict = self
            .ask(hook, Phase::Mutating, asked, invocation, shown)
            .await?;
        if verdict.patch.is_empty() {
            return Ok(false);
        }
        let operations = serde_json::from_slice::<Value>(&verdict.patch);
        let operations = operations.map_err(|error| undecodable(&error.to_string()))?;
        if operations.as_array().is_some_and(Vec::is_empty) {
            return Ok(false);
        }
        let Some(shown) = shown else {
            return Err(internal(format!(
                "admission webhook {:?} attempted to modify the object, which is not supported for this operation",
                hook.name
            )));
        };
        let patched = skerry_merge::json_patch(shown, &verdict.patch).map_err(|error| {
            let why = error.to_string();
            match error {
                PatchError::Undecodable(_) => {
                    undecodable(why.strip_prefix("error decoding patch: ").unwrap_or(&why))
                }
                _ => internal(why),
            }
        })?;
        if is_deeper(&patched, DEPTH_MAX) {
            return Err(internal("exceeded max depth".to_owned()));
        }
        let Some(object) = object else {
            return Ok(false);
        };
        let next = self.settled(asked, object, patched, invocation);
        let next = next.await.map_err(|error| internal(error.message))?;
        let told = json!({"configuration": hook.configuration, "webhook": hook.name, "patch": operations, "patchType": "JSONPatch"});
        asked.call.annotate_request(&turn.key("patch"), &told);
        let has_changed = *object != next;
        *object = next;
        Ok(has_changed)
    }

    /// What a patch has made, as an object like any other.
    async fn settled(
        &self,
        asked: &Asked<'_>,
        before: &Value,
        patched: Value,
        invocation: &Invocation,
    ) -> Result<Value, ApiError> {
        let resource = &invocation.resource;
        let mut patched = self.taken_back(asked, resource, patched).await?;
        let kept = object::metadata(before).get("managedFields");
        asked.check(self, &mut patched)?;
        if let Some(why) = skerry_merge::apply::managers_fault(&patched) {
            let metadata = object::metadata_mut(&mut patched);
            match kept {
                Some(kept) => _ = metadata.insert("managedFields".to_owned(), kept.clone()),
                None => _ = metadata.remove("managedFields"),
            }
            asked.call.warn(format!(
                ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating admission controller; please fix your requests: {why}"
            ));
        }
        Ok(patched)
    }
}

/// The place of one call of a webhook among all of a request.
#[derive(Clone, Copy)]
struct Turn {
    index: usize,
    round: usize,
}

impl Turn {
    /// What an annotation about it is called.
    fn key(self, what: &str) -> String {
        let Turn { index, round } = self;
        format!("{what}.webhook.admission.k8s.io/round_{round}_index_{index}")
    }
}

fn internal(why: String) -> Failed {
    Failed::Internal(ApiError::internal(why))
}

fn undecodable(why: &str) -> Failed {
    Failed::calling(BadAnswer::Patch(why.to_owned()), 503)
}

/// Whether a value has more levels than that.
fn is_deeper(value: &Value, levels: usize) -> bool {
    let Some(levels) = levels.checked_sub(1) else {
        return true;
    };
    match value {
        Value::Array(items) => items.iter().any(|item| is_deeper(item, levels)),
        Value::Object(fields) => fields.values().any(|field| is_deeper(field, levels)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_looked_at_no_deeper_than_it_may_be() {
        assert!(!is_deeper(&json!({"a": [1]}), 3));
        assert!(is_deeper(&json!({"a": [1]}), 2));
    }
}
