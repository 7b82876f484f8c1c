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
    Pattern::new(pattern).map_err(|wrong| wrong.to_string())
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
            Ok(pattern) => Ok(pattern.is_match(text)),
            Err(wrong) => Err(wrong.clone()),
        }
    }

    /// How many are kept now.
    pub(crate) fn kept(&self) -> usize {
        let compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        compiled.len()
    }
}

#[cfg(test)]
mod tests {
    use super::compile;

    /// pattern, texts that match, texts that do not
    const CASES: &[(&str, &[&str], &[&str])] = &[
        ("^a+$", &["a", "aa"], &["", "ab", "a\n"]),
        (r"^\d\w\s$", &["1a ", "1_\t"], &["١a ", "1é "]),
        (r"^[\d.]+$", &["1.2"], &["a"]),
        (r"^[\w-]+$", &["a-b_1"], &["a b"]),
        (r"^[^\s]+$", &["ab"], &["a b"]),
        ("^a{2,3}$", &["aa", "aaa"], &["a", "aaaa"]),
        ("^a{,2}$", &["a{,2}"], &["aa"]),
        ("^a{$", &["a{"], &["a"]),
        ("^{}$", &["{}"], &[""]),
        (r"^\{x\}$", &["{x}"], &["x"]),
        ("(?i)^ab[c-e]$", &["ABC", "abE"], &["abf"]),
        ("^(?i:a)b$", &["Ab"], &["AB"]),
        ("^(?P<x>a)(?:b)$", &["ab"], &["a"]),
        ("^[[a]$", &["[", "a"], &["b"]),
        ("^[]a]$", &["]", "a"], &["b"]),
        ("^[a&&b]+$", &["a&b"], &["c"]),
        ("^[[:alpha:]-]+$", &["a-b"], &["1"]),
        (r"^\Qa.b\E$", &["a.b"], &["axb"]),
        (r"^\x41\x{42}\103$", &["ABC"], &["abc"]),
        (r"^\<a\>$", &["<a>"], &["a"]),
        (r"\ba\b", &["a b", "éa"], &["ab"]),
        (
            r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
            &["a.b-c"],
            &["A", "a..b"],
        ),
        ("^$|^a$", &["", "a"], &["b"]),
        ("^.$", &["é"], &["\n", "ab"]),
    ];

    #[test]
    fn patterns_mean_what_they_mean_to_go() {
        for (pattern, good, bad) in CASES {
            let regex = compile(pattern).expect(pattern);
            for text in *good {
                assert!(regex.is_match(text), "{pattern} matches {text:?}");
            }
            for text in *bad {
                assert!(!regex.is_match(text), "{pattern} does not match {text:?}");
            }
        }
    }

    #[test]
    fn what_go_refuses_is_refused_in_its_words() {
        for (pattern, text) in [
            ("(a", "error parsing regexp: missing closing ): `(a`"),
            ("a)", "error parsing regexp: unexpected ): `a)`"),
            ("[a", "error parsing regexp: missing closing ]: `[a`"),
            (
                "a**",
                "error parsing regexp: invalid nested repetition operator: `**`",
            ),
            (
                "a{1001}",
                "error parsing regexp: invalid repeat count: `{1001}`",
            ),
            (
                "(?=a)",
                "error parsing regexp: invalid or unsupported Perl syntax: `(?=`",
            ),
            (
                r"\8",
                r"error parsing regexp: invalid escape sequence: `\8`",
            ),
            (
                "[b-a]",
                "error parsing regexp: invalid character class range: `b-a`",
            ),
        ] {
            assert_eq!(compile(pattern).err().as_deref(), Some(text), "{pattern}");
        }
    }

    #[test]
    fn odd_patterns_do_not_panic() {
        for pattern in [
            "\\",
            "[",
            "[\\",
            "[a-",
            "[a-\\",
            "(?",
            "(?P<",
            "(?<é>a)",
            "{",
            "{1",
            "\\x{",
            "\\x{d800}",
            "\\p",
            "\\p{",
            "[[:",
            "[[:x:]]",
            "(?i",
            "(?i-",
            "é{2}",
            "\\é",
            "[é-ü]",
            "\\777",
            "(?U)(a+)+$",
            "*",
            "+",
            "a|*",
        ] {
            let _ = compile(pattern);
        }
        let _ = compile(&"(".repeat(100_000));
        let _ = compile("(((a{1000}){1000}){1000})");
    }
}
