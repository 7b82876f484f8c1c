//! Every bound of the crate, with its unit. Each has a test that reaches it.

/// Operations that one JSON patch may hold.
pub const JSON_PATCH_OPERATIONS_MAX: usize = 10_000;

/// Bytes of JSON that the `copy` operations of one JSON patch may add up to.
pub const JSON_PATCH_COPY_BYTES_MAX: usize = 3 << 20;

/// Update entries that `managedFields` keeps; the oldest are merged until there are so many.
pub const UPDATE_MANAGERS_MAX: usize = 10;

/// Bytes that all annotations of an object may have; a last-applied annotation that would pass
/// them is left out.
pub const ANNOTATIONS_BYTES_MAX: usize = 256 << 10;

/// Bytes of a field manager's name that is made from a user agent.
pub const FIELD_MANAGER_BYTES_MAX: usize = 128;

/// Levels of lists and maps that an object may have after a JSON patch, whose operations could
/// otherwise nest it without end. As many as a body may have.
pub const NESTING_LEVELS_MAX: usize = 100;

/// Faults of one configuration that are told; the rest is not looked at.
pub const INVALID_FAULTS_MAX: usize = 100;
