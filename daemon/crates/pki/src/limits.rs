//! Every limit of this crate, with its unit.

/// Life of a certificate authority, in seconds: ten years.
pub const CA_LIFE_SECONDS: u64 = 10 * 365 * 86_400;
/// Life of a leaf certificate, in seconds: a year.
pub const LEAF_LIFE_SECONDS: u64 = 365 * 86_400;
/// A leaf with less than this left is renewed: a third of its life.
pub const LEAF_RENEW_SECONDS: u64 = LEAF_LIFE_SECONDS / 3;
/// Largest certificate, key or token file that is read, in bytes.
pub const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Most certificates in one authority's file: the authority itself and its chain to a root.
pub const CA_CHAIN_MAX: usize = 8;
/// Authorities, and keys of service account tokens, that are still trusted after others have
/// followed them: the newest.
pub const EARLIER_MAX: usize = 3;
/// Longest join token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 1024;
/// Tokens that the token file held before and that are still told from wrong ones.
pub const TOKENS_BEFORE_MAX: usize = 16;
/// Random bytes in a generated password, written as twice as many hex digits.
pub const PASSWORD_RANDOM_BYTES: usize = 16;
/// Longest name of a node, in bytes, as for a DNS name.
pub const NODE_NAME_BYTES_MAX: usize = 253;
/// Most names and addresses added to the API server's certificate (`--tls-san`).
pub const TLS_SANS_MAX: usize = 128;
/// TLS sessions that a listener keeps for resumption.
pub const TLS_SESSIONS_MAX: usize = 256;
/// TLS sessions that a caller of one other server keeps for resumption.
pub const CLIENT_SESSIONS_MAX: usize = 8;
/// How far in the past a certificate for somebody else begins, in seconds, for clocks that lag.
pub const BACKDATE_SECONDS: u64 = 300;
/// Lives shorter than this are not shortened by the above, in seconds.
pub const SHORT_LIFE_SECONDS: u64 = 8 * 3600;
/// Bytes of the serial numbers of such certificates.
pub const SERIAL_BYTES: usize = 16;
