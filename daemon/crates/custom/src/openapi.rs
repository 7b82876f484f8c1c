//! The OpenAPI documents of custom kinds, as upstream publishes them.

use serde_json::Value;

use crate::definition::{Definition, Version};

/// One version of one kind, to be published.
#[derive(Clone, Copy)]
pub struct Published<'d> {
    /// What its definition says.
    pub definition: &'d Definition,
    /// The version.
    pub version: &'d Version,
    /// Its schema, as written in the definition; `null` where there is none.
    pub schema: &'d Value,
}

/// The document of one group and version, with all its kinds: bytes of JSON.
#[must_use]
pub fn version_3(_kinds: &[Published<'_>]) -> Vec<u8> {
    Vec::new()
}

/// What OpenAPI v2 gets from one version of a kind.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Swagger {
    /// Name to definition.
    pub definitions: serde_json::Map<String, Value>,
    /// Path to its operations.
    pub paths: serde_json::Map<String, Value>,
}

/// Definitions and paths of one version of a kind.
#[must_use]
pub fn version_2(_kind: &Published<'_>) -> Swagger {
    Swagger::default()
}

impl Swagger {
    /// As a gnostic `openapi.v2.Document` with nothing else in it, which may be appended to the
    /// protobuf of another document.
    #[must_use]
    pub fn protobuf(&self) -> Vec<u8> {
        Vec::new()
    }
}
