//! Limits of the gateway.

/// Bytes of one JSON value in a request: the largest gRPC message with its bytes in base64.
pub(super) const VALUE_BYTES_MAX: usize = crate::limits::HTTP_BODY_BYTES_MAX;

/// Bytes of one message that is turned into JSON: the whole of it is held together with its JSON,
/// which is a third longer. Larger answers are for clients that speak gRPC.
pub(super) const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Answers longer than this are turned into JSON on a thread of their own.
pub(super) const INLINE_BYTES_MAX: usize = 256 * 1024;
