//! Patterns read into trees, as Go's `regexp/syntax` reads them with its Perl flags.
//!
//! Knows nothing about searching. Invariant: a tree is at most
//! [`crate::limits::REGEXP_DEPTH_MAX`] deep, so that walking it cannot overflow the stack.

use super::class::{self, Class, Item};
use super::error::{self, PatternError};
use super::perl::{self, Flags};
use crate::limits::{REGEXP_DEPTH_MAX, REGEXP_REPEAT_MAX};

/// What a pattern says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tree {
    Literal(char),
    /// Any character, also a line's end or not.
    Any {
        newline: bool,
    },
    Class(Class),
    Look(Look),
    Concat(Vec<Tree>),
    Alternate(Vec<Tree>),
    Repeat {
        what: Box<Tree>,
        min: u32,
        max: Option<u32>,
        greedy: bool,
    },
}

/// A condition on the place between two characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    TextStart,
    TextEnd,
    LineStart,
    LineEnd,
    WordBoundary,
    NotWordBoundary,
}

pub(super) fn parse(pattern: &str) -> Result<Tree, PatternError> {
    let mut parser = Parser {
        pattern,
        rest: pattern,
        flags: Flags::default(),
        names: Vec::new(),
    };
    let tree = parser.alternation(0)?;
    if parser.rest.is_empty() {
        Ok(tree)
    } else {
        Err(PatternError::new(error::UNEXPECTED_PAREN, pattern))
    }
}

pub(super) struct Parser<'p> {
    pub(super) pattern: &'p str,
    pub(super) rest: &'p str,
    pub(super) flags: Flags,
    pub(super) names: Vec<&'p str>,
}

