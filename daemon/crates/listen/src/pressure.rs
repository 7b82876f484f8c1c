//! Whether the process has as much memory as it may have: then whoever can be sent away is.
//!
//! Knows nothing about who asks, or how memory is counted: whoever starts the process says both.
//! Invariant: where nobody has said anything, there is always room.

use std::sync::OnceLock;

struct Limit {
    bytes: usize,
    allocated: fn() -> usize,
}

static LIMIT: OnceLock<Limit> = OnceLock::new();

/// How much may be allocated, and who knows how much is. Only the first word counts.
pub fn hold(bytes: usize, allocated: fn() -> usize) {
    let _ = LIMIT.set(Limit { bytes, allocated });
}

/// Bytes that may still be allocated.
#[must_use]
pub fn room() -> usize {
    match LIMIT.get() {
        Some(limit) => limit.bytes.saturating_sub((limit.allocated)()),
        None => usize::MAX,
    }
}

/// The limit, where there is one.
#[must_use]
pub fn limit() -> usize {
    LIMIT.get().map_or(usize::MAX, |limit| limit.bytes)
}

/// Whether hardly anything of that is left.
#[must_use]
pub fn is_full() -> bool {
    room() < limit() / 16
}

/// Whether nothing more should be begun: an eighth is kept for what is under way.
#[must_use]
pub fn is_high() -> bool {
    room() < limit() / 8
}
