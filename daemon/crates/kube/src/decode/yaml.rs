//! YAML into a value, as upstream's converter reads it: YAML 1.1 scalars, keys are texts.
//!
//! Invariant: aliases cannot make a value larger than the limits, however they are nested.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Number, Value};

use super::{Decoded, weight};
use crate::limits::{DEPTH_MAX, YAML_BYTES_MAX, YAML_NODES_MAX};

/// Parses the first document of a text.
pub(super) fn parse(text: &str) -> Result<Decoded, String> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| format!("yaml: {error}"))?;
        builder.line = span.start.line();
        if builder.take(event)? {
            break;
        }
    }
    Ok(Decoded {
        value: builder.root.unwrap_or(Value::Null),
        duplicates: builder.duplicates,
    })
}

/// A list or an object that is not complete yet.
enum Open {
    List(Vec<Value>),
    Object {
        entries: Map<String, Value>,
        /// With the line that it stands in.
        key: Option<(String, usize)>,
    },
}

#[derive(Default)]
struct Builder {
    open: Vec<(Open, usize)>,
    anchors: HashMap<usize, (Value, usize)>,
    root: Option<Value>,
    nodes: usize,
    bytes: usize,
    /// Where the parser is.
    line: usize,
    duplicates: Vec<String>,
}

