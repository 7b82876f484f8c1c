//! The OpenAPI documents of custom kinds, as upstream publishes them.
//!
//! Made when they are asked for, from what definitions say. Knows nothing about who asks. A schema
//! that is not structural is published as an object about which nothing is known. Invariant:
//! every definition that a document of version 3 refers to is in it; those of version 2 refer to
//! definitions of the built-in document as well.

mod model;
mod paths;
mod protobuf;
mod shared;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::definition::{Definition, Version};
use model::Dialect;

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
pub fn version_3(kinds: &[Published<'_>]) -> Vec<u8> {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for kind in kinds {
        paths.extend(paths::paths(kind, Dialect::Three));
        schemas.extend(model::definitions(kind, Dialect::Three));
    }
    let mut wanted = BTreeSet::new();
    shared::references(&Value::Object(paths.clone()), &mut wanted);
    schemas
        .values()
        .for_each(|schema| shared::references(schema, &mut wanted));
    shared::add(&mut schemas, wanted);
    let document = json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes CRD Swagger", "version": "v0.1.0"},
        "paths": paths,
        "components": {"schemas": schemas},
    });
    document.to_string().into_bytes()
}

/// What OpenAPI v2 gets from one version of a kind.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Swagger {
    /// Name to definition.
    pub definitions: Map<String, Value>,
    /// Path to its operations.
    pub paths: Map<String, Value>,
}

/// Definitions and paths of one version of a kind.
#[must_use]
pub fn version_2(kind: &Published<'_>) -> Swagger {
    Swagger {
        definitions: model::definitions(kind, Dialect::Two),
        paths: paths::paths(kind, Dialect::Two),
    }
}

impl Swagger {
    /// As a gnostic `openapi.v2.Document` with nothing else in it, which may be appended to the
    /// protobuf of another document.
    #[must_use]
    pub fn protobuf(&self) -> Vec<u8> {
        protobuf::document(&self.definitions, &self.paths)
    }
}
