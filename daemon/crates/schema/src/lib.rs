//! What the Kubernetes API's types and resources are, as data.
//!
//! A built-in resource and a custom one are the same to whoever asks here: a resource with its
//! names and verbs, and a type that says of every field what it holds and how it merges. Knows
//! nothing about requests, storage or patches.

mod build;
mod built_in;
pub mod check;
#[cfg(test)]
mod check_test;
pub mod discovery;
pub mod limits;
pub mod openapi;
pub mod resource;
mod scalar;
mod shelf;
pub mod types;
mod version;
pub mod version_2;

pub use build::{Builder, FieldSpec};
pub use built_in::built_in;
pub use check::{Unknown, WrongType, check, drop_nulls, prune, strict_error};
pub use openapi::built_in_documents;
pub use resource::{Catalog, Resource, Subresource};
pub use types::{Field, Format, List, ListKind, Map, Object, Patch, Shape, Type, TypeId, Types};
pub use version::KUBERNETES_VERSION;
