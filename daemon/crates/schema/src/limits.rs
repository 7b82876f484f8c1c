//! What is bounded here.

/// Unknown fields that are named in one answer; as upstream's decoder, further ones are dropped
/// all the same, but not named.
pub const UNKNOWN_FIELDS_MAX: usize = 100;

/// Levels that are looked at in a value; what is deeper was refused by the front door, and is
/// left as it is.
pub const DEPTH_MAX: usize = 128;

/// Bytes of one chunk of a document that is inflated.
pub const CHUNK_BYTES: usize = 16 * 1024;
