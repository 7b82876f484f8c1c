//! Who may do what: role-based access control as kube-apiserver has it.
//!
//! Pure: objects come in as JSON values, decisions and new values go out. It
//! knows nothing of requests, storage, clocks or how a user proved to be one.
//! Invariant: what is malformed grants nothing, and nothing but a rule grants.

pub mod account;
pub mod aggregation;
pub mod attributes;
pub mod bootstrap;
pub mod escalation;
pub mod limits;
pub mod node;
pub mod policies;
pub mod reconcile;
pub mod review;
pub mod rule;
pub mod subject;
mod words;

pub use attributes::{Attributes, Target, User};
pub use policies::{Decision, Policies};
pub use rule::Rule;

/// The API group of roles and bindings.
pub const GROUP: &str = "rbac.authorization.k8s.io";
/// Members may do everything.
pub const MASTERS: &str = "system:masters";
