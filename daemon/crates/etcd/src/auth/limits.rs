//! Limits of authentication.

use std::time::Duration;

/// Life of a simple token since its last use; etcd's.
pub(crate) const SIMPLE_TOKEN_TTL: Duration = Duration::from_secs(300);

/// Simple tokens that a member holds. Beyond, the one that would end first ends: its user has to
/// authenticate again. At etcd's cost of a password check, reaching this within one lifetime takes
/// many cores.
pub(crate) const SIMPLE_TOKENS_MAX: usize = 16_384;

/// How long a request waits for this member to apply the entry that made its token.
pub(crate) const TOKEN_WAIT_MAX: Duration = Duration::from_secs(5);

/// Bytes of a token that is looked at; a JWT of etcd's has some 500.
pub(crate) const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Password hashes computed at once, each on a thread of its own; etcd's cost of 10 is some 60 ms.
pub(crate) const PASSWORD_HASHES_MAX: usize = 2;

/// Requests that wait for their turn to hash; others are told `too many requests`.
pub(crate) const PASSWORD_WAITERS_MAX: usize = 64;

/// Bytes of a password. bcrypt sees no more, and refuses to hash less than it was given.
pub(crate) const PASSWORD_BYTES_MAX: usize = 72;

/// The cost of a bcrypt hash that is believed. The proposer chooses 10, but a client may bring a
/// hash of its own, and one of cost 31 would keep a core busy for days.
pub(crate) const BCRYPT_COST_MAX: u32 = 14;

/// Bytes of the name of a user or a role; etcd's store could not hold longer ones either.
pub(crate) const NAME_BYTES_MAX: usize = 4096;

/// Bytes of a key file for JWT.
pub(crate) const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;
