//! The text form of a label selector: its words, and what they mean.
//!
//! Reads once from left to right with one word of lookahead; remembers
//! nothing but the requirements found. Never recurses.

use super::{Operator, Requirement, Violation, Violations};
use crate::limits::{REQUIREMENTS_MAX, SELECTOR_BYTES_MAX};
use crate::{name, quote::quoted};

/// Why a text is no label selector, in upstream's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A word that may not stand between requirements.
    #[error("found '{found}', expected: {expected}")]
    Unexpected {
        /// The word found.
        found: String,
        /// The words that may stand there.
        expected: &'static str,
    },
    /// A requirement that is none.
    #[error("unable to parse requirement: {0}")]
    Requirement(#[from] RequirementError),
    /// More text than is read.
    #[error("label selector must be no more than {SELECTOR_BYTES_MAX} bytes")]
    TooLong,
    /// More requirements than are kept.
    #[error("label selector must have at most {REQUIREMENTS_MAX} requirements")]
    TooMany,
}

/// What is wrong with one requirement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequirementError {
    /// A word that may not stand there.
    #[error("found '{found}', expected: {expected}")]
    Unexpected {
        /// The word found.
        found: String,
        /// The words that may stand there.
        expected: &'static str,
    },
    /// `in` or `notin` without an opening parenthesis.
    #[error("found '{found}' expected: '('")]
    Unopened {
        /// The word found.
        found: String,
    },
    /// Good grammar, bad key or values.
    #[error(transparent)]
    Invalid(#[from] Violations),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word<'a> {
    End,
    Identifier(&'a str),
    In,
    NotIn,
    Symbol(&'static str),
}

impl<'a> Word<'a> {
    /// The word where a key or value is wanted: there `in` is a name.
    fn as_value(self) -> Self {
        match self {
            Self::In => Self::Identifier("in"),
            Self::NotIn => Self::Identifier("notin"),
            word => word,
        }
    }

    fn text(self) -> &'a str {
        match self {
            Self::End => "",
            Self::Identifier(text) => text,
            Self::In => "in",
            Self::NotIn => "notin",
            Self::Symbol(text) => text,
        }
    }
}

struct Words<'a> {
    rest: &'a str,
    ahead: Word<'a>,
}

/// Longest first.
const SYMBOLS: [&str; 9] = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"];

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

impl<'a> Words<'a> {
    fn new(text: &'a str) -> Self {
        let mut words = Self {
            rest: text,
            ahead: Word::End,
        };
        words.ahead = words.read();
        words
    }

    /// The next word as a key or value, without taking it.
    fn peek(&self) -> Word<'a> {
        self.ahead.as_value()
    }

    /// Takes the next word as it is.
    fn take(&mut self) -> Word<'a> {
        let next = self.read();
        std::mem::replace(&mut self.ahead, next)
    }

    /// Takes the next word as a key or value.
    fn take_value(&mut self) -> Word<'a> {
        self.take().as_value()
    }

    fn read(&mut self) -> Word<'a> {
        self.rest = self.rest.trim_start_matches(is_blank);
        // Upstream's reader takes a NUL for the end of a word or of the text.
        if let Some(rest) = self.rest.strip_prefix('\0') {
            self.rest = rest;
            return Word::End;
        }
        for symbol in SYMBOLS {
            if let Some(rest) = self.rest.strip_prefix(symbol) {
                self.rest = rest;
                return Word::Symbol(symbol);
            }
        }
        let end = self
            .rest
            .find(|c| is_blank(c) || matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<' | '\0'))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.strip_prefix('\0').unwrap_or(rest);
        match word {
            "" => Word::End,
            "in" => Word::In,
            "notin" => Word::NotIn,
            word => Word::Identifier(word),
        }
    }
}

const COMMA: Word<'static> = Word::Symbol(",");
const CLOSE: Word<'static> = Word::Symbol(")");
const NOT: Word<'static> = Word::Symbol("!");

pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, ParseError> {
    if text.len() > SELECTOR_BYTES_MAX {
        return Err(ParseError::TooLong);
    }
    let mut words = Words::new(text);
    let mut requirements = Vec::new();
    let unexpected = |word: Word<'_>, expected| ParseError::Unexpected {
        found: word.text().to_owned(),
        expected,
    };
    loop {
        match words.peek() {
            Word::Identifier(_) | NOT => {}
            Word::End => return Ok(requirements),
            word => return Err(unexpected(word, "!, identifier, or 'end of string'")),
        }
        if requirements.len() == REQUIREMENTS_MAX {
            return Err(ParseError::TooMany);
        }
        requirements.push(requirement(&mut words)?);
        match words.take_value() {
            Word::End => return Ok(requirements),
            COMMA => match words.peek() {
                Word::Identifier(_) | NOT => {}
                word => return Err(unexpected(word, "identifier after ','")),
            },
            word => return Err(unexpected(word, "',' or 'end of string'")),
        }
    }
}

fn unexpected(word: Word<'_>, expected: &'static str) -> RequirementError {
    RequirementError::Unexpected {
        found: word.text().to_owned(),
        expected,
    }
}

fn requirement(words: &mut Words<'_>) -> Result<Requirement, RequirementError> {
    let mut word = words.take_value();
    let negated = word == NOT;
    if negated {
        word = words.take_value();
    }
    let Word::Identifier(key) = word else {
        return Err(unexpected(word, "identifier"));
    };
    let complaints = name::label_key(key);
    if !complaints.is_empty() {
        // Upstream has no path for the key of a text and prints Go's nil.
        return Err(RequirementError::Invalid(Violations(vec![Violation {
            field: "<nil>".to_owned(),
            value: quoted(key),
            detail: complaints.join("; "),
        }])));
    }
    if negated {
        return Ok(Requirement::new(key, Operator::DoesNotExist, Vec::new())?);
    }
    if matches!(words.peek(), Word::End | COMMA) {
        return Ok(Requirement::new(key, Operator::Exists, Vec::new())?);
    }
    let operator = match words.take() {
        Word::In => Operator::In,
        Word::NotIn => Operator::NotIn,
        Word::Symbol("=") => Operator::Equals,
        Word::Symbol("==") => Operator::DoubleEquals,
        Word::Symbol("!=") => Operator::NotEquals,
        Word::Symbol(">") => Operator::GreaterThan,
        Word::Symbol("<") => Operator::LessThan,
        word => return Err(unexpected(word, "in, notin, =, ==, !=, gt, lt")),
    };
    let values = match operator {
        Operator::In | Operator::NotIn => list(words)?,
        _ => vec![single(words)?],
    };
    Ok(Requirement::new(key, operator, values)?)
}

/// `(a,b)`: empty places are empty values, twice the same is once.
fn list(words: &mut Words<'_>) -> Result<Vec<String>, RequirementError> {
    let word = words.take_value();
    if word != Word::Symbol("(") {
        return Err(RequirementError::Unopened {
            found: word.text().to_owned(),
        });
    }
    match words.peek() {
        Word::Identifier(_) | COMMA | CLOSE => {}
        word => return Err(unexpected(word, "',', ')' or identifier")),
    }
    let mut values = Vec::new();
    loop {
        match words.take_value() {
            Word::Identifier(value) => {
                values.push(value.to_owned());
                match words.peek() {
                    COMMA | CLOSE => {}
                    word => return Err(unexpected(word, "',' or ')'")),
                }
            }
            COMMA => {
                if values.is_empty() || matches!(words.peek(), COMMA | CLOSE) {
                    values.push(String::new());
                }
            }
            CLOSE => break,
            word => return Err(unexpected(word, "',', or identifier")),
        }
    }
    if values.is_empty() {
        values.push(String::new());
    }
    values.sort_unstable();
    values.dedup();
    Ok(values)
}

fn single(words: &mut Words<'_>) -> Result<String, RequirementError> {
    if matches!(words.peek(), Word::End | COMMA) {
        return Ok(String::new());
    }
    match words.take_value() {
        Word::Identifier(value) => Ok(value.to_owned()),
        word => Err(unexpected(word, "identifier")),
    }
}
