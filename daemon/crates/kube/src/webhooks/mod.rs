//! Servers of other people that are asked about objects: admission webhooks, and those that convert
//! custom resources.
//!
//! ```text
//! configurations ── parsed once, followed ──┐
//! object ── which ones want it ── review ── client (TLS, bounded) ── verdict ── patched object
//! ```
//!
//! Invariant: a webhook that is down, slow, lying or looping costs its own request some seconds and
//! the server a bounded number of bytes and connections, and nothing else.

mod ask;
mod client;
mod conditions;
mod configurations;
mod failure;
mod hook;
mod matching;
mod mutate;
mod observe;
mod pool;
mod review;
mod target;
pub(crate) mod tls;
mod validate;

pub(crate) use configurations::follow;
#[allow(unused_imports)] // for conversion
pub(crate) use failure::CallError;
pub(crate) use hook::Rule;
pub(crate) use matching::{in_objects, subject};
pub(crate) use mutate::Rounds;
pub(crate) use observe::Observations;
pub(crate) use review::Kind;
#[allow(unused_imports)] // for conversion
pub(crate) use target::ClientConfig;

/// What the engine holds of them.
#[derive(Default)]
pub(crate) struct Webhooks {
    client: client::Client,
    configurations: configurations::Configurations,
}
