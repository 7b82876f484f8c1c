//! Every limit of this crate, with its unit.

/// Largest metadata of a snapshot, in bytes: a thousand members and more.
pub const METADATA_BYTES_MAX: usize = 1024 * 1024;
/// Largest sealed bootstrap data of a snapshot, in bytes: more than a sealed envelope may have.
pub const BOOTSTRAP_BYTES_MAX: usize = 1024 * 1024;
/// Longest name of a snapshot, in bytes: what file systems take, and room for the name of a file
/// that is not finished.
pub const NAME_BYTES_MAX: usize = 240;
/// Largest file that is compressed, in bytes: what a zip file may hold without the extension for
/// large ones.
pub const COMPRESSED_BYTES_MAX: u64 = 4_000_000_000;
