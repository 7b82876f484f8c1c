//! Regular expressions of Go, compiled when they are first asked and kept for a while.
//!
//! Invariant: a pattern takes bounded memory and looks at a text in time linear in its length.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use skerry_cel::regexp::Pattern;

use super::table::NameId;
use crate::limits::PATTERNS_KEPT_MAX;

/// Compiles a pattern; the error is what Go would say.
pub(crate) fn compile(pattern: &str) -> Result<Pattern, String> {
    Pattern::new(pattern).map_err(|error| error.to_string())
}

/// The patterns of one schema that have been asked.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    compiled: Mutex<HashMap<NameId, Arc<Result<Pattern, String>>>>,
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
            Ok(compiled) => Ok(compiled.is_match(text)),
            Err(wrong) => Err(wrong.clone()),
        }
    }

    /// How many are kept now.
    pub(crate) fn kept(&self) -> usize {
        let compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        compiled.len()
    }
}
