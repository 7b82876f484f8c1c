//! Limits of authentication.

/// Bytes of all users and roles together, encoded. They are held in memory by every member, so a
/// user with the right to add roles must not be able to fill it: 8 MiB is some 60,000 users. What
/// would go beyond is refused with etcd's `database space exceeded`.
pub const AUTH_STATE_BYTES_MAX: usize = 8 << 20;
