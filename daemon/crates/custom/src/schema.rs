//! A compiled schema: what it does with an object.

use serde_json::Value;
use skerry_kinds::FieldError;
use skerry_schema::Types;

/// The name of the root in `Schema::types`.
pub const ROOT: &str = "object";

/// Why a schema cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {text}")]
pub struct CompileError {
    /// Where in the schema: `properties[spec].items`.
    pub path: String,
    /// What is wrong there.
    pub text: String,
}

/// A compiled schema of one version of a kind. Cheap to share, not to copy.
#[derive(Debug)]
pub struct Schema {}

impl Schema {
    /// Compiles the schema of a version, as written in its definition; `null` is one that keeps
    /// everything. Any structural schema compiles that is within `limits`; what a definition may
    /// not say is `definition::validate`'s to refuse.
    pub fn compile(_schema: &Value) -> Result<Self, CompileError> {
        Ok(Self {})
    }

    /// About how much memory it holds.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        0
    }

    /// Takes out of an object what the schema does not know, and brings its metadata, and that of
    /// embedded resources, into shape. The paths of what was taken out, sorted, as strict field
    /// validation names them (`spec.colour`); at most `limits::UNKNOWN_FIELDS_MAX`.
    pub fn prune(&self, _object: &mut Value) -> Vec<String> {
        Vec::new()
    }

    /// Fills in defaults, and takes out nulls where null is not allowed and a default stands in.
    pub fn default(&self, _object: &mut Value) {}

    /// What is wrong with an object, its metadata aside; `old` is what it replaces.
    #[must_use]
    pub fn validate(&self, _object: &Value, _old: Option<&Value>) -> Vec<FieldError> {
        Vec::new()
    }

    /// The schema for server-side apply; the root is the definition `ROOT`.
    #[must_use]
    pub fn types(&self) -> Types {
        Types::default()
    }
}
