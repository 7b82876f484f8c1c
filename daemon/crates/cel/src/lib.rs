//! The Common Expression Language as kube-apiserver 1.36 uses it: parser, type checker, evaluator,
//! static cost estimates and runtime cost limits. Pure: no I/O, no clock, no async.
//!
//! Knows nothing about custom resources, policies or requests: those declare variables, give
//! schemas and resolve names. Invariant: no expression and no value makes this crate panic,
//! overflow the stack or run longer than its budget allows.
//!
//! # The way of an expression
//! [`Env`] (variables and their types) → [`Env::compile`] → [`Program`] (checked; `Send + Sync`)
//! → [`Program::output_type`], [`Program::cost`] → [`Program::eval`] with an [`Activation`]
//! (the variables' values) and a [`Budget`].
//!
//! ```
//! use skerry_cel::{Budget, Env, Type, Value, Variables};
//!
//! let env = Env::kubernetes(skerry_cel::CURRENT).with_variable("self", Type::Dyn);
//! let program = env.compile("self.replicas <= 5").map_err(|issues| issues.to_string())?;
//! let json = serde_json::json!({"replicas": 3});
//! let variables = Variables::new().with("self", Value::json(&json));
//! let outcome = program.eval(&variables, &mut Budget::per_call());
//! # let _ = outcome;
//! # Ok::<(), String>(())
//! ```
//!
//! # Values and JSON
//! A [`Value`] borrows `serde_json::Value` and reads it lazily; nothing is copied but what an
//! expression makes anew. A [`Schema`] says how JSON is to be read (int or double, date-time,
//! bytes, int-or-string, sets, lists that are maps, escaped field names), and is the type that
//! expressions are checked against: [`Type::Object`] holds the schema and a node of it.
//!
//! # Functions
//! A [`Function`] is one overload: an id, a signature in text, what it does, and what it costs.
//! Libraries are static tables of them ([`Library`]), each with the version that brought it.

mod activation;
mod budget;
mod calendar;
mod check;
mod comprehension;
mod convert;
mod cost;
mod declarations;
mod env;
mod equality;
mod error;
mod escape;
mod format;
mod function;
mod issue;
mod json;
mod library;
pub mod limits;
mod lists;
mod map;
mod optional;
mod pattern;
mod program;
pub mod regexp;
mod run;
mod schema;
mod standard;
mod syntax;
mod time;
mod types;
mod value;

pub use activation::{Activation, Variables};
pub use budget::Budget;
pub use cost::{CallEstimate, Estimate, Node, Size, Sizes};
pub use env::{CURRENT, Constructors, Env, Version};
pub use error::Error;
pub use escape::{escape, unescape};
pub use function::{Cost, Function, Implementation, Library};
pub use issue::{Issue, Issues};
pub use library::{
    Authorizer, Check, Decision, JSON_PATCH, JSON_PATCH_TYPE, Object, Resource, authorizer_type,
    authorizer_value, json_patch, json_patch_field, resource_check_type, resource_check_value,
};
pub use map::Entries;
pub use program::Program;
pub use schema::{Form, ListKind, NodeId, Schema, Shape, StringForm};
pub use types::{ObjectType, Type};
pub use value::{Blob, Duration, Json, List, Map, Opaque, Str, Timestamp, Value};
