//! patch: a change of an object that is there, in four languages, one of which also makes it.

use std::sync::Arc;

use serde_json::Value;
use skerry_merge::{Fault, PatchError};

use crate::answer::Answer;
use crate::answer::encode::Encoder;
use crate::call::{self, Call};
use crate::decode;
use crate::engine::{Engine, Kept};
use crate::error::ApiError;
use crate::limits::CONFLICT_RETRIES_MAX;
use crate::object;
use crate::options::{self, FieldValidation, WriteOptions};
use crate::verbs::create::place;
use crate::verbs::patch_fault;

/// What patches are accepted, for the message of a 415.
const ACCEPTED: &str = "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml";

const ACCEPTED_OF_CUSTOM: &str =
    "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";

/// The language of a patch, with what was sent.
pub(crate) enum Patch<'b> {
    Json(&'b [u8]),
    Merge(&'b [u8]),
    Strategic(Value),
    Apply(Value),
}

impl<'b> Patch<'b> {
    pub(crate) fn parse(call: &'b Call, options: &WriteOptions) -> Result<Patch<'b>, ApiError> {
        let patch = match call.media_type.as_str() {
            "application/json-patch+json" => {
                bounded(&call.body)?;
                Patch::Json(&call.body)
            }
            "application/merge-patch+json" => {
                bounded(&call.body)?;
                Patch::Merge(&call.body)
            }
            "application/strategic-merge-patch+json" => {
                Patch::Strategic(decode::json(&call.body)?.value)
            }
            "application/apply-patch+yaml" => Patch::Apply(decode::yaml(&call.body)?.value),
            _ => return Err(ApiError::unsupported_media_type(ACCEPTED)),
        };
        let (field, reason, message) = match &patch {
            Patch::Apply(_) if options.field_manager.is_empty() => (
                "fieldManager",
                "FieldValueRequired",
                "Required value: is required for apply patch",
            ),
            Patch::Json(_) | Patch::Merge(_) | Patch::Strategic(_) if options.force => (
                "force",
                "FieldValueForbidden",
                "Forbidden: may not be specified for non-apply patch",
            ),
            _ => return Ok(patch),
        };
        Err(options::invalid(
            "PatchOptions",
            field,
            reason,
            message.into(),
        ))
    }
}

/// Refuses what is deeper than any object may be.
fn bounded(body: &[u8]) -> Result<(), ApiError> {
    decode::json(body).map(drop)
}

impl Engine {
    pub(crate) async fn patch(self: &Arc<Engine>, call: &Call) -> Result<Answer, ApiError> {
        let mut options = WriteOptions::parse(&call.query, "PatchOptions")?;
        let patch = Patch::parse(call, &options)?;
        options.applied = matches!(patch, Patch::Apply(_));
        let encoder = Encoder::new(call.form, &call.resource);
        let info = &call.info;
        for _ in 0..CONFLICT_RETRIES_MAX {
            let current = self
                .read_as(&call.resource, &info.namespace, &info.name)
                .await?;
            let Some(current) = current else {
                let Patch::Apply(config) = &patch else {
                    return Err(ApiError::not_found(call.about()));
                };
                match self.create_applied(call, config, &options).await {
                    Ok(created) => return Ok(Answer::Object(201, encoder.object(created))),
                    // Somebody else was faster: it is applied to what they made.
                    Err(error) if error.reason == "AlreadyExists" => continue,
                    Err(error) => return Err(error),
                }
            };
            let next = self.patched(call, &current, &patch, &options)?;
            let seen = object::resource_version(&next)?;
            if seen != 0 && seen != current.stored.revision {
                return Err(ApiError::modified(call.about()));
            }
            if let Some(updated) = self.replace(call, &current, next, &options).await? {
                return Ok(Answer::Object(200, encoder.object(updated)));
            }
        }
        Err(ApiError::modified(call.about()))
    }

    async fn create_applied(
        &self,
        call: &Call,
        config: &Value,
        options: &WriteOptions,
    ) -> Result<Value, ApiError> {
        if !call.info.subresource.is_empty() {
            return Err(ApiError::not_found(call.about()));
        }
        let mut config = config.clone();
        self.check_config(call, &mut config)?;
        if !object::uid(&config).is_empty() {
            let why = format!(
                "uid mismatch: the provided object specified uid {}, and no existing object was found",
                object::uid(&config)
            );
            return Err(ApiError::conflict(call.about(), &why));
        }
        let mut object = self.apply(call, None, &config, options)?;
        self.check_applied(call, &mut object, options)?;
        self.create_object(call, object, options).await
    }

    /// What a patch makes of an object.
    fn patched(
        &self,
        call: &Call,
        current: &Kept,
        patch: &Patch<'_>,
        options: &WriteOptions,
    ) -> Result<Value, ApiError> {
        if let Patch::Apply(config) = patch {
            let mut config = config.clone();
            self.check_config(call, &mut config)?;
            let mut next = self.apply(call, Some(&current.object), &config, options)?;
            self.check_applied(call, &mut next, options)?;
            return Ok(next);
        }
        let mut next = self.changed(call, &current.object, patch)?;
        let mut faults = patch_fault::of_body(call, options.field_validation);
        match self.check_patched(call, &mut next, options, &mut faults) {
            Ok(()) => Ok(next),
            Err(error) => Err(patch_fault::blame(error, call.kind().2, patch, &next)),
        }
    }

    /// What a patch that is no apply makes of a value.
    pub(crate) fn changed(
        &self,
        call: &Call,
        object: &Value,
        patch: &Patch<'_>,
    ) -> Result<Value, ApiError> {
        let changed = match patch {
            Patch::Json(patch) => skerry_merge::json_patch(object, patch),
            Patch::Merge(patch) => skerry_merge::merge_patch(object, patch),
            Patch::Strategic(_) if call.resource.custom.is_some() => {
                return Err(ApiError::unsupported_media_type(ACCEPTED_OF_CUSTOM));
            }
            Patch::Strategic(patch) => match self.registry.types.definition(call.definition()) {
                Some(of) => skerry_merge::strategic(object, patch, of),
                None => Err(PatchError::NotStrategic),
            },
            Patch::Apply(_) => return Err(ApiError::not_served("apply to this subresource")),
        };
        changed.map_err(|error| refused(&error))
    }

    /// Checks a configuration as it was sent: it may be in another place than the path says.
    /// Whether its fields fit is told when it is applied.
    fn check_config(&self, call: &Call, config: &mut Value) -> Result<(), ApiError> {
        let resource = &call.resource;
        // A subresource is applied with the whole object.
        call::conform(config, &resource.group, &resource.version, &resource.kind)?;
        if resource.custom.is_none()
            && let Some(of) = self.registry.type_of(resource)
        {
            skerry_schema::drop_nulls(config, of);
        }
        object::shaped(config)?;
        place(call, config)
    }

    /// Checks what came of a configuration, and whether that says nothing twice.
    fn check_applied(
        &self,
        call: &Call,
        next: &mut Value,
        options: &WriteOptions,
    ) -> Result<(), ApiError> {
        let faults = patch_fault::of_body(call, options.field_validation);
        match options.field_validation {
            FieldValidation::Strict if !faults.is_empty() => {
                let faults = decode::strictly(&faults).join(", ");
                let why =
                    format!("error strict decoding patch: error converting YAML to JSON: {faults}");
                return Err(ApiError::bad_request(why));
            }
            _ => faults.iter().for_each(|fault| call.warn(fault)),
        }
        self.check_patched(call, next, options, &mut Vec::new())
    }

    fn check_patched(
        &self,
        call: &Call,
        next: &mut Value,
        options: &WriteOptions,
        faults: &mut Vec<String>,
    ) -> Result<(), ApiError> {
        let validation = options.field_validation;
        call.check(next, &self.registry.types, validation, faults)?;
        place(call, next)?;
        self.shape(call, next)
    }
}

fn refused(error: &PatchError) -> ApiError {
    let message = error.to_string();
    match error.fault() {
        Fault::BadRequest => ApiError::bad_request(message),
        Fault::TooLarge => ApiError::new(413, "RequestEntityTooLarge", message),
        Fault::Unprocessable => {
            // Upstream does not say what was wrong with it, nor with what.
            let message = "the server rejected our request due to an error in our request";
            let mut refusal = ApiError::new(422, "Invalid", message);
            refusal.details = Some(Box::new(serde_json::json!({})));
            refusal
        }
        Fault::Internal => ApiError::new(500, "", message),
    }
}
