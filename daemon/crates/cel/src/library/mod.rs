//! The libraries that kube-apiserver serves without asking, one file each.
//!
//! A library is a static table of functions with the version that brought it; its costs are with
//! its functions.

mod address;
#[cfg(test)]
mod address_test;
mod decimal;
mod named;
#[cfg(test)]
mod named_test;
mod quantity;
#[cfg(test)]
mod quantity_test;
mod semver;
#[cfg(test)]
mod semver_test;
mod url;
#[cfg(test)]
mod url_test;

use crate::function::Library;

/// All libraries of the base environment, in upstream's order.
pub(crate) const ALL: &[&Library] = &[];
