//! What becomes of an object when a patch, or a configuration, is applied to it.
//!
//! Pure functions over JSON values and the types of `skerry-schema`. Knows nothing about
//! requests, storage or what is special about a kind; whoever calls checks and defaults what
//! comes out. Invariant: whatever a client sends ends in a value or in an error, never in a panic.

pub mod apply;
mod conflict;
mod error;
pub mod fields;
mod go;
mod json_patch;
pub mod limits;
mod managers;
mod merge_patch;
mod nulls;
mod overlay;
mod strategic;
mod typed;
mod value;

pub use error::{Fault, PatchError};
pub use json_patch::{Inapplicable, json_patch, unknown_fields};
pub use merge_patch::merge_patch;
pub use nulls::without_nulls;
pub use overlay::overlay;
pub use strategic::strategic;
