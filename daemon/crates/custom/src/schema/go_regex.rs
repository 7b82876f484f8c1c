//! From Go's syntax of regular expressions to that of the `regex-lite` crate.
//!
//! To Go brackets do not nest, a brace that counts nothing is a brace, and `\Q` quotes. Classes of
//! Unicode (`\p{L}`) are not known. Knows nothing about matching.
//! Invariant: what is translated means the same, or is refused.

/// Most repetitions that Go counts.
const REPEAT_MAX: u32 = 1000;
/// Deepest nesting of groups (Go's own limit).
const NESTING_MAX: usize = 1000;

/// The same expression in the other syntax; the error is what Go would say.
pub(crate) fn translate(pattern: &str) -> Result<String, String> {
    let mut translating = Translating {
        rest: pattern,
        out: String::with_capacity(pattern.len() + 8),
        ignores_case: false,
        groups: Vec::new(),
    };
    while let Some(c) = translating.next() {
        translating.step(c)?;
    }
    match translating.groups.is_empty() {
        true => Ok(translating.out),
        false => Err(format!(
            "error parsing regexp: missing closing ): `{pattern}`"
        )),
    }
}

struct Translating<'p> {
    rest: &'p str,
    out: String,
    ignores_case: bool,
    /// Whether case was ignored around each open group.
    groups: Vec<bool>,
}

fn refused(why: &str, what: &str) -> String {
    format!("error parsing regexp: {why}: `{what}`")
}

