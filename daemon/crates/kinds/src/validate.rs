//! What is wrong with an object, in upstream's words.
//!
//! The README says per kind what is checked and what is not yet. Runs on objects that have their
//! defaults. Invariant: an object without errors is one that upstream takes too, as far as the
//! README's table says that it is checked; no check refuses what upstream takes.

mod config;

use serde_json::Value;

use crate::error::{Errors, FieldError};
use crate::metadata;

/// What is wrong with an object that is to be created. Kinds that are not built in have their
/// metadata checked, by the rules of custom resources.
pub fn validate_create(
    group: &str,
    kind: &str,
    namespaced: bool,
    object: &Value,
) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::create(
        metadata::name_rule(group, kind),
        namespaced,
        object,
        &mut errors,
    );
    check(group, kind, object, None, &mut errors);
    errors.0
}

/// What is wrong with an object that is to replace another. The subresource is "" for the object
/// itself.
pub fn validate_update(
    group: &str,
    kind: &str,
    subresource: &str,
    new: &Value,
    old: &Value,
) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::update(new, old, &mut errors);
    if subresource.is_empty() {
        check(group, kind, new, Some(old), &mut errors);
    }
    errors.0
}

/// What is wrong beyond the metadata.
fn check(group: &str, kind: &str, object: &Value, old: Option<&Value>, errors: &mut Errors) {
    match (group, kind) {
        ("", "ConfigMap") => config::config_map(object, old, errors),
        ("", "Secret") => config::secret(object, old, errors),
        _ => {}
    }
}
