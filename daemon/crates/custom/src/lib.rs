//! What a `CustomResourceDefinition` is, and what its schema does with an object.
//!
//! Pure functions over JSON: no requests, no store, no clock. Knows nothing about when a kind is
//! established, who is asked to convert, or where objects are kept. Invariant: no value, however
//! odd, deep or big, makes a function panic or take more than `limits` says.
//!
//! # The way of a definition
//! `definition::set_defaults`, `definition::validate` (or `validate_update`,
//! `validate_status_update`), then, for whoever serves it, `Definition::read`: names, scope,
//! versions with their subresources, columns and selectable fields. `definition::nonstructural`
//! is the message of the condition of that name.
//!
//! # The way of an object
//! | step | function |
//! |---|---|
//! | compile the version's schema; keep it as long as memory allows | `Schema::compile(Definition::schema(&crd, version))`, `Schema::heap_bytes` |
//! | decoded from a request | `Schema::prune` (returns what strict field validation complains about), then `Schema::default` |
//! | decoded from the store | `Schema::prune_stored`, then `Schema::default` (as upstream: defaults are applied on reading as well) |
//! | patched or applied | the patched object goes the way of a decoded one |
//! | validated | `Schema::validate(new, old)` (`Schema::validate_status` where the status alone is written) and `Scale::validate`; the metadata by `skerry_kinds::metadata` |
//! | server-side apply | `Schema::types`, definition `skerry_custom::ROOT` |
//!
//! # What is published
//! `openapi::version_3` is the document of one group and version, `openapi::version_2` the
//! definitions and paths of one version of one kind, as JSON or as protobuf that is appended to
//! the built-in document.

pub mod definition;
mod error;
pub mod limits;
mod names;
pub mod openapi;
mod schema;

pub use schema::{CompileError, Declared, ROOT, Schema};
pub use skerry_kinds::{ErrorKind, FieldError};
