//! The verbs, one a file.

mod components;
pub(crate) mod connect;
pub(crate) mod create;
pub(crate) mod delete;
mod get;
mod list;
mod patch;
mod patch_fault;
mod perform;
mod pods;
mod scale;
mod update;
mod watch;
