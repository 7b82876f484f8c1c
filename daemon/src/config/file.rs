//! Reads one YAML file of settings: a mapping from key to a scalar or a list of scalars.
//!
//! Knows nothing about what the keys mean; keeps the line of each, so that every later complaint
//! can name it. Bounded in bytes; anchors, aliases and nested mappings are refused.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use saphyr_parser::{Event, Parser, Span};

/// A configuration file may be this large, in bytes.
pub(crate) const FILE_BYTES_MAX: u64 = 256 * 1024;

/// One key of a file, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// The key, without a trailing `+`.
    pub(crate) key: String,
    /// Whether the key was written `key+`: append to what earlier files said.
    pub(crate) append: bool,
    /// A scalar is a list of one.
    pub(crate) values: Vec<String>,
    /// Counted from 1.
    pub(crate) line: usize,
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("{path}: {source}", path = path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path}: larger than {FILE_BYTES_MAX} bytes", path = path.display())]
    TooLarge { path: PathBuf },
    #[error("{path}:{line}: {what}", path = path.display())]
    Yaml {
        path: PathBuf,
        line: usize,
        what: String,
    },
}

/// Reads a file of settings.
pub(crate) fn read(path: &Path) -> Result<Vec<Line>, FileError> {
    let text = text(path)?;
    parse(&text).map_err(|(line, what)| FileError::Yaml {
        path: path.to_owned(),
        line,
        what,
    })
}

/// The text of a file. Pipes and devices tell no size: what is read is bounded, not what is told.
pub(crate) fn text(path: &Path) -> Result<String, FileError> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .and_then(|_| {
            if bytes.len() as u64 > FILE_BYTES_MAX {
                return Ok(None);
            }
            String::from_utf8(bytes)
                .map(Some)
                .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))
        })
        .map_err(|source| FileError::Read {
            path: path.to_owned(),
            source,
        })?
        .ok_or_else(|| FileError::TooLarge {
            path: path.to_owned(),
        })
}

/// Parses the text of a file; an error is a line and what is wrong there.
pub(crate) fn parse(text: &str) -> Result<Vec<Line>, (usize, String)> {
    let mut events = Events {
        parser: Parser::new_from_str(text),
    };
    let mut lines: Vec<Line> = Vec::new();
    loop {
        match events.next()? {
            (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd, _) => {}
            (Event::StreamEnd, _) => return Ok(lines),
            (Event::Scalar(value, ..), _) if value.is_empty() || value == "~" => {}
            (Event::MappingStart(..), _) => mapping(&mut events, &mut lines)?,
            (_, span) => return Err((line(span), "expected `key: value` lines".into())),
        }
    }
}

fn mapping(events: &mut Events<'_>, lines: &mut Vec<Line>) -> Result<(), (usize, String)> {
    loop {
        let (key, at) = match events.next()? {
            (Event::MappingEnd, _) => return Ok(()),
            (Event::Scalar(key, ..), span) => (key.into_owned(), line(span)),
            (_, span) => return Err((line(span), "a key must be a plain text".into())),
        };
        let (key, append) = match key.strip_suffix('+') {
            Some(bare) => (bare.to_owned(), true),
            None => (key, false),
        };
        if let Some(earlier) = lines
            .iter()
            .find(|line| line.key == key && line.append == append)
        {
            return Err((
                at,
                format!("key '{key}' was already given on line {}", earlier.line),
            ));
        }
        let values = match events.next()? {
            (Event::Scalar(value, ..), _) => vec![value.into_owned()],
            (Event::SequenceStart(..), _) => sequence(events, &key)?,
            (_, span) => {
                return Err((
                    line(span),
                    format!("'{key}' must be a text or a list of texts"),
                ));
            }
        };
        lines.push(Line {
            key,
            append,
            values,
            line: at,
        });
    }
}

fn sequence(events: &mut Events<'_>, key: &str) -> Result<Vec<String>, (usize, String)> {
    let mut values = Vec::new();
    loop {
        match events.next()? {
            (Event::SequenceEnd, _) => return Ok(values),
            (Event::Scalar(value, ..), _) => values.push(value.into_owned()),
            (_, span) => return Err((line(span), format!("'{key}' must be a list of texts"))),
        }
    }
}

fn line(span: Span) -> usize {
    span.start.line()
}

struct Events<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
}

impl<'a> Events<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), (usize, String)> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err((error.marker().line(), error.info().to_owned())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Line {
        parse(text).unwrap().remove(0)
    }

    #[test]
    fn scalars_and_lists_are_read_with_their_lines() {
        let lines =
            parse("# c\ntoken: \"a b\"\n\ntls-san: [a, 'b']\ndisable:\n- traefik\n").unwrap();
        assert_eq!(
            lines[0],
            Line {
                key: "token".into(),
                append: false,
                values: vec!["a b".into()],
                line: 2
            }
        );
        assert_eq!(lines[1].values, ["a", "b"]);
        assert_eq!(
            (lines[2].line, lines[2].values.clone()),
            (5, vec!["traefik".to_owned()])
        );
    }

    #[test]
    fn a_plus_behind_the_key_appends() {
        let line = one("tls-san+: [a]");
        assert!(line.append);
        assert_eq!(line.key, "tls-san");
    }

    #[test]
    fn an_empty_file_has_no_settings() {
        assert_eq!(parse("").unwrap(), []);
        assert_eq!(parse("# nothing\n").unwrap(), []);
    }

    #[test]
    fn a_file_without_end_is_refused() {
        let error = read(Path::new("/dev/zero")).unwrap_err();
        assert!(matches!(error, FileError::TooLarge { .. }), "{error}");
    }

    #[test]
    fn what_is_not_a_setting_is_refused_with_its_line() {
        assert_eq!(parse("a: 1\na: 2\n").unwrap_err().0, 2);
        assert_eq!(parse("a:\n  b: c\n").unwrap_err().0, 2);
        assert_eq!(parse("- a\n").unwrap_err().0, 1);
        assert!(parse("a: [b\n").is_err());
        assert!(parse("a: *b\n").is_err());
    }

    #[test]
    fn no_text_makes_the_parser_panic() {
        let sample =
            "token: \"a\\u0041\"\ntls-san: [a, 'b', |\n x]\n? q\n: {a: b}\n&x a: *x\n--- >\n %\t";
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        for _ in 0..20_000 {
            let mut bytes = sample.as_bytes().to_vec();
            for _ in 0..3 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let at = (state >> 8) as usize % bytes.len();
                bytes[at] = state as u8 & 0x7f;
            }
            let _ = parse(&String::from_utf8_lossy(&bytes));
        }
    }
}
