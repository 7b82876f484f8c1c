//! Defaults before an object is judged, and who manages which of its fields.

use serde_json::Value;
use skerry_merge::apply::{self, ApplyError, Write};
use skerry_merge::fields::Set;

use crate::call::Call;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::kind;
use crate::options::WriteOptions;
use crate::registry::Resource;
use crate::time;

impl Engine {
    /// Fills in what the client has left out.
    pub(crate) fn shape(&self, call: &Call, object: &mut Value) -> Result<(), ApiError> {
        kind::set_defaults(&call.resource, object)
    }

    /// Notes in `managedFields` what the client has set.
    pub(crate) fn note_manager(
        &self,
        call: &Call,
        next: &mut Value,
        old: Option<&Value>,
        options: &WriteOptions,
    ) -> Result<(), ApiError> {
        if options.applied {
            return Ok(());
        }
        let manager = call.manager(&options.field_manager);
        self.with_write(call, &manager, |write| {
            *next = apply::update(old, std::mem::take(next), write);
        })
        .map(drop)
    }

    /// What applying a configuration makes of an object.
    pub(crate) fn apply(
        &self,
        call: &Call,
        live: Option<&Value>,
        config: &Value,
        options: &WriteOptions,
    ) -> Result<Value, ApiError> {
        let applied = self.with_write(call, &options.field_manager, |write| {
            apply::apply(live, config, options.force, write)
        })?;
        match applied {
            None => Err(ApiError::not_served("apply to an object without a schema")),
            Some(applied) => applied.map_err(|error| refused(&error)),
        }
    }

    /// What applying a configuration of another kind than the object's makes of the state that a
    /// subresource shows of it.
    pub(crate) fn apply_shown(
        &self,
        call: &Call,
        live: &Value,
        config: &Value,
        options: &WriteOptions,
    ) -> Result<Value, ApiError> {
        let of = self.registry.types.definition(call.definition());
        let of = of.ok_or_else(|| ApiError::not_served("apply to an object without a schema"))?;
        let (group, version, kind) = call.kind();
        let write = Write {
            manager: &options.field_manager,
            of,
            api_version: &format!("{group}/{version}"),
            kind,
            subresource: &call.info.subresource,
            time: &time::rfc3339(time::now()),
            resets: &Set::default(),
            built_in: true,
        };
        let applied = apply::apply(Some(live), config, options.force, &write);
        applied.map_err(|error| refused(&error))
    }

    fn with_write<T>(
        &self,
        call: &Call,
        manager: &str,
        act: impl FnOnce(&Write<'_>) -> T,
    ) -> Result<Option<T>, ApiError> {
        let resource = &call.resource;
        let compiled = match &resource.custom {
            Some(custom) => Some(custom.compiled(&resource.version)?),
            None => None,
        };
        let of = match &compiled {
            Some(compiled) => compiled.of(),
            None => self.registry.type_of(resource),
        };
        let Some(of) = of else {
            return Ok(None);
        };
        let now = time::rfc3339(time::now());
        let resets = resets(&call.resource, &call.info.subresource);
        Ok(Some(act(&Write {
            manager,
            of,
            api_version: &call.resource.api_version(),
            kind: &call.resource.kind,
            subresource: &call.info.subresource,
            time: &now,
            resets: &resets,
            built_in: compiled.is_none(),
        })))
    }
}

/// What a write does not change, although it may be in its body.
fn resets(resource: &Resource, subresource: &str) -> Set {
    let has_status = resource.subresource("status").is_some();
    match subresource {
        "" if has_status => Set::of_names(&[&["status"]]),
        "status" => Set::of_names(&[&["spec"]]),
        _ => Set::default(),
    }
}

fn refused(error: &ApplyError) -> ApiError {
    let message = error.to_string();
    match error {
        ApplyError::Conflicts(conflicts) => {
            let causes = conflicts.0.iter().map(|conflict| {
                serde_json::json!({
                    "reason": "FieldManagerConflict",
                    "message": conflict.message(),
                    "field": conflict.path.to_string(),
                })
            });
            ApiError::new(409, "Conflict", message).with_causes(causes.collect())
        }
        ApplyError::OtherKind(_) | ApplyError::ManagedFields => ApiError::bad_request(message),
        _ => ApiError::new(500, "", message),
    }
}
