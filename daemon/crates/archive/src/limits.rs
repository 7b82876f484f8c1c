//! Every limit of this crate, with its unit.

/// Largest metadata of a snapshot, in bytes: a thousand members and more.
pub const METADATA_BYTES_MAX: usize = 1024 * 1024;
/// Largest sealed bootstrap data of a snapshot, in bytes: more than a sealed envelope may have.
pub const BOOTSTRAP_BYTES_MAX: usize = 1024 * 1024;
