//! What a `CustomResourceDefinition` says, what it leaves out, and what is wrong with it.
//!
//! Reads a definition of `apiextensions.k8s.io/v1` as JSON that has been decoded: fields have
//! their types. Knows nothing about who has taken which names. Invariant: what is missing or of
//! another type reads as empty, and no definition makes a function panic.

mod approval;
mod common;
mod conversion;
mod default;
mod defaults_check;
pub(crate) mod field_path;
mod has;
mod list_kinds;
mod props;
mod read;
mod rule_form;
mod schemas;
mod structural;
mod subresources;
mod validate;

pub use default::set_defaults;
pub use read::{Column, Conversion, Definition, Names, Scale, Version};
pub use validate::{validate, validate_status_update, validate_update};

use serde_json::Value;

/// Whether a schema is structural and has known types only.
pub(crate) fn is_publishable(schema: &Value) -> bool {
    structural::is_structural(schema) && !has::any(schema, &has::unknown_type)
}

/// What the writer of a definition is warned of: formats that nobody checks.
#[must_use]
pub fn warnings(new: &Value, old: Option<&Value>) -> Vec<String> {
    let known = old.map(unknown_formats).unwrap_or_default();
    let formats = unknown_formats(new).into_iter();
    formats
        .filter(|format| !known.contains(format))
        .map(|format| format!("unrecognized format {}", skerry_kinds::quote(&format)))
        .collect()
}

fn unknown_formats(definition: &Value) -> Vec<String> {
    let mut formats = Vec::new();
    for version in read::list(&definition["spec"]["versions"]) {
        has::each(&version["schema"]["openAPIV3Schema"], &mut |schema| {
            let format = read::text(&schema["format"]);
            let kind = read::text(&schema["type"]);
            if !format.is_empty() && !crate::schema::is_known_format(format, kind) {
                formats.push(format.to_owned());
            }
        });
    }
    formats
}

/// The message of the condition `NonStructuralSchema`, where a schema is not structural.
#[must_use]
pub fn nonstructural(definition: &Value) -> Option<String> {
    let errors = schemas::nonstructural(definition);
    (!errors.is_empty()).then(|| skerry_kinds::summary(&errors))
}
