//! CEL in admission: what expressions of webhooks and policies may speak of, and what is true of a
//! request.
//!
//! Knows the language's environment, not who wrote an expression. Invariant: an expression that was
//! compiled here gives a value or an error within its budget, whatever the request.

mod conditions;
mod declared;
mod facts;

pub(crate) use conditions::{Condition, Met, meets};
pub(crate) use facts::Facts;

use std::sync::Arc;

use skerry_cel::{CURRENT, Env, Program, Schema, Type, authorizer_type, resource_check_type};
use skerry_kinds::{ErrorKind, FieldError};

use declared::Declared;

/// The type of `namespaceObject`.
pub(crate) fn namespace() -> Type {
    Type::object(Arc::new(Declared), declared::NAMESPACE)
}

/// What may be said in conditions: the variables that upstream declares for them.
pub(crate) fn environment(has_params: bool) -> Env {
    let declared: Arc<dyn Schema> = Arc::new(Declared);
    let mut env = Env::kubernetes(CURRENT)
        .with_variable("object", Type::Dyn)
        .with_variable("oldObject", Type::Dyn)
        .with_variable(
            "request",
            Type::object(Arc::clone(&declared), declared::REQUEST),
        )
        .with_variable(
            "namespaceObject",
            Type::object(declared, declared::NAMESPACE),
        );
    if has_params {
        env = env.with_variable("params", Type::Dyn);
    }
    env
}

/// As [`environment`], where expressions may also ask who may do what: conditions of webhooks.
pub(crate) fn asking() -> Env {
    environment(false)
        .with_variable("authorizer", authorizer_type())
        .with_variable("authorizer.requestResource", resource_check_type())
}

/// Why an expression is none that can be used, in upstream's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Uncompiled {
    #[error("compilation failed: {0}")]
    Wrong(String),
    #[error("must evaluate to {wanted} but got {got}")]
    OtherType { wanted: Type, got: Type },
    #[error("program instantiation failed: {0}")]
    NoProgram(String),
}

impl Uncompiled {
    /// As what is wrong with a field.
    pub(crate) fn at(&self, field: String, expression: &str) -> FieldError {
        FieldError {
            kind: match self {
                Uncompiled::Wrong(_) | Uncompiled::OtherType { .. } => ErrorKind::Invalid,
                Uncompiled::NoProgram(_) => ErrorKind::Internal,
            },
            field,
            bad_value: expression.into(),
            detail: self.to_string(),
        }
    }
}

/// An expression of a type.
pub(crate) fn compile(env: &Env, expression: &str, wanted: &Type) -> Result<Program, Uncompiled> {
    let mut program = env.compile(expression).map_err(|issues| {
        match (&issues.instantiation, issues.list.is_empty()) {
            (Some(why), true) => Uncompiled::NoProgram(why.clone()),
            _ => Uncompiled::Wrong(issues.to_string()),
        }
    })?;
    // Nobody asks what it costs before it runs.
    program.slim();
    let got = program.output_type();
    // What may be anything is looked at when it has a value.
    match got == wanted || *wanted == Type::Dyn {
        true => Ok(program),
        false => Err(Uncompiled::OtherType {
            wanted: wanted.clone(),
            got: got.clone(),
        }),
    }
}
