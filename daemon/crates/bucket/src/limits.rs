//! Limits of what goes to and comes from a store.

use std::time::Duration;

/// Bytes of a file that are in memory at once.
pub(crate) const CHUNK_BYTES: usize = 64 << 10;
/// Files up to this size go in one request, larger ones in parts of at least this size.
pub(crate) const PART_BYTES_MIN: u64 = 8 << 20;
/// Parts that a file goes in: S3 takes 10,000.
pub(crate) const PARTS_MAX: u64 = 9_000;
/// An answer that is no file, in bytes: a page of a list is the longest.
pub(crate) const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Objects of one page of a list.
pub(crate) const PAGE_OBJECTS_MAX: usize = 500;
/// Objects that a list has: more than anybody keeps.
pub(crate) const OBJECTS_MAX: usize = 10_000;
/// Elements inside elements of an answer.
pub(crate) const XML_DEPTH_MAX: usize = 16;
/// Bytes of what a store says in an error.
pub(crate) const MESSAGE_BYTES_MAX: usize = 300;
/// How long connecting may take, TLS and proxy too.
pub(crate) const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a store may take no byte and send none.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How often a store is asked that is overloaded or cannot be reached.
pub(crate) const TRIES_MAX: u32 = 4;
/// Before the second time; then twice that, and so on.
pub(crate) const PAUSE: Duration = Duration::from_millis(500);
/// Headers of an answer.
pub(crate) const HEADERS_MAX: usize = 64;
/// What a proxy answers before the store is behind it, in bytes.
pub(crate) const PROXY_BYTES_MAX: usize = 8 << 10;
/// A file of authorities, in bytes: the system's are a quarter of this.
pub(crate) const AUTHORITIES_BYTES_MAX: u64 = 1 << 20;