impl Builder {
    /// Whether the document is complete.
    fn take(&mut self, event: Event<'_>) -> Result<bool, String> {
        match event {
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) => {}
            Event::DocumentEnd | Event::StreamEnd => return Ok(self.root.is_some()),
            Event::Alias(anchor) => {
                let (value, size) = self
                    .anchors
                    .get(&anchor)
                    .cloned()
                    .ok_or("yaml: unknown anchor")?;
                self.spend(size, value_bytes(&value))?;
                if self.open.len() + depth(&value) > DEPTH_MAX {
                    return Err("exceeded max depth".into());
                }
                self.put(value, 0)?;
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.spend(1, text.len())?;
                let is_key = matches!(self.open.last(), Some((Open::Object { key: None, .. }, _)));
                let value = match is_key {
                    true => Value::String(text.into_owned()),
                    false => scalar(&text, style, tag.as_deref()),
                };
                self.put(value, anchor)?;
            }
            Event::SequenceStart(anchor, _) => self.start(Open::List(Vec::new()), anchor)?,
            Event::MappingStart(anchor, _) => {
                let object = Open::Object {
                    entries: Map::new(),
                    key: None,
                };
                self.start(object, anchor)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let (value, anchor) = match self.open.pop() {
                    Some((Open::List(list), anchor)) => (Value::Array(list), anchor),
                    Some((Open::Object { entries, .. }, anchor)) => {
                        (Value::Object(entries), anchor)
                    }
                    None => return Err("yaml: a collection ends that never started".into()),
                };
                self.put(value, anchor)?;
            }
        }
        Ok(false)
    }

    fn start(&mut self, open: Open, anchor: usize) -> Result<(), String> {
        self.spend(1, 0)?;
        if self.open.len() >= DEPTH_MAX {
            return Err("exceeded max depth".into());
        }
        self.open.push((open, anchor));
        Ok(())
    }

    fn spend(&mut self, nodes: usize, bytes: usize) -> Result<(), String> {
        self.nodes += nodes;
        self.bytes += bytes;
        if self.nodes > weight::fields_max(YAML_NODES_MAX) || self.bytes > YAML_BYTES_MAX {
            return Err("yaml: document contains excessive aliasing".into());
        }
        Ok(())
    }

    fn put(&mut self, value: Value, anchor: usize) -> Result<(), String> {
        if anchor != 0 {
            let size = count(&value);
            // What is kept for later costs as much as what is used.
            self.spend(size, value_bytes(&value))?;
            self.anchors.insert(anchor, (value.clone(), size));
        }
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some((Open::List(list), _)) => list.push(value),
            Some((Open::Object { entries, key }, _)) => match key.take() {
                Some((name, _)) if name == "<<" && value.is_object() => {
                    if let Value::Object(merged) = value {
                        for (name, value) in merged {
                            entries.entry(name).or_insert(value);
                        }
                    }
                }
                Some((name, line)) => {
                    if entries.contains_key(&name) && self.duplicates.len() < 32 {
                        let fault = format!("line {line}: key {name:?} already set in map");
                        self.duplicates.push(fault);
                    }
                    entries.insert(name, value);
                }
                None => match value {
                    Value::String(name) => *key = Some((name, self.line)),
                    Value::Bool(_) | Value::Number(_) => {
                        *key = Some((value.to_string(), self.line));
                    }
                    _ => return Err("yaml: a key must be a scalar".into()),
                },
            },
        }
        Ok(())
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(entries) => entries.values().map(count).sum(),
        _ => 0usize,
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Value::Object(entries) => 1 + entries.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(value_bytes).sum(),
        Value::Object(entries) => entries
            .iter()
            .map(|(name, value)| name.len() + value_bytes(value))
            .sum(),
        _ => 8,
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let plain = matches!(style, ScalarStyle::Plain);
    let is_text = tag.is_some_and(|tag| tag.suffix == "str");
    if !plain || is_text {
        return Value::String(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => {
            return Value::Bool(true);
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

fn number(text: &str) -> Option<Number> {
    let first = text.bytes().next()?;
    if !matches!(first, b'+' | b'-' | b'.' | b'0'..=b'9') {
        return None;
    }
    let bare = text.replace('_', "");
    let (negative, digits) = match bare.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, bare.strip_prefix('+').unwrap_or(&bare)),
    };
    let radix = |prefix: &str, radix| {
        let rest = digits.strip_prefix(prefix)?;
        u64::from_str_radix(rest, radix).ok()
    };
    let octal = || {
        let rest = digits.strip_prefix('0')?;
        let all = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
        all.then(|| u64::from_str_radix(rest, 8).ok()).flatten()
    };
    let whole = radix("0x", 16)
        .or_else(|| radix("0b", 2))
        .or_else(|| radix("0o", 8))
        .or_else(octal);
    let whole = whole.or_else(|| {
        let all = digits.bytes().all(|byte| byte.is_ascii_digit());
        all.then(|| digits.parse().ok()).flatten()
    });
    if let Some(whole) = whole {
        return match negative {
            false => Some(whole.into()),
            true => i64::try_from(whole).ok().map(|whole| (-whole).into()),
        };
    }
    let numeric = |byte: u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
    if !digits.bytes().all(numeric) || !digits.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    bare.parse().ok().and_then(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        parse(text).unwrap().value.to_string()
    }

    #[test]
    fn scalars_are_those_of_yaml_1_1_unless_they_are_quoted() {
        let text = "a: yes\nb: \"yes\"\nc: 0777\nd: 1e3\ne: ~\nf: 0x10\ng: -5\nh: 1.2.3\ni: |\n  x\nj: !!str 5\n";
        let wanted = r#"{"a":true,"b":"yes","c":511,"d":1000.0,"e":null,"f":16,"g":-5,"h":"1.2.3","i":"x\n","j":"5"}"#;
        assert_eq!(json(text), wanted);
    }

    #[test]
    fn keys_are_texts_and_merge_keys_merge() {
        assert_eq!(json("1: a\ntrue: b\n"), r#"{"1":"a","true":"b"}"#);
        let text = "base: &b {x: 1, y: 2}\nover:\n  x: 3\n  <<: *b\n";
        assert_eq!(json(text), r#"{"base":{"x":1,"y":2},"over":{"x":3,"y":2}}"#);
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let before = level - 1;
            let aliases = vec![format!("*a{before}"); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        assert!(parse(&text).unwrap_err().contains("excessive aliasing"));
    }

    #[test]
    fn deep_nesting_and_nonsense_are_refused() {
        assert!(parse(&"[".repeat(5_000)).is_err());
        assert!(parse(&"- ".repeat(5_000)).is_err());
        assert!(parse("a: b: c: d").is_err());
        assert!(parse("{").is_err());
        assert_eq!(json(""), "null");
    }
}
