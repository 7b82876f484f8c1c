//! Every limit of a restore, with its unit.

/// Largest bootstrap data that lies in a store, in bytes: some 15 PEM files, in Base64 twice.
pub(super) const BOOTSTRAP_BYTES_MAX: usize = 1024 * 1024;
/// Copies of it, each under another token, that are looked at.
pub(super) const BOOTSTRAPS_MAX: usize = 16;
/// Earlier servers that may be kept aside in one data directory.
pub(super) const KEPT_MAX: u32 = 1_000;
