//! The sizes that this crate refuses to exceed, with their units.

/// Levels of a schema, and of an object that is checked against one.
pub const DEPTH_MAX: usize = 128;
/// Errors of one object; what comes after is not said.
pub const ERRORS_MAX: usize = 256;
/// Unknown fields of one object that are named.
pub const UNKNOWN_FIELDS_MAX: usize = 256;
/// Nodes of one compiled schema.
pub const NODES_MAX: usize = 1 << 18;
/// Steps of one check of an object against its schema: a step is one value against one node.
pub const CHECKS_MAX: usize = 5_000_000;
/// Memory of one compiled pattern, in bytes; one that needs more is refused.
pub const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Memory in which one pattern remembers what it has seen, in bytes.
pub const PATTERN_CACHE_BYTES_MAX: usize = 1 << 18;
/// Compiled patterns that one schema keeps.
pub const PATTERNS_KEPT_MAX: usize = 64;
/// What a kept pattern is reckoned to hold, in bytes.
pub const PATTERN_KEPT_BYTES: usize = 16 * 1024;
