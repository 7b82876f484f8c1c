//! Regular expressions: linear in time whatever the pattern, bounded in memory.
//!
//! Knows nothing about values. Invariant: a pattern that compiles never fails to match in time.

use crate::error::Error;
use regex_lite::{Regex, RegexBuilder};

/// The most memory that one compiled pattern may take.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// The pattern, compiled.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn compile(pattern: &str) -> Result<Regex, Error> {
    RegexBuilder::new(pattern)
        .size_limit(COMPILED_BYTES_MAX)
        .build()
        .map_err(|error| Error::new(format!("error parsing regexp: {error}")))
}

/// Whether the pattern is found anywhere in the text.
///
/// # Errors
/// What is wrong with the pattern.
pub(crate) fn is_match(pattern: &str, text: &str) -> Result<bool, Error> {
    Ok(compile(pattern)?.is_match(text))
}
