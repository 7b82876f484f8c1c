//! Sets of characters: `[a-z]`, `\d`, `[[:alpha:]]`, `\pL`.
//!
//! Knows nothing about syntax. Perl's and POSIX's classes are ASCII's, as in Go. Of Unicode's
//! there is what the standard library has tables for: letters and digits nearly (`L` also takes the
//! vowel signs that count as alphabetic), spaces and controls exactly; no scripts.

/// A set of characters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Class {
    items: Vec<Item>,
    negated: bool,
    /// Upper and lower case are the same.
    fold: bool,
}

/// What a class is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    /// From and to, both within.
    Range(char, char),
    /// All ASCII and other characters but those of a table.
    Not(&'static [(char, char)]),
    /// A property, or its opposite.
    Property(Property, bool),
}

/// A property that Unicode gives to characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Property {
    Any,
    Letter,
    Upper,
    Lower,
    Number,
    Separator,
    Space,
    Control,
}

impl Property {
    /// By the name in `\p{…}`.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "Any" => Self::Any,
            "L" => Self::Letter,
            "Lu" => Self::Upper,
            "Ll" => Self::Lower,
            "N" | "Nd" => Self::Number,
            "Z" => Self::Separator,
            "Zs" => Self::Space,
            "C" | "Cc" => Self::Control,
            _ => return None,
        })
    }

    fn has(self, c: char) -> bool {
        let is_line = matches!(c, '\u{2028}' | '\u{2029}');
        match self {
            Self::Any => true,
            Self::Letter => c.is_alphabetic() && !c.is_numeric(),
            Self::Upper => c.is_uppercase() && !c.is_numeric(),
            Self::Lower => c.is_lowercase() && !c.is_numeric(),
            Self::Number => c.is_numeric(),
            Self::Separator => c.is_whitespace() && !c.is_control(),
            Self::Space => c.is_whitespace() && !c.is_control() && !is_line,
            Self::Control => c.is_control(),
        }
    }
}

/// ASCII's classes by their names in `[[:…:]]`.
pub(super) const POSIX: &[(&str, &[(char, char)])] = &[
    ("alnum", &[('0', '9'), ('A', 'Z'), ('a', 'z')]),
    ("alpha", &[('A', 'Z'), ('a', 'z')]),
    ("ascii", &[('\0', '\x7f')]),
    ("blank", &[('\t', '\t'), (' ', ' ')]),
    ("cntrl", &[('\0', '\x1f'), ('\x7f', '\x7f')]),
    ("digit", &[('0', '9')]),
    ("graph", &[('!', '~')]),
    ("lower", &[('a', 'z')]),
    ("print", &[(' ', '~')]),
    ("punct", &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')]),
    ("space", &[('\t', '\r'), (' ', ' ')]),
    ("upper", &[('A', 'Z')]),
    ("word", WORD),
    ("xdigit", &[('0', '9'), ('A', 'F'), ('a', 'f')]),
];

const WORD: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];
const DIGIT: &[(char, char)] = &[('0', '9')];
const SPACE: &[(char, char)] = &[('\t', '\n'), ('\u{c}', '\r'), (' ', ' ')];

/// Perl's classes by their letter: `\d`, `\S`.
pub(super) fn perl(letter: char) -> Option<(&'static [(char, char)], bool)> {
    let table = match letter.to_ascii_lowercase() {
        'd' => DIGIT,
        's' => SPACE,
        'w' => WORD,
        _ => return None,
    };
    Some((table, letter.is_ascii_uppercase()))
}

pub(super) fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

impl Class {
    pub(super) fn new(negated: bool, fold: bool) -> Self {
        Self {
            items: Vec::new(),
            negated,
            fold,
        }
    }

    /// One character in both cases.
    pub(super) fn folded(c: char) -> Self {
        let mut class = Self::new(false, true);
        class.add(Item::Range(c, c));
        class
    }

    pub(super) fn add(&mut self, item: Item) {
        self.items.push(item);
    }

    pub(super) fn add_table(&mut self, table: &'static [(char, char)], negated: bool) {
        if negated {
            self.add(Item::Not(table));
        } else {
            let ranges = table.iter().map(|(from, to)| Item::Range(*from, *to));
            self.items.extend(ranges);
        }
    }

    pub(super) fn has(&self, c: char) -> bool {
        let found = if self.fold {
            cases(c).into_iter().any(|c| self.lists(c))
        } else {
            self.lists(c)
        };
        found != self.negated
    }

    fn lists(&self, c: char) -> bool {
        self.items.iter().any(|item| match item {
            Item::Range(from, to) => *from <= c && c <= *to,
            Item::Not(table) => !table.iter().any(|(from, to)| *from <= c && c <= *to),
            Item::Property(property, negated) => property.has(c) != *negated,
        })
    }
}

/// The character and its other cases; the Kelvin sign is a `k` and the long s an `s`, as in Go.
fn cases(c: char) -> [char; 4] {
    let lower = single(c.to_lowercase(), c);
    let upper = single(c.to_uppercase(), c);
    let extra = match c.to_ascii_lowercase() {
        'k' => '\u{212a}',
        's' => '\u{17f}',
        _ => single(upper.to_lowercase(), c),
    };
    [c, lower, upper, extra]
}

/// Only cases of one character each count.
fn single(mut cases: impl Iterator<Item = char>, c: char) -> char {
    match (cases.next(), cases.next()) {
        (Some(case), None) => case,
        _ => c,
    }
}
