//! Upstream's conformance tests that need no node, written anew against one server.
//!
//! `table.tsv` beside this crate has a line for every test of upstream's 1.36: its name, what it
//! waits for (`-`: nothing; `kubelet`, `scheduler`, `controllers` of workloads, `network`: what
//! the pods' side of it needs) and our test for it, which holds what the API owes.

#![allow(clippy::unwrap_used)]

mod custom;
mod hooks;
mod kubectl;
mod subject;
mod world;

pub use custom::{Custom, anything, version};
pub use hooks::{MUTATING, VALIDATING, rule};
pub use kubectl::{Background, Ended};
pub use subject::Subject;
pub use world::World;

/// A container that nothing starts here.
pub fn containers() -> serde_json::Value {
    serde_json::json!([{"name": "main", "image": "example.test/web"}])
}