impl<'p> Parser<'p> {
    /// The next character, consumed.
    pub(super) fn bump(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    /// What has been read since `from`.
    pub(super) fn since(&self, from: &'p str) -> &'p str {
        &from[..from.len() - self.rest.len()]
    }

    pub(super) fn refuse<T>(&self, reason: &'static str, from: &'p str) -> Result<T, PatternError> {
        Err(PatternError::new(reason, self.since(from)))
    }

    fn alternation(&mut self, depth: usize) -> Result<Tree, PatternError> {
        if depth > REGEXP_DEPTH_MAX {
            return Err(PatternError::new(error::DEPTH, self.pattern));
        }
        let mut branches = vec![self.sequence(depth)?];
        while let Some(rest) = self.rest.strip_prefix('|') {
            self.rest = rest;
            branches.push(self.sequence(depth)?);
        }
        Ok(match branches.pop() {
            Some(only) if branches.is_empty() => only,
            last => {
                branches.extend(last);
                Tree::Alternate(branches)
            }
        })
    }

    fn sequence(&mut self, depth: usize) -> Result<Tree, PatternError> {
        let mut items: Vec<Tree> = Vec::new();
        let mut last_repeat: Option<&'p str> = None;
        while let Some(c) = self.rest.chars().next() {
            let from = self.rest;
            let mut repeat = None;
            match c {
                '|' | ')' => break,
                '(' => items.extend(self.group(depth)?),
                '*' | '+' | '?' => {
                    self.bump();
                    let (min, max) = match c {
                        '*' => (0, None),
                        '+' => (1, None),
                        _ => (0, Some(1)),
                    };
                    self.repeat(&mut items, (min, max), from, last_repeat)?;
                    repeat = Some(from);
                }
                '{' => match perl::count(self.rest) {
                    None => {
                        self.bump();
                        items.push(self.literal('{'));
                    }
                    Some((bounds, rest)) => {
                        self.rest = rest;
                        let Some((min, max)) = bounds else {
                            return self.refuse(error::REPEAT_SIZE, from);
                        };
                        self.repeat(&mut items, (min, max), from, last_repeat)?;
                        repeat = Some(from);
                    }
                },
                '[' => items.push(self.class()?),
                '\\' => self.escaped(&mut items)?,
                _ => {
                    self.bump();
                    items.push(self.plain(c));
                }
            }
            last_repeat = repeat;
        }
        Ok(match items.pop() {
            Some(only) if items.is_empty() => only,
            last => {
                items.extend(last);
                Tree::Concat(items)
            }
        })
    }

    fn plain(&self, c: char) -> Tree {
        let by_line = self.flags.multi_line;
        match c {
            '.' => Tree::Any {
                newline: self.flags.dot_newline,
            },
            '^' if by_line => Tree::Look(Look::LineStart),
            '^' => Tree::Look(Look::TextStart),
            '$' if by_line => Tree::Look(Look::LineEnd),
            '$' => Tree::Look(Look::TextEnd),
            c => self.literal(c),
        }
    }

    fn literal(&self, c: char) -> Tree {
        if self.flags.fold && c.is_alphabetic() {
            Tree::Class(Class::folded(c))
        } else {
            Tree::Literal(c)
        }
    }

    /// A group; nothing for `(?i)`, which only changes flags.
    fn group(&mut self, depth: usize) -> Result<Option<Tree>, PatternError> {
        let outer = self.flags;
        if self.rest.starts_with("(?") {
            if !self.perl_group()? {
                return Ok(None);
            }
        } else {
            self.bump();
        }
        let tree = self.alternation(depth + 1)?;
        let Some(rest) = self.rest.strip_prefix(')') else {
            return Err(PatternError::new(error::PAREN, self.pattern));
        };
        self.rest = rest;
        self.flags = outer;
        Ok(Some(tree))
    }

    fn repeat(
        &mut self,
        items: &mut Vec<Tree>,
        (min, max): (u32, Option<u32>),
        from: &'p str,
        last_repeat: Option<&'p str>,
    ) -> Result<(), PatternError> {
        let mut greedy = !self.flags.swap_greed;
        if let Some(rest) = self.rest.strip_prefix('?') {
            self.rest = rest;
            greedy = !greedy;
        }
        if let Some(last) = last_repeat {
            return self.refuse(error::REPEAT_OP, last);
        }
        let Some(what) = items.pop() else {
            return self.refuse(error::REPEAT_ARGUMENT, from);
        };
        let tree = Tree::Repeat {
            what: Box::new(what),
            min,
            max,
            greedy,
        };
        if (min >= 2 || max.is_some_and(|max| max >= 2)) && !fits(&tree, REGEXP_REPEAT_MAX) {
            return self.refuse(error::REPEAT_SIZE, from);
        }
        items.push(tree);
        Ok(())
    }

    fn escaped(&mut self, items: &mut Vec<Tree>) -> Result<(), PatternError> {
        let from = self.rest;
        let look = match from.as_bytes().get(1) {
            Some(b'A') => Look::TextStart,
            Some(b'z') => Look::TextEnd,
            Some(b'b') => Look::WordBoundary,
            Some(b'B') => Look::NotWordBoundary,
            Some(b'Q') => {
                let quoted = &from[2..];
                let (text, rest) = quoted.split_once("\\E").unwrap_or((quoted, ""));
                items.extend(text.chars().map(|c| self.literal(c)));
                self.rest = rest;
                return Ok(());
            }
            _ => {
                let mut class = Class::new(false, self.flags.fold);
                if self.class_escape(&mut class)? {
                    items.push(Tree::Class(class));
                } else {
                    let c = self.escape()?;
                    items.push(self.literal(c));
                }
                return Ok(());
            }
        };
        self.rest = &from[2..];
        items.push(Tree::Look(look));
        Ok(())
    }

    fn class(&mut self) -> Result<Tree, PatternError> {
        let whole = self.rest;
        self.bump();
        let negated = self.rest.starts_with('^');
        if negated {
            self.bump();
        }
        let mut class = Class::new(negated, self.flags.fold);
        let mut first = true;
        while first || !self.rest.starts_with(']') {
            first = false;
            if self.posix_class(&mut class)? || self.class_escape(&mut class)? {
                continue;
            }
            let range = self.rest;
            let from = self.class_char(whole)?;
            let mut to = from;
            let after = self.rest.strip_prefix('-');
            if let Some(after) = after.filter(|after| !after.is_empty() && !after.starts_with(']'))
            {
                self.rest = after;
                to = self.class_char(whole)?;
                if to < from {
                    return self.refuse(error::CHAR_RANGE, range);
                }
            }
            class.add(Item::Range(from, to));
        }
        self.bump();
        Ok(Tree::Class(class))
    }

    fn class_char(&mut self, whole: &'p str) -> Result<char, PatternError> {
        if self.rest.starts_with('\\') {
            return self.escape();
        }
        self.bump()
            .ok_or_else(|| PatternError::new(error::BRACKET, whole))
    }

    fn posix_class(&mut self, class: &mut Class) -> Result<bool, PatternError> {
        let Some(inner) = self.rest.strip_prefix("[:") else {
            return Ok(false);
        };
        let Some((name, after)) = inner.split_once(":]") else {
            return Ok(false);
        };
        let from = self.rest;
        self.rest = after;
        let (plain, negated) = match name.strip_prefix('^') {
            Some(plain) => (plain, true),
            None => (name, false),
        };
        let Some((_, table)) = class::POSIX.iter().find(|(known, _)| *known == plain) else {
            return self.refuse(error::CHAR_RANGE, from);
        };
        class.add_table(table, negated);
        Ok(true)
    }
}

/// Whether repetitions within repetitions come to no more than Go allows.
fn fits(tree: &Tree, limit: u32) -> bool {
    match tree {
        Tree::Repeat { what, min, max, .. } => {
            if *max == Some(0) {
                return true;
            }
            let times = max.unwrap_or(*min);
            if times > limit {
                return false;
            }
            // As in Go, zero times leave the limit as it is.
            fits(what, limit.checked_div(times).unwrap_or(limit))
        }
        Tree::Concat(parts) | Tree::Alternate(parts) => parts.iter().all(|part| fits(part, limit)),
        _ => true,
    }
}
