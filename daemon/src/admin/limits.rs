//! Limits of administrators' calls.

use std::time::Duration;

/// The body of a request to the routes, in bytes: a few names and settings.
pub(crate) const REQUEST_BYTES_MAX: usize = 1 << 20;
/// How long that body may take to arrive.
pub(crate) const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);
/// An answer that a command takes, in bytes.
pub(crate) const ANSWER_BYTES_MAX: usize = 16 << 20;
/// How long connecting to the node's own server may take.
pub(crate) const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How long an answer may take: a snapshot of all data is written in this time.
pub(crate) const ANSWER_TIME_MAX: Duration = Duration::from_secs(300);
