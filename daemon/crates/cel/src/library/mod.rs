//! The libraries that kube-apiserver serves without asking, one file each.
//!
//! A library is a static table of functions with the version that brought it; its costs are with
//! its functions. What the tables stand on knows nothing about values: quantities, addresses, URLs,
//! versions, named formats.

mod address;
#[cfg(test)]
mod address_test;
mod authorizer;
mod call;
pub(crate) mod clauses;
mod decimal;
mod formats;
mod formatting;
mod json_patch;
mod lists;
mod named;
#[cfg(test)]
mod named_test;
mod networks;
mod price;
mod quantities;
mod quantity;
#[cfg(test)]
mod quantity_test;
mod regexps;
mod semver;
#[cfg(test)]
mod semver_test;
mod sequences;
mod sets;
mod strings;
mod url;
#[cfg(test)]
mod url_test;
mod urls;
mod versions;

pub use authorizer::{
    Authorizer, Check, Decision, Object, Resource, authorizer_type, authorizer_value,
    resource_check_type, resource_check_value,
};
pub use json_patch::{JSON_PATCH, JSON_PATCH_TYPE, json_patch, json_patch_field};
pub(crate) use price::equality;

use crate::function::Library;

/// All libraries of the base environment, in upstream's order.
pub(crate) const ALL: &[&Library] = &[
    &urls::LIBRARY,
    &regexps::LIBRARY,
    &sequences::LIBRARY,
    &authorizer::AUTHZ,
    &quantities::LIBRARY,
    &strings::LIBRARY,
    &sets::LIBRARY,
    &networks::IP,
    &networks::CIDR,
    &formats::LIBRARY,
    &authorizer::SELECTORS,
    &versions::LIBRARY,
    &lists::LIBRARY,
];
