//! The text cut into tokens.
//!
//! Knows nothing about the grammar above tokens. Invariant: every code point belongs to a token, to
//! blank space, to a comment or to an issue.

use crate::syntax::source::Source;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A sign or a word of the grammar (`&&`, `in`, `true`).
    Sign(&'static str),
    Int,
    Uint,
    Float,
    String,
    Bytes,
    Ident,
    /// A name in backquotes.
    EscapedIdent,
    End,
}

/// A token: its kind and where it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

const SIGNS: &[&str] = &[
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "[", "]", "{", "}", "(", ")", ".", ",", "-", "!",
    "?", ":", "+", "*", "/", "%",
];

/// Cuts the text; what is no token is told to `wrong` with its place and left out.
pub(super) fn tokens(source: &Source, wrong: &mut dyn FnMut(usize, String)) -> Vec<Token> {
    let chars = &source.chars;
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        if matches!(rest[0], ' ' | '\t' | '\r' | '\n' | '\u{c}') {
            at += 1;
            continue;
        }
        if rest.starts_with(&['/', '/']) {
            at += rest
                .iter()
                .position(|char| *char == '\n')
                .unwrap_or(rest.len());
            continue;
        }
        if let Some((kind, length)) = token(rest) {
            tokens.push(Token {
                kind,
                start: at,
                end: at + length,
            });
            at += length;
        } else {
            let length = unrecognized(rest);
            let text: String = rest[..length].iter().collect();
            let text = text
                .replace('\n', "\\n")
                .replace('\r', "\\r")
                .replace('\t', "\\t");
            wrong(at, format!("token recognition error at: '{text}'"));
            at += length;
        }
    }
    tokens.push(Token {
        kind: Kind::End,
        start: chars.len(),
        end: chars.len(),
    });
    tokens
}

fn token(rest: &[char]) -> Option<(Kind, usize)> {
    if let Some(length) = string(rest) {
        return Some((Kind::String, length));
    }
    if matches!(rest[0], 'b' | 'B')
        && let Some(length) = string(&rest[1..])
    {
        return Some((Kind::Bytes, length + 1));
    }
    if let Some(found) = number(rest) {
        return Some(found);
    }
    if rest[0].is_ascii_alphabetic() || rest[0] == '_' {
        let length = count(rest, |char| char.is_ascii_alphanumeric() || char == '_');
        let word: String = rest[..length].iter().collect();
        let sign = ["in", "true", "false", "null"]
            .into_iter()
            .find(|sign| *sign == word);
        return Some((sign.map_or(Kind::Ident, Kind::Sign), length));
    }
    if rest[0] == '`' {
        let name = |char: char| char.is_ascii_alphanumeric() || "_.-/ ".contains(char);
        let length = count(&rest[1..], name);
        if length > 0 && rest.get(length + 1) == Some(&'`') {
            return Some((Kind::EscapedIdent, length + 2));
        }
    }
    let sign = SIGNS
        .iter()
        .find(|sign| sign.chars().eq(rest.iter().take(sign.len()).copied()))?;
    Some((Kind::Sign(sign), sign.len()))
}

fn count(chars: &[char], wanted: impl Fn(char) -> bool) -> usize {
    chars.iter().take_while(|char| wanted(**char)).count()
}

fn number(rest: &[char]) -> Option<(Kind, usize)> {
    let digits = |from: usize| count(rest.get(from..).unwrap_or_default(), |c| c.is_ascii_digit());
    let marked = |from: usize| matches!(rest.get(from), Some('u' | 'U'));
    if rest[0] == '0' && rest.get(1) == Some(&'x') {
        let length = count(&rest[2..], |char| char.is_ascii_hexdigit());
        if length > 0 {
            let end = length + 2;
            return Some(if marked(end) {
                (Kind::Uint, end + 1)
            } else {
                (Kind::Int, end)
            });
        }
    }
    let whole = digits(0);
    let exponent = |from: usize| {
        if !matches!(rest.get(from), Some('e' | 'E')) {
            return 0;
        }
        let sign = usize::from(matches!(rest.get(from + 1), Some('+' | '-')));
        match digits(from + 1 + sign) {
            0 => 0,
            length => 1 + sign + length,
        }
    };
    if rest.get(whole) == Some(&'.') && digits(whole + 1) > 0 {
        let end = whole + 1 + digits(whole + 1);
        return Some((Kind::Float, end + exponent(end)));
    }
    if whole == 0 {
        return None;
    }
    if exponent(whole) > 0 {
        return Some((Kind::Float, whole + exponent(whole)));
    }
    Some(if marked(whole) {
        (Kind::Uint, whole + 1)
    } else {
        (Kind::Int, whole)
    })
}

/// The length of the string that the text begins with.
fn string(rest: &[char]) -> Option<usize> {
    let raw = usize::from(matches!(rest.first()?, 'r' | 'R'));
    let quote = *rest.get(raw).filter(|char| matches!(char, '"' | '\''))?;
    let triple = [quote; 3];
    if rest[raw..].starts_with(&triple)
        && let Some(length) = body(&rest[raw + 3..], &triple, raw == 1)
    {
        return Some(raw + 3 + length);
    }
    body(&rest[raw + 1..], &triple[..1], raw == 1).map(|length| raw + 1 + length)
}

/// The length up to and with the closing quotes.
fn body(rest: &[char], quotes: &[char], raw: bool) -> Option<usize> {
    let mut at = 0;
    loop {
        let here = rest.get(at..).filter(|here| !here.is_empty())?;
        if here.starts_with(quotes) {
            return Some(at + quotes.len());
        }
        at += match here[0] {
            '\n' | '\r' if quotes.len() == 1 => return None,
            '\\' if !raw => escape(&here[1..])?,
            _ => 1,
        };
    }
}

/// The length of an escape sequence, with its backslash.
fn escape(rest: &[char]) -> Option<usize> {
    let hex = |length: usize| {
        let digits = rest.get(1..=length)?;
        digits
            .iter()
            .all(char::is_ascii_hexdigit)
            .then_some(length + 2)
    };
    match rest.first()? {
        'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '"' | '\'' | '\\' | '?' | '`' => Some(2),
        'x' | 'X' => hex(2),
        'u' => hex(4),
        'U' => hex(8),
        '0'..='3' => {
            let digits = rest.get(1..3)?;
            digits
                .iter()
                .all(|char| ('0'..='7').contains(char))
                .then_some(4)
        }
        _ => None,
    }
}

/// How much is wrong: of a string that does not end, all up to where it should; else one sign.
fn unrecognized(rest: &[char]) -> usize {
    match rest[0] {
        '"' | '\'' => count(rest, |char| char != '\n').max(1),
        _ => 1,
    }
}
