//! Objects as server-side apply sees them: with types that say what is owned as a whole and what
//! piece by piece, which are deduced from the value where nothing is known.
//!
//! Knows nothing about managers. `validate` comes first: the others take an object that passed it,
//! and go lightly over what did not.

mod atom;
mod compare;
mod members;
mod merge;
mod reconcile;
mod remove;
mod validate;

pub(crate) use atom::Model;
pub(crate) use compare::{Comparison, compare};
pub(crate) use members::{ensure_named, members};
pub(crate) use merge::merge;
pub(crate) use reconcile::reconcile;
pub(crate) use remove::{Emptied, remove};
pub use validate::Invalid;
pub(crate) use validate::{Duplicates, validate};
