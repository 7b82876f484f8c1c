//! Patterns as operands: constant ones are compiled once, when the program is made.
//!
//! Knows nothing about syntax. Invariant: a compiled operand costs what its text does.

use crate::error::Error;
use crate::regexp::Pattern;
use crate::value::{Opaque, Value};
use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;

/// The functions whose first argument is a pattern.
pub(crate) const FUNCTIONS: &[&str] = &["matches", "find", "findAll"];

/// The pattern, compiled.
///
/// # Errors
/// What is wrong with it, in Go's words.
pub(crate) fn compile(pattern: &str) -> Result<Pattern, Error> {
    Pattern::new(pattern).map_err(|error| Error::new(error.to_string()))
}

/// A constant operand, compiled.
#[derive(Debug)]
struct Constant {
    pattern: Pattern,
    code_points: u64,
}

impl Opaque for Constant {
    fn type_name(&self) -> &'static str {
        "string"
    }

    fn equals(&self, _: &dyn Opaque) -> bool {
        false
    }

    fn cost_size(&self) -> u64 {
        self.code_points
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The operand that stands for a constant pattern.
///
/// # Errors
/// What is wrong with it, in Go's words.
pub(crate) fn constant(pattern: &str) -> Result<Value<'static>, Error> {
    Ok(Value::Opaque(Arc::new(Constant {
        pattern: compile(pattern)?,
        code_points: pattern.chars().count() as u64,
    })))
}

/// The pattern of an operand, compiled if it is not yet.
///
/// # Errors
/// It is no pattern; `no such overload` for what is no string.
pub(crate) fn of<'v>(operand: &'v Value<'_>) -> Result<Cow<'v, Pattern>, Error> {
    if let Some(constant) = operand.as_opaque::<Constant>() {
        return Ok(Cow::Borrowed(&constant.pattern));
    }
    match operand {
        Value::String(text) => compile(text).map(Cow::Owned),
        _ => Err(Error::no_such_overload()),
    }
}
