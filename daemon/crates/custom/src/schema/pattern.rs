//! Regular expressions of Go, compiled when they are first asked and kept for a while.
//!
//! Invariant: a pattern takes bounded memory and looks at a text in time linear in its length.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use regex_lite::{Regex, RegexBuilder};

use super::go_regex;
use super::table::NameId;
use crate::limits::{PATTERN_BYTES_MAX, PATTERNS_KEPT_MAX};

/// Compiles a pattern; the error is what Go would say.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    let translated = go_regex::translate(pattern)?;
    RegexBuilder::new(&translated)
        .size_limit(PATTERN_BYTES_MAX)
        .build()
        .map_err(|_| match pattern.len() > 1000 {
            true => "error parsing regexp: expression too large".to_owned(),
            false => format!("error parsing regexp: invalid regular expression: `{pattern}`"),
        })
}

/// The patterns of one schema that have been asked.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    compiled: Mutex<HashMap<NameId, Arc<Result<Regex, String>>>>,
}

impl Patterns {
    /// Whether a text has a part that the pattern matches.
    pub(crate) fn matches(&self, name: NameId, pattern: &str, text: &str) -> Result<bool, String> {
        let known = {
            let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
            if compiled.len() >= PATTERNS_KEPT_MAX && !compiled.contains_key(&name) {
                compiled.clear();
            }
            let known = compiled.entry(name);
            known.or_insert_with(|| Arc::new(compile(pattern))).clone()
        };
        match &*known {
            Ok(regex) => Ok(regex.is_match(text)),
            Err(wrong) => Err(wrong.clone()),
        }
    }

    /// How many are kept now.
    pub(crate) fn kept(&self) -> usize {
        let compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        compiled.len()
    }
}
