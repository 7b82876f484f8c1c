//! One webhook asked about one request: the question, the answer, what is noted of both.
//!
//! Invariant: whether a failure refuses the request is `failurePolicy`'s to say; a refusal that the
//! webhook itself has spoken is never ignored.

use std::sync::Arc;

use serde_json::Value;
use skerry_rbac::review::user_info;
use tokio::time::Instant;

use super::failure::CallError;
use super::hook::{Hook, Phase};
use super::matching::Invocation;
use super::review::{self, BadAnswer, Kind, Request, Resource, Review, Verdict};
use crate::admission::Asked;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::limits::WEBHOOK_ANSWER_BYTES_MAX;
use crate::object;

/// What came of asking.
pub(super) enum Failed {
    /// The webhook could not be asked, or its answer is none.
    Calling { why: String, code: u16 },
    /// It has refused.
    Denied(ApiError),
    /// Something here went wrong.
    Internal(ApiError),
}

impl Failed {
    pub(super) fn calling(why: impl ToString, code: u16) -> Failed {
        Failed::Calling {
            why: why.to_string(),
            code,
        }
    }

    /// The refusal of the request, where failures are not ignored.
    pub(super) fn refusal(self, hook: &Hook) -> ApiError {
        match self {
            Failed::Calling { why, .. } => {
                ApiError::internal(format!("failed calling webhook {:?}: {why}", hook.name))
            }
            Failed::Denied(error) | Failed::Internal(error) => error,
        }
    }
}

impl Engine {
    /// Asks, and takes down what the webhook says besides yes or no.
    pub(super) async fn ask(
        &self,
        hook: &Arc<Hook>,
        phase: Phase,
        asked: &Asked<'_>,
        invocation: &Invocation,
        object: Option<&Value>,
    ) -> Result<Verdict, Failed> {
        if asked.dry_run && !hook.takes_dry_run {
            let message = format!("admission webhook {:?} does not support dry run", hook.name);
            return Err(Failed::Internal(ApiError::bad_request(message)));
        }
        let Some(version) = hook.version else {
            let why = "could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)";
            return Err(Failed::calling(why, 400));
        };
        let client = hook.client.as_ref();
        let client = client.map_err(|why| Failed::calling(CallError::Config(why.clone()), 500))?;
        let left = asked.deadline.saturating_duration_since(Instant::now());
        let uid = object::new_uid();
        let user = user_info(&asked.call.user);
        let resource = &*invocation.resource;
        let own = &*asked.call.resource;
        let request = Request {
            uid: &uid,
            kind: kind_of(resource, asked),
            resource: named(resource),
            sub_resource: asked.subresource(),
            request_kind: kind_of(own, asked),
            request_resource: named(own),
            request_sub_resource: asked.subresource(),
            name: asked.name,
            namespace: asked.namespace,
            operation: asked.operation.word(),
            user_info: &user,
            object,
            old_object: invocation.shown.old(asked),
            dry_run: asked.dry_run,
            options: asked.options.as_ref(),
        };
        let question = Review::new(version, request);
        let answer = self
            .call_webhook(
                client,
                &question,
                hook.timeout.min(left),
                WEBHOOK_ANSWER_BYTES_MAX,
            )
            .await
            .map_err(|error| Failed::calling(&error, error.code()))?;
        let verdict = review::read(answer, version, phase, &uid);
        let verdict = verdict.map_err(|error: BadAnswer| Failed::calling(error, 503))?;
        for (key, value) in &verdict.annotations {
            asked.call.annotate(&format!("{}/{key}", hook.name), value);
        }
        for warning in &verdict.warnings {
            asked.call.warn(warning);
        }
        match verdict.allowed {
            true => Ok(verdict),
            false => Err(Failed::Denied(review::denied(&hook.name, &verdict.result))),
        }
    }
}

pub(super) fn kind_of<'a>(resource: &'a skerry_schema::Resource, asked: &Asked<'a>) -> Kind<'a> {
    if let Some(kind) = asked.kind {
        return kind;
    }
    match resource.subresource(asked.subresource()) {
        Some(sub) if !sub.kind.is_empty() => Kind {
            group: &sub.group,
            version: &sub.version,
            kind: &sub.kind,
        },
        _ => Kind {
            group: &resource.group,
            version: &resource.version,
            kind: &resource.kind,
        },
    }
}

pub(super) fn named(resource: &skerry_schema::Resource) -> Resource<'_> {
    Resource {
        group: &resource.group,
        version: &resource.version,
        resource: &resource.plural,
    }
}
