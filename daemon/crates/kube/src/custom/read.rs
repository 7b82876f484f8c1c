//! A custom object as clients of a version see what is stored.
//!
//! Invariant: what is shown has the defaults of its schema, and nothing that this does not know.

use std::sync::Arc;

use serde_json::Value;

use super::Custom;
use super::shelf::Compiled;
use crate::error::ApiError;
use crate::registry::Resource;
use crate::storage::{Along, Storage, Stored};

impl Custom {
    /// That a write depends on the definition being as it is known here.
    pub(crate) fn unchanged(&self) -> Along {
        Along {
            key: self.definition.key(),
            expected: self.definition.revision,
            put: None,
        }
    }

    /// Refuses to go on with a definition that has changed.
    pub(crate) fn must_stand(&self, storage: &Storage) -> Result<(), ApiError> {
        let stored = storage.get(&self.definition.key())?;
        match stored.is_some_and(|stored| stored.revision == self.definition.revision) {
            true => Ok(()),
            false => Err(ApiError::unavailable(format!(
                "the definition {} has just changed: please try again",
                self.definition.name
            ))),
        }
    }

    /// The schema of a resource's version.
    pub(crate) fn compiled(&self, version: &str) -> Result<Arc<Compiled>, ApiError> {
        self.definition.shelf.compiled(&self.definition, version)
    }

    /// Whether what is stored is just what clients of a version see.
    pub(crate) fn is_as_stored(&self, stored: &Stored) -> bool {
        // It was written under the definition of now, which prunes and fills in what is written.
        stored.revision > self.definition.revision
    }

    /// As [`Custom::is_as_stored`], for the bytes in the version of a resource.
    pub(crate) fn shows_as_stored(&self, stored: &Stored, resource: &Resource) -> bool {
        self.is_as_stored(stored)
            && (self.definition.webhook.is_none()
                || resource.version == self.definition.storage_version)
    }

    /// Brings a stored object into the shape that the definition of now gives it, in the version
    /// that it is stored in.
    pub(crate) fn refresh(&self, stored: &Stored, object: &mut Value) -> Result<(), ApiError> {
        if self.is_as_stored(stored) {
            return Ok(());
        }
        let version = object.get("apiVersion").and_then(Value::as_str);
        let version = version.and_then(|text| text.rsplit('/').next());
        let version = version
            .unwrap_or(&self.definition.storage_version)
            .to_owned();
        let compiled = self.compiled(&version)?;
        compiled.schema.prune_stored(object);
        compiled.schema.default(object);
        Ok(())
    }

    /// Shows an object of one version as one of another, where that is a matter of names.
    pub(crate) fn rename(&self, resource: &Resource, object: &mut Value) {
        if self.definition.webhook.is_none()
            && let Value::Object(fields) = object
        {
            fields.insert("apiVersion".into(), resource.api_version().into());
        }
    }
}
