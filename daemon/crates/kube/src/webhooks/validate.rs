//! Validating webhooks: all at once, and every one has to agree.
//!
//! Invariant: an object is judged as it will be stored; nothing here changes it.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::Instant;

use super::ask::Failed;
use super::configurations::exempts;
use super::hook::{Hook, Phase};
use super::matching::Invocation;
use super::observe::Observed;
use crate::admission::{Asked, Versions};
use crate::engine::Engine;
use crate::error::ApiError;

impl Engine {
    /// Has webhooks judge an object as it is to be stored; none where it goes, or is not stored.
    pub(crate) async fn validating_webhooks(
        &self,
        asked: &Asked<'_>,
        object: Option<&Value>,
    ) -> Result<(), ApiError> {
        if exempts(asked) {
            return Ok(());
        }
        let hooks = self.hooks(asked, Phase::Validating).await?;
        let mut invoked = Vec::new();
        let mut versions = Versions::default();
        for hook in hooks.iter() {
            let invocation =
                self.invocation((hook, Phase::Validating), asked, object, &mut versions);
            if let Some(invocation) = invocation.await? {
                invoked.push((hook, invocation));
            }
        }
        if invoked.is_empty() {
            return Ok(());
        }
        asked.in_time()?;
        let judging = invoked.iter().enumerate();
        let judging = judging.map(|(index, (hook, invocation))| {
            self.validate(hook, asked, invocation, object, index)
        });
        let judged = join_all(judging).await;
        judged.into_iter().collect()
    }

    async fn validate(
        &self,
        hook: &Arc<Hook>,
        asked: &Asked<'_>,
        invocation: &Invocation,
        object: Option<&Value>,
        index: usize,
    ) -> Result<(), ApiError> {
        let began = Instant::now();
        let shown = invocation.shown.object(object);
        let phase = Phase::Validating;
        let done = self.ask(hook, phase, asked, invocation, shown).await;
        let is_ignored = hook.fails_open && matches!(done, Err(Failed::Calling { .. }));
        self.metrics.webhooks.observe(&Observed {
            name: &hook.name,
            phase,
            operation: asked.operation.word(),
            failed: done.as_ref().err(),
            is_ignored,
            seconds: began.elapsed().as_secs_f64(),
        });
        match done {
            Ok(_) => Ok(()),
            Err(Failed::Calling { why, .. }) if hook.fails_open => {
                tracing::warn!(
                    webhook = hook.name,
                    why,
                    "a webhook that failed is passed over"
                );
                let key = format!(
                    "failed-open.validating.webhook.admission.k8s.io/round_0_index_{index}"
                );
                asked.call.annotate(&key, &hook.name);
                Ok(())
            }
            Err(failed) => {
                asked.call.set_judged();
                Err(failed.refusal(hook).by_others())
            }
        }
    }
}
