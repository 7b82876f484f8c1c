//! Types found for every node of a tree, overloads for every call.
//!
//! Knows nothing about values. Invariant: a tree without issues has a type for every node.

mod checker;
mod unify;
mod validate;

pub(crate) use checker::{Checked, check};
