//! Paths into a schema, as selectable fields and rules name them: `.spec.color`, `['a.b']`.

use serde_json::Value;

/// The path in the form that errors have, and the schema that it points at.
pub(crate) fn find<'s>(
    path: &str,
    schema: &'s Value,
    allows_brackets: bool,
) -> Result<(String, &'s Value), String> {
    let mut schema = schema;
    let mut found = String::new();
    let mut rest = path;
    while let Some(token) = token(&mut rest) {
        match token {
            "[" => {
                if !allows_brackets {
                    return Err("array notation is not allowed".to_owned());
                }
                let quoted = next(&mut rest)?;
                let inner = quoted
                    .strip_prefix('\'')
                    .and_then(|inner| inner.strip_suffix('\''))
                    .filter(|_| quoted.len() >= 2)
                    .ok_or_else(|| format!("expected single quoted string but got {quoted}"))?;
                let name = unescaped(inner)?;
                schema = step(&name, schema, &mut found)?;
                let end = next(&mut rest)?;
                if end != "]" {
                    return Err(format!("expected ] but got {end}"));
                }
            }
            "." => {
                let name = next(&mut rest)?;
                schema = step(name, schema, &mut found)?;
            }
            other => return Err(format!("expected [ or . but got: {other}")),
        }
    }
    Ok((found, schema))
}

fn next<'p>(rest: &mut &'p str) -> Result<&'p str, String> {
    token(rest).ok_or_else(|| "unexpected end of JSON path".to_owned())
}

/// A delimiter, a quoted text, or what stands before the next delimiter.
fn token<'p>(rest: &mut &'p str) -> Option<&'p str> {
    let text = *rest;
    let first = text.chars().next()?;
    let end = if first == '\'' {
        let bytes = text.as_bytes();
        let mut places = 1..bytes.len();
        places
            .find(|i| bytes[*i] == b'\'' && bytes[i - 1] != b'\\')
            .map_or(text.len(), |i| i + 1)
    } else if matches!(first, '.' | '[' | ']') {
        1
    } else {
        text.find(['.', '[', ']']).unwrap_or(text.len())
    };
    *rest = &text[end..];
    Some(&text[..end])
}

fn unescaped(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let Some(c) = chars.next() else {
            out.push('\\');
            break;
        };
        out.push(match c {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\'' | '\\' => c,
            c => return Err(format!("invalid string literal: invalid escape char \\{c}")),
        });
    }
    Ok(out)
}

fn step<'s>(name: &str, schema: &'s Value, found: &mut String) -> Result<&'s Value, String> {
    let nowhere = || "does not refer to a valid field".to_owned();
    let properties = schema.get("properties").and_then(Value::as_object);
    if let Some(properties) = properties.filter(|properties| !properties.is_empty()) {
        let property = properties.get(name).ok_or_else(nowhere)?;
        if !found.is_empty() {
            found.push('.');
        }
        found.push_str(name);
        return Ok(property);
    }
    let values = schema
        .get("additionalProperties")
        .filter(|values| values.is_object());
    let values = values.ok_or_else(nowhere)?;
    found.push_str(&format!("[{name}]"));
    Ok(values)
}
