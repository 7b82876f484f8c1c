//! Field selectors: `metadata.name=x,status.phase!=Running`.
//!
//! Knows nothing of which fields a kind lets be selected by: the caller looks
//! at [`Selector::terms`] and gives each field's value. An absent field is the
//! empty string, as upstream has it.

use std::borrow::Cow;
use std::fmt;

use crate::limits::{REQUIREMENTS_MAX, SELECTOR_BYTES_MAX};

/// Why a text is no field selector, in upstream's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A term without an operator.
    #[error("invalid selector: '{selector}'; can't understand '{term}'")]
    Term {
        /// The whole text.
        selector: String,
        /// The term.
        term: String,
    },
    /// A backslash before what needs none.
    #[error("invalid field selector: invalid escape sequence: {0}")]
    Escape(String),
    /// `=` or `,` in a value without a backslash; upstream prints its number.
    #[error("invalid field selector: unescaped character in value: {}", u32::from(*.0))]
    Unescaped(char),
    /// More text than is read.
    #[error("field selector must be no more than {SELECTOR_BYTES_MAX} bytes")]
    TooLong,
    /// More terms than are kept.
    #[error("field selector must have at most {REQUIREMENTS_MAX} terms")]
    TooMany,
}

/// One condition: a field that has, or has not, a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// Path of the field, as written: `metadata.name`.
    pub field: String,
    /// The value, unescaped.
    pub value: String,
    /// `=` and `==`; false for `!=`.
    pub equal: bool,
}

/// Terms that must all hold; with none, everything matches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    terms: Vec<Term>,
}

impl Selector {
    /// Matches every object.
    #[must_use]
    pub fn everything() -> Self {
        Self::default()
    }

    /// Reads the text of a query's `fieldSelector`.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.len() > SELECTOR_BYTES_MAX {
            return Err(ParseError::TooLong);
        }
        let mut parts = split(text)?;
        parts.sort_unstable();
        let mut terms = Vec::with_capacity(parts.len());
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            let (field, equal, value) = operator(part).ok_or_else(|| ParseError::Term {
                selector: text.to_owned(),
                term: part.to_owned(),
            })?;
            let value = unescaped(value)?;
            if !(field.is_empty() && value.is_empty()) {
                terms.push(Term {
                    field: field.to_owned(),
                    value,
                    equal,
                });
            }
        }
        Ok(Self { terms })
    }

    /// The terms, in the order of their text.
    #[must_use]
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// Whether nothing is excluded.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    /// The one value that `field` must have, if the selector says so.
    #[must_use]
    pub fn exact(&self, field: &str) -> Option<&str> {
        self.terms
            .iter()
            .find(|term| term.equal && term.field == field)
            .map(|term| term.value.as_str())
    }

    /// Whether every term holds, given the value of each field.
    pub fn matches<'a>(&self, mut value: impl FnMut(&str) -> Cow<'a, str>) -> bool {
        self.terms
            .iter()
            .all(|term| (value(&term.field) == term.value.as_str()) == term.equal)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.terms.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let operator = if term.equal { "=" } else { "!=" };
            write!(f, "{comma}{}{operator}{}", term.field, escaped(&term.value))?;
        }
        Ok(())
    }
}

/// A value as it is written in a field selector.
#[must_use]
pub fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '\\' | ',' | '=') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The parts between commas that no backslash protects.
fn split(text: &str) -> Result<Vec<&str>, ParseError> {
    let mut parts = Vec::new();
    let (mut start, mut protected) = (0, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if protected => protected = false,
            b'\\' => protected = true,
            b',' => {
                if parts.len() == REQUIREMENTS_MAX {
                    return Err(ParseError::TooMany);
                }
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    Ok(parts)
}

/// Field, whether equal, and the value as written.
fn operator(term: &str) -> Option<(&str, bool, &str)> {
    let at = term.char_indices().find(|(index, c)| {
        *c == '=' || (*c == '!' && term.as_bytes().get(index + 1) == Some(&b'='))
    });
    let (field, rest) = term.split_at(at?.0);
    if let Some(value) = rest.strip_prefix("!=") {
        return Some((field, false, value));
    }
    let value = rest.strip_prefix("==").or_else(|| rest.strip_prefix('='))?;
    Some((field, true, value))
}

fn unescaped(text: &str) -> Result<String, ParseError> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                Some(c) => return Err(ParseError::Escape(format!("\\{c}"))),
                None => return Err(ParseError::Escape("\\".to_owned())),
            },
            ',' | '=' => return Err(ParseError::Unescaped(c)),
            c => out.push(c),
        }
    }
    Ok(out)
}
