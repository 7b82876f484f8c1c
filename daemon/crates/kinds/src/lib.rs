//! What is special about each built-in kind of the Kubernetes API.
//!
//! Pure functions over JSON values, keyed by group and kind: the columns and cells of
//! `kubectl get`, and what is wrong with an object in upstream's words. Knows nothing about
//! requests, storage, versions or users, and reads the clock only from its arguments.
//! Invariant: no value, however odd, makes a function panic; what is missing or of another type
//! reads as empty.

mod cells;
mod columns;
mod defaults;
mod error;
pub mod format;
pub mod limits;
pub mod metadata;
mod path;
pub mod quantity;
mod selector;
#[cfg(test)]
mod shapes;
mod strategy;
mod time;
mod validate;
mod value;
mod warn;

pub use cells::{cells, row_conditions};
pub use columns::{Column, DEFAULT as DEFAULT_COLUMNS, columns};
pub use defaults::set_defaults;
pub use error::{ErrorKind, FieldError, go_float, invalid_message, invalid_status, quote, summary};
pub use metadata::NameRule;
pub use path::Path;
pub use strategy::{has_status, prepare_create, prepare_update};
pub use time::{human_duration, parse_ms, since};
pub use validate::{validate_create, validate_update};
pub use warn::{deprecated, warnings};
