//! The libraries that kube-apiserver serves without asking, one file each.
//!
//! A library is a static table of functions with the version that brought it; its costs are with
//! its functions.

use crate::function::Library;

/// All libraries of the base environment, in upstream's order.
pub(crate) const ALL: &[&Library] = &[];
