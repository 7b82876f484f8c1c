//! Speaking to other servers on a client's behalf: where they are, and what passes in between.
//!
//! ```text
//! resolve ── upstream (pool, or dial, TLS, HTTP/1.1 or 2) ── head ── pass ── tunnel (after an upgrade)
//! ```
//!
//! Knows nothing about why: verbs, aggregation and webhooks say who is to be reached. Invariant:
//! nothing that passes is held whole, and no credential of a client goes beyond this server.

mod error;
mod head;
mod inbound;
mod outgoing;
mod pass;
mod pool;
pub(crate) mod resolve;
mod tunnel;
mod upstream;

pub(crate) use error::ProxyError;
pub(crate) use head::{as_user, path_escaped, query_escaped, user_of};
pub(crate) use inbound::Inbound;
pub use outgoing::Outgoing;
pub(crate) use pass::ask;
pub(crate) use pool::Place;
pub(crate) use pool::Pool;
pub(crate) use upstream::{Tls, Upstream};
