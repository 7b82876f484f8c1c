//! Resources that are asked and not kept: who am I, may I, what may I.
//!
//! As upstream up to 1.36, webhooks have a say in them like in everything else that is made.

use serde_json::Value;
use skerry_rbac::review::{self, Access, Complaint, ReviewError};

use crate::admission::Asked;
use crate::answer::Answer;
use crate::call::Call;
use crate::engine::Engine;
use crate::error::{About, ApiError};
use crate::object;
use crate::options::WriteOptions;

impl Engine {
    pub(crate) async fn review(&self, call: &Call) -> Result<Answer, ApiError> {
        let options = WriteOptions::parse(&call.query, "CreateOptions")?;
        let mut object = call.object(&self.registry.types, options.field_validation)?;
        // As upstream fills it in before the object is looked at.
        if call.resource.namespaced && object::namespace(&object).is_empty() {
            let namespace = call.info.namespace.as_str().into();
            object::metadata_mut(&mut object).insert("namespace".into(), namespace);
        }
        let asked = Asked::create(call, "", &options);
        self.change_passing(&asked, Some(&mut object)).await?;
        let kind = call.resource.kind.as_str();
        if kind == "TokenReview" {
            self.approve(&asked, Some(&object)).await?;
            let answered = self.token_review(&object).await;
            return Ok(Answer::Object(201, answered));
        }
        let answered = {
            let policies = self.roles.policies();
            let decide = |wanted: &skerry_rbac::Attributes<'_>| self.decide(&policies, wanted, "");
            match kind {
                "SelfSubjectReview" => Ok(review::who_am_i(&call.user, &object)),
                "SelfSubjectAccessReview" => {
                    review::access(Access::Own(&call.user), &object, decide)
                }
                "SubjectAccessReview" => review::access(Access::Subject, &object, decide),
                "LocalSubjectAccessReview" => {
                    let access = Access::Local(&call.info.namespace);
                    review::access(access, &object, decide)
                }
                "SelfSubjectRulesReview" => review::rules(&policies, &call.user, &object),
                _ => return Err(ApiError::not_served(&call.resource.plural)),
            }
        };
        let answered = answered.map_err(|error| refused(call, error))?;
        self.approve(&asked, Some(&object)).await?;
        Ok(Answer::Object(201, answered))
    }
}

fn refused(call: &Call, error: ReviewError) -> ApiError {
    let violations = match error {
        ReviewError::BadRequest(message) => return ApiError::bad_request(message),
        ReviewError::Invalid(violations) => violations,
    };
    let causes: Vec<(String, String, String)> = violations
        .into_iter()
        .map(|violation| {
            let shown = match &violation.value {
                Value::String(text) => format!("{text:?}"),
                other => other.to_string(),
            };
            let (reason, message) = match violation.complaint {
                Complaint::Required => (
                    "FieldValueRequired",
                    format!("Required value: {}", violation.detail),
                ),
                Complaint::Invalid => (
                    "FieldValueInvalid",
                    format!("Invalid value: {shown}: {}", violation.detail),
                ),
            };
            (reason.to_owned(), message, violation.field)
        })
        .collect();
    let about = About {
        group: &call.resource.group,
        resource: &call.resource.kind,
        name: "",
    };
    ApiError::invalid(about, &causes)
}