impl Translating<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn step(&mut self, c: char) -> Result<(), String> {
        match c {
            '\\' => self.escape(),
            '[' => self.class(),
            '(' => self.group(),
            ')' => {
                let Some(outer) = self.groups.pop() else {
                    return Err(refused("unexpected )", &format!("){}", self.rest)));
                };
                self.ignores_case = outer;
                self.out.push(')');
                Ok(())
            }
            '{' => self.brace(),
            '*' | '+' | '?' => {
                self.out.push(c);
                let twice = self.rest.trim_start_matches('?');
                let is_lazy = self.rest.len() - twice.len();
                if is_lazy <= 1 && twice.starts_with(['*', '+']) {
                    let shown = &self.rest[..self.rest.len() - twice.len() + 1];
                    return Err(refused(
                        "invalid nested repetition operator",
                        &format!("{c}{shown}"),
                    ));
                }
                Ok(())
            }
            '.' | '^' | '$' | '|' => {
                self.out.push(c);
                Ok(())
            }
            c => {
                self.literal(c);
                Ok(())
            }
        }
    }

    fn literal(&mut self, c: char) {
        if self.ignores_case && c.is_ascii_alphabetic() {
            let (lower, upper) = (c.to_ascii_lowercase(), c.to_ascii_uppercase());
            self.out.push_str(&format!("[{lower}{upper}]"));
        } else {
            let mut buffer = [0; 4];
            self.out
                .push_str(&regex_lite::escape(c.encode_utf8(&mut buffer)));
        }
    }

    fn group(&mut self) -> Result<(), String> {
        if self.groups.len() >= NESTING_MAX {
            return Err("error parsing regexp: expression nests too deeply".to_owned());
        }
        let outer = self.ignores_case;
        let Some(after) = self.rest.strip_prefix('?') else {
            self.groups.push(outer);
            self.out.push('(');
            return Ok(());
        };
        if after.starts_with("P<") || (after.starts_with('<') && !after.starts_with(['=', '!'])) {
            let end = after.find('>').unwrap_or(after.len());
            let start = after.find('<').map_or(0, |at| at + 1);
            let name = after.get(start..end).unwrap_or_default();
            let is_name = |c: char| c == '_' || c.is_ascii_alphanumeric();
            if name.is_empty() || !name.chars().all(is_name) || end == after.len() {
                return Err(refused("invalid named capture", &format!("(?{after}")));
            }
            // Nobody asks for captures, and Go's names may begin with a digit.
            self.rest = &after[end + 1..];
            self.groups.push(outer);
            self.out.push('(');
            return Ok(());
        }
        let mut sets = true;
        let mut flags = (String::new(), String::new());
        for (at, c) in after.char_indices() {
            match c {
                'i' => self.ignores_case = sets,
                's' | 'm' | 'U' if sets => flags.0.push(c),
                's' | 'm' | 'U' => flags.1.push(c),
                '-' if sets => sets = false,
                ':' | ')' => {
                    self.rest = &after[at + 1..];
                    let mut all = flags.0;
                    if !flags.1.is_empty() {
                        all.push('-');
                        all.push_str(&flags.1);
                    }
                    if c == ':' {
                        self.groups.push(outer);
                        self.out.push_str(&format!("(?{all}:"));
                    } else if !all.is_empty() {
                        self.out.push_str(&format!("(?{all})"));
                    }
                    return Ok(());
                }
                _ => break,
            }
        }
        let end = after
            .char_indices()
            .nth(1)
            .map_or(after.len(), |(at, _)| at);
        let shown = &after[..end];
        Err(refused(
            "invalid or unsupported Perl syntax",
            &format!("(?{shown}"),
        ))
    }

    /// A count, or a brace that stands for itself.
    fn brace(&mut self) -> Result<(), String> {
        let counted = self.rest.split_once('}').and_then(|(inner, after)| {
            let (low, high) = match inner.split_once(',') {
                Some((low, "")) => (low, None),
                Some((low, high)) => (low, Some(high)),
                None => (inner, Some(inner)),
            };
            let is_count =
                |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            (is_count(low) && high.is_none_or(is_count)).then_some((inner, low, high, after))
        });
        let Some((inner, low, high, after)) = counted else {
            self.out.push_str(r"\{");
            return Ok(());
        };
        let low = low.parse::<u32>().unwrap_or(u32::MAX);
        let high = high.map_or(low, |high| high.parse::<u32>().unwrap_or(u32::MAX));
        if low > REPEAT_MAX || high > REPEAT_MAX || high < low {
            return Err(refused("invalid repeat count", &format!("{{{inner}}}")));
        }
        if self.out.is_empty() {
            return Err(refused(
                "missing argument to repetition operator",
                &format!("{{{inner}}}"),
            ));
        }
        self.out.push_str(&format!("{{{inner}}}"));
        self.rest = after;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), String> {
        let Some(c) = self.next() else {
            return Err("error parsing regexp: trailing backslash at end of expression: ``".into());
        };
        match c {
            'A' | 'z' | 'B' | 'b' => {
                self.out.push('\\');
                self.out.push(c);
            }
            'Q' => {
                let (text, after) = self.rest.split_once(r"\E").unwrap_or((self.rest, ""));
                self.rest = after;
                text.chars().for_each(|c| self.literal(c));
            }
            'E' => {}
            c => {
                if c == 's' {
                    self.out.push_str(r"[\t\n\f\r\x20]");
                } else if c == 'S' {
                    self.out.push_str(r"[^\t\n\f\r\x20]");
                } else if let Some(class) = self.perl_class(c)? {
                    self.out.push_str(&class);
                } else {
                    let c = self.escaped(c)?;
                    self.literal(c);
                }
            }
        }
        Ok(())
    }

    /// The class that an escape stands for.
    fn perl_class(&mut self, c: char) -> Result<Option<String>, String> {
        match c {
            'd' | 'D' | 'w' | 'W' | 'S' => Ok(Some(format!("\\{c}"))),
            // That of the crate has vertical tabs, too.
            's' => Ok(Some(r"\t\n\f\r\x20".to_owned())),
            'p' | 'P' => Err(refused(
                "invalid character class range",
                &format!("\\{c}{}", self.rest),
            )),
            _ => Ok(None),
        }
    }

    /// The one character that an escape stands for.
    fn escaped(&mut self, c: char) -> Result<char, String> {
        let unknown = || refused("invalid escape sequence", &format!("\\{c}"));
        Ok(match c {
            'a' => '\u{7}',
            'f' => '\u{c}',
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'v' => '\u{b}',
            '0'..='7' => {
                let digits = self
                    .rest
                    .bytes()
                    .take(2)
                    .take_while(|b| (b'0'..=b'7').contains(b));
                let digits = digits.count();
                if c != '0' && digits == 0 {
                    return Err(unknown());
                }
                let text = format!("{c}{}", &self.rest[..digits]);
                self.rest = &self.rest[digits..];
                u32::from_str_radix(&text, 8)
                    .ok()
                    .and_then(char::from_u32)
                    .ok_or_else(unknown)?
            }
            'x' => {
                let (digits, after) = match self.rest.strip_prefix('{') {
                    Some(after) => after.split_once('}').ok_or_else(unknown)?,
                    None => self.rest.split_at_checked(2).ok_or_else(unknown)?,
                };
                let value = u32::from_str_radix(digits, 16).map_err(|_| unknown())?;
                self.rest = after;
                char::from_u32(value).ok_or_else(unknown)?
            }
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => c,
            _ => return Err(unknown()),
        })
    }

    fn class(&mut self) -> Result<(), String> {
        let whole = self.rest;
        let missing = || refused("missing closing ]", &format!("[{whole}"));
        self.out.push('[');
        if let Some(after) = self.rest.strip_prefix('^') {
            self.rest = after;
            self.out.push('^');
        }
        let mut is_first = true;
        loop {
            let c = self.next().ok_or_else(missing)?;
            match c {
                ']' if !is_first => break,
                '[' if self.rest.starts_with(':') && self.rest[1..].contains(":]") => {
                    let (name, after) = self.rest[1..].split_once(":]").ok_or_else(missing)?;
                    self.rest = after;
                    self.out.push_str(&posix_class(name)?);
                }
                '\\' => {
                    let c = self.next().ok_or_else(missing)?;
                    match self.perl_class(c)? {
                        Some(class) => self.out.push_str(&class),
                        None => {
                            let low = self.escaped(c)?;
                            self.range(low, missing)?;
                        }
                    }
                }
                c => self.range(c, missing)?,
            }
            is_first = false;
        }
        self.out.push(']');
        Ok(())
    }

    /// One character within brackets, or a range that begins with it.
    fn range(&mut self, low: char, missing: impl Fn() -> String) -> Result<(), String> {
        let mut high = low;
        if let Some(after) = self.rest.strip_prefix('-')
            && !after.starts_with(']')
        {
            self.rest = after;
            let c = self.next().ok_or_else(&missing)?;
            high = match c {
                '\\' => {
                    let c = self.next().ok_or_else(&missing)?;
                    self.escaped(c)?
                }
                c => c,
            };
            if high < low {
                let shown = format!("{low}-{high}");
                return Err(refused("invalid character class range", &shown));
            }
        }
        self.span(low, high);
        if self.ignores_case {
            for (first, last, flip) in [('a', 'z', -32i32), ('A', 'Z', 32)] {
                let (from, to) = (low.max(first), high.min(last));
                if from <= to {
                    let moved = |c: char| char::from_u32((c as i32 + flip).cast_unsigned());
                    if let (Some(from), Some(to)) = (moved(from), moved(to)) {
                        self.span(from, to);
                    }
                }
            }
        }
        Ok(())
    }

    fn span(&mut self, low: char, high: char) {
        self.out.push_str(&format!("\\x{{{:x}}}", low as u32));
        if high != low {
            self.out.push_str(&format!("-\\x{{{:x}}}", high as u32));
        }
    }
}

fn posix_class(name: &str) -> Result<String, String> {
    let known = [
        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
        "space", "upper", "word", "xdigit",
    ];
    match known.contains(&name.strip_prefix('^').unwrap_or(name)) {
        true => Ok(format!("[:{name}:]")),
        false => Err(refused(
            "invalid character class range",
            &format!("[:{name}:]"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::translate;

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
            let regex = super::super::pattern::compile(pattern).expect(pattern);
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
            ("a)", "error parsing regexp: unexpected ): `)`"),
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
            assert_eq!(translate(pattern), Err(text.to_owned()), "{pattern}");
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
            let _ = super::super::pattern::compile(pattern);
        }
        let _ = super::super::pattern::compile(&"(".repeat(100_000));
        let _ = super::super::pattern::compile("(((a{1000}){1000}){1000})");
    }
}
