//! Aggregation: groups and versions of the API that servers behind Services answer for.
//!
//! ```text
//! table (what APIServices say) ── pass (a request) ── proxy
//!    │                       └─── discover (documents, kept for a minute) ── merge, swagger
//! follow                lead: register (one APIService for each local version), available, publish
//! ```
//!
//! Knows nothing about what extension servers serve. Invariant: nobody is asked for a version whose
//! APIService does not say that it is available, and nobody without the rights to ask.

mod ask;
mod available;
mod discover;
mod follow;
mod local;
mod merge;
mod pass;
mod publish;
mod register;
mod swagger;
mod table;

use std::sync::Arc;

pub(crate) use local::local_status;
pub(crate) use table::Table;

use serde_json::Value;

use crate::engine::Engine;

/// The group of APIServices.
pub(crate) const GROUP: &str = "apiregistration.k8s.io";
/// Their resource.
pub(crate) const PLURAL: &str = "apiservices";

/// What each member does: follows APIServices, and asks extension servers for what they have.
pub(crate) async fn run(engine: Arc<Engine>) {
    tokio::join!(follow::run(&engine), discover::run(&engine));
}

/// What the leader does.
pub(crate) async fn lead(engine: &Engine) {
    tokio::join!(
        register::run(engine),
        available::run(engine),
        publish::run(engine),
    );
}

/// A field of an object of JSON; empty where it is no text.
fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    let found = value.get(field).and_then(Value::as_str);
    found.unwrap_or_default()
}
