//! A policy file as a tree that knows its lines. YAML without anchors; JSON is a part of it.
//!
//! Knows nothing about policies. Invariant: no tree is deeper than
//! [`POLICY_DEPTH_MAX`](crate::limits::POLICY_DEPTH_MAX).

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use crate::limits::POLICY_DEPTH_MAX;

/// A value and where it stands.
#[derive(Debug)]
pub(crate) struct Node {
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    Scalar(String),
    Null,
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// A line and what is wrong there.
pub(crate) type Fault = (usize, String);

/// Parses the only document of a text.
pub(crate) fn parse(text: &str) -> Result<Node, Fault> {
    let mut events = Events(Parser::new_from_str(text));
    loop {
        match events.next()? {
            (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
            (Event::StreamEnd, span) => return Err((line(span), "the file is empty".into())),
            (event, span) => {
                let root = node(&mut events, event, span, 0)?;
                loop {
                    match events.next()? {
                        (Event::StreamEnd, _) => return Ok(root),
                        (Event::DocumentStart(_), span) => {
                            return Err((line(span), "a second document; keep one".into()));
                        }
                        _ => {}
                    }
                }
            }
        }
    }
}

fn node(events: &mut Events<'_>, event: Event<'_>, at: Span, depth: usize) -> Result<Node, Fault> {
    let line_of_node = line(at);
    if depth > POLICY_DEPTH_MAX {
        return Err((line_of_node, "nested too deeply".into()));
    }
    let what = match event {
        Event::Scalar(text, style, anchor, _) => {
            refuse_anchor(anchor, line_of_node)?;
            match (style, text.as_ref()) {
                (ScalarStyle::Plain, "" | "~" | "null") => What::Null,
                _ => What::Scalar(text.into_owned()),
            }
        }
        Event::SequenceStart(anchor, _) => {
            refuse_anchor(anchor, line_of_node)?;
            let mut items = Vec::new();
            loop {
                match events.next()? {
                    (Event::SequenceEnd, _) => break What::List(items),
                    (event, span) => items.push(node(events, event, span, depth + 1)?),
                }
            }
        }
        Event::MappingStart(anchor, _) => {
            refuse_anchor(anchor, line_of_node)?;
            let mut entries: Vec<(String, Node)> = Vec::new();
            loop {
                match events.next()? {
                    (Event::MappingEnd, _) => break What::Map(entries),
                    (Event::Scalar(key, ..), span) => {
                        if entries.iter().any(|(earlier, _)| *earlier == key) {
                            return Err((line(span), format!("'{key}' is there twice")));
                        }
                        let (event, at) = events.next()?;
                        let value = node(events, event, at, depth + 1)?;
                        entries.push((key.into_owned(), value));
                    }
                    (_, span) => return Err((line(span), "a key must be a text".into())),
                }
            }
        }
        _ => return Err((line_of_node, "aliases are not taken; write it out".into())),
    };
    Ok(Node {
        line: line_of_node,
        what,
    })
}

fn refuse_anchor(anchor: usize, line: usize) -> Result<(), Fault> {
    match anchor {
        0 => Ok(()),
        _ => Err((line, "anchors are not taken; write it out".into())),
    }
}

fn line(span: Span) -> usize {
    span.start.line()
}

struct Events<'a>(Parser<'a, StrInput<'a>>);

impl<'a> Events<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Fault> {
        match self.0.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err((error.marker().line(), error.info().to_owned())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }
}
