//! How large tokens and requests for them may be.

/// Bytes of a token that is looked at.
pub const TOKEN_BYTES_MAX: usize = 32 * 1024;

/// Bytes of all audiences in a request for a token, so that what is minted
/// can be verified.
pub const AUDIENCES_BYTES_MAX: usize = 8 * 1024;

/// Shortest life that may be asked for, in seconds.
pub const EXPIRATION_SECONDS_MIN: i64 = 10 * 60;

/// Longest life that may be asked for, in seconds.
pub const EXPIRATION_SECONDS_MAX: i64 = 1 << 32;

/// How far clocks may differ, in seconds.
pub const LEEWAY_SECONDS: i64 = 60;
