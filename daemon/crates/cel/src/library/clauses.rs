//! The formats of `string.format` read, and checked against the types of literal values.
//!
//! Knows nothing about values.

use crate::error::Error;
use crate::limits::FORMAT_PRECISION_MAX;
use crate::types::Type;
use skerry_selector::quoted;

/// A part of a format.
pub(super) enum Piece<'f> {
    Text(&'f str),
    Clause(Result<Clause, String>),
    /// `%` and nothing more.
    End,
}

/// `%.3f`: what is to be done with a value.
#[derive(Clone, Copy)]
pub(super) struct Clause {
    pub(super) letter: char,
    pub(super) precision: Option<usize>,
}

/// The parts of a format in order.
pub(super) struct Pieces<'f> {
    pub(super) rest: &'f str,
}

impl<'f> Iterator for Pieces<'f> {
    type Item = Piece<'f>;

    fn next(&mut self) -> Option<Piece<'f>> {
        let Some(after) = self.rest.strip_prefix('%') else {
            if self.rest.is_empty() {
                return None;
            }
            let end = self.rest.find('%').unwrap_or(self.rest.len());
            let (text, rest) = self.rest.split_at(end);
            self.rest = rest;
            return Some(Piece::Text(text));
        };
        if let Some(rest) = after.strip_prefix('%') {
            self.rest = rest;
            return Some(Piece::Text("%"));
        }
        self.rest = after;
        if after.is_empty() {
            return Some(Piece::End);
        }
        Some(Piece::Clause(self.clause()))
    }
}

impl Pieces<'_> {
    fn clause(&mut self) -> Result<Clause, String> {
        let mut precision = None;
        if let Some(rest) = self.rest.strip_prefix('.') {
            let end = rest.find(|c: char| !c.is_ascii_digit());
            let wrong = |why: &str| format!("error while parsing precision: {why}");
            let Some(end) = end else {
                return Err(wrong("could not find end of precision specifier"));
            };
            let digits = &rest[..end];
            let number = digits.parse::<usize>().map_err(|_| {
                let why = if digits.is_empty() {
                    "invalid syntax"
                } else {
                    "value out of range"
                };
                wrong(&format!(
                    "error while converting precision to integer: strconv.Atoi: parsing {}: {why}",
                    quoted(digits)
                ))
            })?;
            if number > FORMAT_PRECISION_MAX {
                return Err(wrong(&format!(
                    "precision {number} exceeds maximum allowed precision {FORMAT_PRECISION_MAX}"
                )));
            }
            precision = Some(number);
            self.rest = &rest[end..];
        }
        let letter = self.rest.chars().next().unwrap_or_default();
        self.rest = &self.rest[letter.len_utf8().min(self.rest.len())..];
        if "sdfebxXo".contains(letter) {
            Ok(Clause { letter, precision })
        } else {
            Err(format!("unrecognized formatting clause \"{letter}\""))
        }
    }
}

pub(super) fn unparsed(why: String) -> Error {
    Error::new(format!("could not parse formatting clause: {why}"))
}

/// Whether a format fits values of known types: which value does not, if it is one's fault, and
/// why not, as cel-go says when it looks at literals.
///
/// # Errors
/// The place of the value and the text.
pub(crate) fn check(format: &str, kinds: &[&Type]) -> Result<(), (Option<usize>, String)> {
    let mut index = 0;
    for piece in (Pieces { rest: format }) {
        if matches!(piece, Piece::Text(_)) {
            continue;
        }
        // The static arguments never end; that there are too few is found by their number.
        let clause = match piece {
            Piece::Clause(clause) => clause.map_err(|why| (None, unparsed(why).to_string()))?,
            _ => return Err((None, "unexpected end of string".to_owned())),
        };
        let Some(kind) = kinds.get(index) else {
            return Err((None, format!("index {index} out of range")));
        };
        if **kind != Type::Dyn && !takes(clause.letter, kind) {
            let why = refusal(clause.letter, kind.runtime_name());
            return Err((Some(index), format!("error during formatting: {why}")));
        }
        index += 1;
    }
    if kinds.len() > index {
        let given = kinds.len();
        return Err((
            None,
            format!("too many arguments supplied to string.format (expected {index}, got {given})"),
        ));
    }
    Ok(())
}

fn takes(letter: char, kind: &Type) -> bool {
    let is_whole = matches!(kind, Type::Int | Type::Uint);
    match letter {
        'd' | 'o' => is_whole,
        'b' => is_whole || *kind == Type::Bool,
        'x' | 'X' => is_whole || matches!(kind, Type::String | Type::Bytes),
        // Some strings stand for doubles that have no literals.
        'f' | 'e' => matches!(kind, Type::Double | Type::String),
        _ => {
            is_whole
                || matches!(
                    kind,
                    Type::List(_)
                        | Type::Map(_)
                        | Type::Object(_)
                        | Type::Double
                        | Type::Bool
                        | Type::String
                        | Type::Timestamp
                        | Type::Bytes
                        | Type::Duration
                        | Type::Type(_)
                        | Type::Null
                )
        }
    }
}

/// Why a clause takes no values of a type.
pub(super) fn refusal(letter: char, kind: &str) -> String {
    let rule = match letter {
        'd' => "decimal clause can only be used on integers",
        'f' => "fixed-point clause can only be used on doubles",
        'e' => "scientific clause can only be used on doubles",
        'b' => "only integers and bools can be formatted as binary",
        'x' | 'X' => "only integers, byte buffers, and strings can be formatted as hex",
        'o' => "octal clause can only be used on integers",
        _ => {
            "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, \
             types, durations, and timestamps"
        }
    };
    format!("{rule}, was given {kind}")
}
