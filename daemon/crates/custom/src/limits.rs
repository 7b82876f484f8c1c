//! The sizes that this crate refuses to exceed, with their units.

/// Levels of a schema, and of an object that is checked against one.
pub const DEPTH_MAX: usize = 128;
/// Errors of one object; what comes after is not said.
pub const ERRORS_MAX: usize = 256;
/// Unknown fields of one object that are named.
pub const UNKNOWN_FIELDS_MAX: usize = 256;
/// Nodes of one compiled schema.
pub const NODES_MAX: usize = 1 << 18;
