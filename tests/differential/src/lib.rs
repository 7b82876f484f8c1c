//! Sends the same scripts to Skerry and to etcd and compares every answer, field by field.
//!
//! A script follows from its seed alone. What may differ (ids that a server chooses, terms,
//! times) is replaced by names before the comparison, revisions are not. Knows nothing about
//! how either server works inside.

#![allow(clippy::unwrap_used)]

pub mod compare;
pub mod generate;
pub mod normal;
pub mod requests;
pub mod resolve;
pub mod script;
pub mod shrink;
pub mod side;
pub mod watching;
