//! What is done for a call, and how old the state may be that it is done with.
//!
//! A member's own state may be behind what others have acknowledged. A write begins with it all the
//! same: that it is stored only where nothing has changed meanwhile shows whether it was the newest.
//! What is not stored has no such proof. So whatever ends a write in another way, a refusal or that
//! there is nothing to change, is told only of a state that is known to be the newest.

use std::sync::Arc;

use crate::answer::Answer;
use crate::call::Call;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::storage::Freshness;

impl Engine {
    /// Does what is asked.
    pub(crate) async fn perform(self: &Arc<Engine>, call: &Call) -> Result<Answer, ApiError> {
        if !is_write(call) {
            return self.dispatch(call).await;
        }
        if !call.query.get("dryRun").is_empty() {
            // Nothing will be stored.
            self.make_newest(call).await?;
        }
        let before = self.storage.view()?.revision();
        match self.dispatch(call).await {
            Err(error) if tells_of_state(&error) && !call.is_newest() && !call.is_judged() => {
                self.make_newest(call).await?;
                if self.storage.view()?.revision() == before {
                    return Err(error);
                }
                self.dispatch(call).await
            }
            done => done,
        }
    }

    /// Whether a key that a write leaves alone is still at a revision.
    pub(crate) async fn is_still(
        &self,
        call: &Call,
        key: &str,
        revision: i64,
    ) -> Result<bool, ApiError> {
        self.make_newest(call).await?;
        let stored = self.storage.get(key)?;
        Ok(stored.is_some_and(|stored| stored.revision == revision))
    }

    /// Has the rest of a call see everything that was acknowledged before it.
    async fn make_newest(&self, call: &Call) -> Result<(), ApiError> {
        if call.is_newest() {
            return Ok(());
        }
        match self.storage.freshen().await {
            Freshness::Newest => call.set_newest(),
            Freshness::Local => return Err(self.storage.no_quorum().into()),
        }
        Ok(())
    }

    async fn dispatch(self: &Arc<Engine>, call: &Call) -> Result<Answer, ApiError> {
        match (call.info.subresource.as_str(), call.info.verb) {
            ("", "create") if call.resource.storage_prefix.is_empty() => self.review(call).await,
            ("", "create") => self.create(call).await,
            ("", "get" | "list") if call.resource.kind == "ComponentStatus" => {
                self.components(call).await
            }
            (sub, "get") if is_plain(sub) => self.get(call).await,
            ("", "list") => self.list(call).await,
            ("", "watch") => self.watch(call).await,
            ("scale", "get") => self.get_scale(call).await,
            ("scale", "update" | "patch") => self.set_scale(call).await,
            ("binding", "create") => self.bind(call).await,
            ("eviction", "create") => self.evict(call).await,
            ("token", "create") => self.token_request(call).await,
            (sub, "update") if is_plain(sub) => self.update(call).await,
            (sub, "patch") if is_plain(sub) => self.patch(call).await,
            ("", "delete") => self.delete(call).await,
            ("", "deletecollection") => self.delete_collection(call).await,
            (sub, verb) => {
                let what = match sub {
                    "" => call.info.resource.clone(),
                    sub => format!("{}/{sub}", call.info.resource),
                };
                Err(ApiError::not_served(&format!("{verb} of {what}")))
            }
        }
    }
}

/// Subresources that take and return the object itself.
fn is_plain(subresource: &str) -> bool {
    matches!(
        subresource,
        "" | "status" | "finalize" | "approval" | "ephemeralcontainers" | "resize"
    )
}

/// Changes what is stored, or answers with what is derived from it.
fn is_write(call: &Call) -> bool {
    let is_stored = !call.resource.storage_prefix.is_empty();
    let stays = matches!(
        call.info.subresource.as_str(),
        "log" | "exec" | "attach" | "portforward" | "proxy"
    );
    let verb = call.info.verb;
    is_stored && !stays && matches!(verb, "create" | "update" | "patch" | "delete")
}

/// A refusal that another state might not have brought.
fn tells_of_state(error: &ApiError) -> bool {
    matches!(error.code, 403 | 404 | 409 | 422)
}
