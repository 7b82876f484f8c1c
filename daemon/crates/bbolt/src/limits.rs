//! What a file may ask of its reader.

/// Bytes of one page with all that it spans: etcd's largest value, 10 MiB at its largest setting,
/// has room in one.
pub const PAGE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Levels of a tree.
pub const DEPTH_MAX: usize = 24;

/// Bytes of a key, as in bbolt.
pub const KEY_BYTES_MAX: usize = 32 * 1024;
