//! Why an evaluation has no value, in cel-go's words.

use std::borrow::Cow;

/// An error as a value of the language: `&&`, `||` and macros may absorb it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A function, or the language, refuses its operands: `no such key: x`, `division by zero`.
    #[error("{0}")]
    Failed(Cow<'static, str>),
    /// The budget is spent. Nothing absorbs it.
    #[error("operation cancelled: actual cost limit exceeded")]
    CostExceeded,
    /// The caller has interrupted. Nothing absorbs it.
    #[error("operation interrupted")]
    Interrupted,
}

impl Error {
    /// An error with a fixed text.
    #[must_use]
    pub const fn text(text: &'static str) -> Self {
        Self::Failed(Cow::Borrowed(text))
    }

    /// An error with a made text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self::Failed(Cow::Owned(text.into()))
    }

    /// `no such overload`.
    #[must_use]
    pub const fn no_such_overload() -> Self {
        Self::text("no such overload")
    }

    /// `no such key: x`.
    #[must_use]
    pub fn no_such_key(key: &str) -> Self {
        Self::new(format!("no such key: {key}"))
    }

    /// Whether the evaluation was ended from outside, so that nothing may absorb the error.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::CostExceeded | Self::Interrupted)
    }
}
