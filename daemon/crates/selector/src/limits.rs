//! How large a selector may be. Upstream bounds it only by the size of a
//! request's header; a device with little memory says so earlier.

/// Bytes in the text of one label or field selector.
pub const SELECTOR_BYTES_MAX: usize = 64 * 1024;

/// Requirements (terms between commas) in one selector.
pub const REQUIREMENTS_MAX: usize = 1024;

/// Values in one `matchExpressions` entry of a LabelSelector object.
pub const VALUES_MAX: usize = 32 * 1024;
