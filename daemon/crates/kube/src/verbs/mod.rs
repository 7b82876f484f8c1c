//! The verbs, one a file.

mod create;
mod delete;
mod get;
mod list;
mod patch;
mod scale;
mod update;
mod watch;
