//! What a `CustomResourceDefinition` says, what it leaves out, and what is wrong with it.
//!
//! Reads a definition of `apiextensions.k8s.io/v1` as JSON that has been decoded: fields have
//! their types. Knows nothing about who has taken which names. Invariant: what is missing or of
//! another type reads as empty, and no definition makes a function panic.

mod default;
mod read;

pub use default::set_defaults;
pub use read::{Column, Conversion, Definition, Names, Scale, Version};

use serde_json::Value;
use skerry_kinds::FieldError;

/// What is wrong with a definition that is to be created.
#[must_use]
pub fn validate(_definition: &Value) -> Vec<FieldError> {
    Vec::new()
}

/// What is wrong with a definition that is to replace another.
#[must_use]
pub fn validate_update(_new: &Value, _old: &Value) -> Vec<FieldError> {
    Vec::new()
}

/// What is wrong with a status that is to replace another.
#[must_use]
pub fn validate_status_update(_new: &Value, _old: &Value) -> Vec<FieldError> {
    Vec::new()
}

/// What the writer of a definition is warned of.
#[must_use]
pub fn warnings(_new: &Value, _old: Option<&Value>) -> Vec<String> {
    Vec::new()
}

/// The message of the condition `NonStructuralSchema`, where a schema is not structural.
#[must_use]
pub fn nonstructural(_definition: &Value) -> Option<String> {
    None
}
