//! Writes a value as YAML: block style, keys sorted, texts quoted where they could be read as
//! something else.
//!
//! Pure. Invariant: what is written is read back as the same value.

use serde_json::Value;

pub(crate) fn write(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(entries) if !entries.is_empty() => block(value, 0, &mut out),
        Value::Array(list) if !list.is_empty() => block(value, 0, &mut out),
        other => {
            inline(other, &mut out);
            out.push('\n');
        }
    }
    out
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(entries) => !entries.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => false,
    }
}

fn block(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                pad(indent, out);
                text(key, out);
                out.push(':');
                // Lists stand as deep as their key, as upstream writes them.
                let deeper = if value.is_array() { indent } else { indent + 2 };
                below(value, deeper, out);
            }
        }
        Value::Array(list) => {
            for value in list {
                pad(indent, out);
                out.push('-');
                if is_block(value) {
                    let mut nested = String::new();
                    block(value, indent + 2, &mut nested);
                    out.push(' ');
                    out.push_str(nested.trim_start_matches(' '));
                } else {
                    below(value, indent, out);
                }
            }
        }
        _ => {}
    }
}

fn below(value: &Value, indent: usize, out: &mut String) {
    if is_block(value) {
        out.push('\n');
        block(value, indent, out);
    } else {
        out.push(' ');
        inline(value, out);
        out.push('\n');
    }
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn inline(value: &Value, out: &mut String) {
    match value {
        Value::String(content) => text(content, out),
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        other => out.push_str(&other.to_string()),
    }
}

fn text(content: &str, out: &mut String) {
    if is_plain(content) {
        out.push_str(content);
    } else {
        // A JSON string is a YAML double-quoted scalar.
        out.push_str(&Value::from(content).to_string());
    }
}

/// Starts with a letter, holds nothing that YAML could mistake, and is no word it knows.
fn is_plain(content: &str) -> bool {
    let first = content
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic());
    let rest = content
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/'));
    let word = content.to_ascii_lowercase();
    let reserved = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    first && rest && !reserved.contains(&word.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode;

    #[test]
    fn what_is_written_is_read_back_as_the_same() {
        let value = serde_json::json!({
            "a": {"b": [1, "yes", {"c": null, "d": [[], {}, ["x"]]}], "e": "line\nbreak: #x"},
            "123": "0x10", "empty": {}, "f": 1.5, "g": [{"h": {"i": "j"}}],
        });
        let text = write(&value);
        assert_eq!(
            decode::yaml(text.as_bytes()).unwrap().value,
            value,
            "{text}"
        );
    }
}
