//! Limits of the gateway.

use std::time::Duration;

/// Bytes of one JSON value in a request: the largest gRPC message with its bytes in base64.
pub(super) const VALUE_BYTES_MAX: usize = crate::limits::HTTP_BODY_BYTES_MAX;

/// Bytes of one message that is turned into JSON: the whole of it is held together with its JSON,
/// which is a third longer. Larger answers are for clients that speak gRPC.
pub(super) const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Answers longer than this are turned into JSON on a thread of their own.
pub(super) const INLINE_BYTES_MAX: usize = 256 * 1024;

/// Bytes of requests that all clients together have sent and that are not yet whole: four of the
/// largest. Others are told `too many requests`.
pub(super) const BODIES_BYTES_MAX: usize = 4 * VALUE_BYTES_MAX;

/// Bytes of long answers that are turned into JSON or on their way; others wait.
pub(super) const ANSWERS_BYTES_MAX: usize = 2 * ANSWER_BYTES_MAX;

/// From the headers of a request with one message to the last byte of its body.
pub(super) const BODY_TIME_MAX: Duration = Duration::from_secs(30);
