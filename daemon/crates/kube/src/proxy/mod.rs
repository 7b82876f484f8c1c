//! Speaking to other servers on a client's behalf: where they are, and what passes in between.
//!
//! Knows nothing about why: verbs, aggregation and webhooks say who is to be reached.

#[allow(dead_code, reason = "aggregation and webhooks come next")]
pub(crate) mod resolve;
