//! Where an evaluation gets its variables from. Knows nothing about what they mean.
//!
//! Invariant: a value that is asked for twice in one evaluation is the same both times.

use crate::error::Error;
use crate::value::Value;

/// The variables of one evaluation, resolved by name when the expression reaches them.
///
/// `'a` is the life of what the values borrow: the objects, and the programs.
pub trait Activation<'a> {
    /// The variable's value; `None` when nobody gave one.
    ///
    /// # Errors
    /// What computing it came to; the expression fails with it, as with any of its own errors.
    fn variable(&self, name: &str) -> Result<Option<Value<'a>>, Error>;

    /// The field of a variable whose value is [`Value::scope`], computed when first read, as
    /// policies do with `variables.x`. Remembering it is the implementer's part.
    ///
    /// # Errors
    /// What computing it came to.
    fn field(&self, scope: &str, name: &str) -> Result<Option<Value<'a>>, Error> {
        let _ = (scope, name);
        Ok(None)
    }

    /// The names of a scope's fields in the order of their declaration, for `in`, `size` and macros.
    fn fields(&self, scope: &str) -> Vec<String> {
        let _ = scope;
        Vec::new()
    }
}

/// Variables in a short list: what most callers need.
#[derive(Debug, Clone, Default)]
pub struct Variables<'a> {
    list: Vec<(&'a str, Value<'a>)>,
}

impl<'a> Variables<'a> {
    /// No variables.
    #[must_use]
    pub fn new() -> Self {
        Self { list: Vec::new() }
    }

    /// The same with one more; the last of a name wins.
    #[must_use]
    pub fn with(mut self, name: &'a str, value: Value<'a>) -> Self {
        self.list.push((name, value));
        self
    }
}

impl<'a> Activation<'a> for Variables<'a> {
    fn variable(&self, name: &str) -> Result<Option<Value<'a>>, Error> {
        Ok(self
            .list
            .iter()
            .rev()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.clone()))
    }
}
