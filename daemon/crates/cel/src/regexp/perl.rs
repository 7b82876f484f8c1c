//! The parts of patterns that came from Perl: flags, counts, escapes, classes by a backslash.
//!
//! Knows nothing about trees.

use super::class::{self, Class, Item, Property};
use super::error::{self, PatternError};
use super::parse::Parser;
use crate::limits::REGEXP_REPEAT_MAX;

/// `(?imsU)`.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools)] // They are independent of each other.
pub(super) struct Flags {
    pub(super) fold: bool,
    pub(super) multi_line: bool,
    pub(super) dot_newline: bool,
    pub(super) swap_greed: bool,
}

type Bounds = (u32, Option<u32>);

/// `{2}`, `{2,}`, `{2,3}` at the beginning of a text: the bounds, none when they are too large or
/// the wrong way round, and what comes after. `None` when it is no count at all.
pub(super) fn count(text: &str) -> Option<(Option<Bounds>, &str)> {
    let rest = text.strip_prefix('{')?;
    let (min, rest) = number(rest)?;
    let (max, rest) = match rest.strip_prefix(',') {
        None => (Some(min), rest),
        Some(rest) if rest.starts_with('}') => (None, rest),
        Some(rest) => {
            let (max, rest) = number(rest)?;
            (Some(max), rest)
        }
    };
    let rest = rest.strip_prefix('}')?;
    let fits = |n: u32| n <= REGEXP_REPEAT_MAX;
    let good = fits(min) && max.is_none_or(|max| fits(max) && min <= max);
    Some((good.then_some((min, max)), rest))
}

/// A number without leading zeros; too large a one is the largest.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    Some((digits.parse().unwrap_or(u32::MAX), rest))
}

impl<'p> Parser<'p> {
    /// What follows `(?`: a named group, a group with flags (`true`), or flags alone (`false`).
    pub(super) fn perl_group(&mut self) -> Result<bool, PatternError> {
        let from = self.rest;
        let named = from
            .strip_prefix("(?P<")
            .or_else(|| from.strip_prefix("(?<"));
        if let Some(named) = named {
            let Some((name, after)) = named.split_once('>') else {
                return Err(PatternError::new(error::NAMED_CAPTURE, from));
            };
            self.rest = after;
            let good = !name.is_empty() && name.chars().all(class::is_word);
            if !good || self.names.contains(&name) {
                return self.refuse(error::NAMED_CAPTURE, from);
            }
            self.names.push(name);
            return Ok(true);
        }
        self.rest = &from[2..];
        let mut flags = self.flags;
        let (mut on, mut any) = (true, false);
        while let Some(c) = self.bump() {
            match c {
                'i' => flags.fold = on,
                'm' => flags.multi_line = on,
                's' => flags.dot_newline = on,
                'U' => flags.swap_greed = on,
                '-' if on => {
                    (on, any) = (false, false);
                    continue;
                }
                ':' | ')' if on || any => {
                    if c == ')' {
                        self.flags = flags;
                        return Ok(false);
                    }
                    self.flags = flags;
                    return Ok(true);
                }
                _ => break,
            }
            any = true;
        }
        self.refuse(error::PERL, from)
    }

    /// `\d`, `\pL`, `\P{Greek}`; `false` when the backslash begins something else, or there is none.
    pub(super) fn class_escape(&mut self, class: &mut Class) -> Result<bool, PatternError> {
        let from = self.rest;
        let mut chars = from.chars();
        let (Some('\\'), Some(letter)) = (chars.next(), chars.next()) else {
            return Ok(false);
        };
        if let Some((table, negated)) = class::perl(letter) {
            self.rest = chars.as_str();
            class.add_table(table, negated);
            return Ok(true);
        }
        if !matches!(letter, 'p' | 'P') {
            return Ok(false);
        }
        self.rest = chars.as_str();
        let name = if let Some(braced) = self.rest.strip_prefix('{') {
            let Some((name, after)) = braced.split_once('}') else {
                return Err(PatternError::new(error::CHAR_RANGE, from));
            };
            self.rest = after;
            name
        } else {
            let start = self.rest;
            self.bump();
            self.since(start)
        };
        let (name, opposite) = match name.strip_prefix('^') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let Some(property) = Property::named(name) else {
            return self.refuse(error::CHAR_RANGE, from);
        };
        class.add(Item::Property(property, (letter == 'P') != opposite));
        Ok(true)
    }

    /// One character behind a backslash.
    pub(super) fn escape(&mut self) -> Result<char, PatternError> {
        let from = self.rest;
        self.bump();
        let Some(c) = self.bump() else {
            return Err(PatternError::new(error::BACKSLASH, ""));
        };
        let found = match c {
            '1'..='7' if !self.rest.starts_with(|c: char| ('0'..='7').contains(&c)) => None,
            '0'..='7' => self.octal(c),
            'x' => self.hexadecimal(),
            'a' => Some('\u{7}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\u{b}'),
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(c),
            _ => None,
        };
        match found {
            Some(c) => Ok(c),
            None => self.refuse(error::ESCAPE, from),
        }
    }

    fn octal(&mut self, first: char) -> Option<char> {
        let mut code = first.to_digit(8)?;
        for _ in 0..2 {
            let Some(digit) = self.rest.chars().next().and_then(|c| c.to_digit(8)) else {
                break;
            };
            code = code * 8 + digit;
            self.bump();
        }
        char::from_u32(code)
    }

    fn hexadecimal(&mut self) -> Option<char> {
        let first = self.bump()?;
        if first != '{' {
            let high = first.to_digit(16)?;
            let low = self.bump()?.to_digit(16)?;
            return char::from_u32(high * 16 + low);
        }
        let (mut code, mut digits) = (0_u32, 0);
        loop {
            let c = self.bump()?;
            if c == '}' {
                return if digits == 0 {
                    None
                } else {
                    char::from_u32(code)
                };
            }
            code = code.checked_mul(16)?.checked_add(c.to_digit(16)?)?;
            digits += 1;
        }
    }
}
