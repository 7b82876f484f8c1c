//! What is wrong with a pattern, in the words of Go's `regexp/syntax`.

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {reason}: `{part}`")]
pub struct PatternError {
    reason: &'static str,
    part: String,
}

pub(super) const CHAR_RANGE: &str = "invalid character class range";
pub(super) const ESCAPE: &str = "invalid escape sequence";
pub(super) const NAMED_CAPTURE: &str = "invalid named capture";
pub(super) const PERL: &str = "invalid or unsupported Perl syntax";
pub(super) const REPEAT_OP: &str = "invalid nested repetition operator";
pub(super) const REPEAT_SIZE: &str = "invalid repeat count";
pub(super) const BRACKET: &str = "missing closing ]";
pub(super) const PAREN: &str = "missing closing )";
pub(super) const REPEAT_ARGUMENT: &str = "missing argument to repetition operator";
pub(super) const BACKSLASH: &str = "trailing backslash at end of expression";
pub(super) const UNEXPECTED_PAREN: &str = "unexpected )";
pub(super) const DEPTH: &str = "expression nests too deeply";
pub(super) const LARGE: &str = "expression too large";

impl PatternError {
    pub(super) fn new(reason: &'static str, part: &str) -> Self {
        Self {
            reason,
            part: part.to_owned(),
        }
    }

    pub(super) fn too_large(pattern: &str) -> Self {
        Self::new(LARGE, pattern)
    }
}
