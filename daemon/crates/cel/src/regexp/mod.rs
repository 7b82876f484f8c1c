//! Regular expressions as Go's `regexp` (RE2) reads them: its syntax, its errors, its ASCII classes,
//! the leftmost match and of those the first alternative's. No look-around, no back-references.
//!
//! Knows nothing about values of the language; schemas' `pattern`s use it as well. Written here
//! rather than taken: `regex` adds 307 kB to a small static binary (597 kB with `\pL`),
//! `regex-lite` 73 kB without Go's syntax and errors, this 58 kB with the tables of letters and
//! cases. Invariant: a search takes time in proportion
//! to the text's length times the pattern's compiled size, which is bounded, whatever both say.

mod class;
mod compile;
mod error;
mod parse;
mod perl;
#[cfg(test)]
mod regexp_test;
mod search;

pub use error::PatternError;

use crate::limits::REGEXP_BYTES_MAX;

/// A compiled pattern. A clone costs a pattern's size: share it.
#[derive(Debug, Clone)]
pub struct Pattern {
    program: compile::Program,
}

impl Pattern {
    /// Reads a pattern, which takes time and memory in proportion to its length, and up to
    /// [`crate::limits::REGEXP_INSTRUCTIONS_MAX`] for its repetitions.
    ///
    /// # Errors
    /// What is wrong with it, in Go's words.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        if pattern.len() > REGEXP_BYTES_MAX {
            let start: String = pattern.chars().take(100).collect();
            return Err(PatternError::too_large(&start));
        }
        let tree = parse::parse(pattern)?;
        let program = compile::compile(&tree).ok_or_else(|| PatternError::too_large(pattern))?;
        Ok(Self { program })
    }

    /// Whether the pattern is found anywhere in the text.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        search::search(&self.program, text, 0, search::Want::Any).is_some()
    }

    /// The first match: the bytes where it begins and ends.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<(usize, usize)> {
        search::search(&self.program, text, 0, search::Want::Best)
    }

    /// All matches one after another, as Go's `FindAllString`: no empty match right after another.
    #[must_use]
    pub fn find_all<'t>(&self, text: &'t str, limit: Option<usize>) -> Vec<&'t str> {
        let mut found = Vec::new();
        let (mut at, mut last_end) = (0, None);
        while at <= text.len() && limit.is_none_or(|limit| found.len() < limit) {
            let Some((start, end)) = search::search(&self.program, text, at, search::Want::Best)
            else {
                break;
            };
            let is_new = end > at || Some(start) != last_end;
            at = if end > at {
                end
            } else {
                at + text[at..].chars().next().map_or(1, char::len_utf8)
            };
            last_end = Some(end);
            if is_new {
                found.push(&text[start..end]);
            }
        }
        found
    }
}
