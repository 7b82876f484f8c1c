//! Values as messages show them, and doubles as Go prints them.
//!
//! Knows nothing about expressions.

use crate::value::{List, Map, Value};
use std::fmt::Write;

/// A value as cel-go shows it in an error (`no such key: x`).
pub(crate) fn display(value: &Value<'_>) -> String {
    let mut text = String::new();
    write(&mut text, value, 0);
    text
}

/// Deepest nesting and longest text that are shown; the rest is left out.
const DEPTH_MAX: usize = 16;
const BYTES_MAX: usize = 4096;

fn write(text: &mut String, value: &Value<'_>, depth: usize) {
    if depth > DEPTH_MAX || text.len() > BYTES_MAX {
        text.push_str("...");
        return;
    }
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Int(number) => write_number(text, number),
        Value::Uint(number) => write_number(text, number),
        Value::Double(number) => text.push_str(&double(*number)),
        Value::String(value) => text.push_str(value),
        Value::Bytes(bytes) => text.push_str(&String::from_utf8_lossy(bytes)),
        Value::Duration(span) => write_number(text, span),
        Value::Timestamp(time) => write_number(text, time),
        Value::List(list) => write_list(text, list, depth),
        Value::Map(map) => write_map(text, map, depth),
        Value::Optional(None) => text.push_str("optional.none()"),
        Value::Optional(Some(inner)) => {
            text.push_str("optional(");
            write(text, inner, depth + 1);
            text.push(')');
        }
        Value::Type(kind) => text.push_str(kind.runtime_name()),
        Value::Opaque(value) => text.push_str(value.type_name()),
        Value::Preserved(json) => write_number(text, json),
    }
}

fn write_number(text: &mut String, value: &dyn std::fmt::Display) {
    // Writing into a String never fails.
    let _ = write!(text, "{value}");
}

fn write_list(text: &mut String, list: &List<'_>, depth: usize) {
    text.push('[');
    for (index, item) in list.iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        match item {
            Ok(item) => write(text, &item, depth + 1),
            Err(error) => write_number(text, &error),
        }
        if text.len() > BYTES_MAX {
            break;
        }
    }
    text.push(']');
}

fn write_map(text: &mut String, map: &Map<'_>, depth: usize) {
    text.push('{');
    for (index, entry) in map.iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        if let Ok((key, value)) = entry {
            write(text, &key, depth + 1);
            text.push_str(": ");
            write(text, &value, depth + 1);
        }
        if text.len() > BYTES_MAX {
            break;
        }
    }
    text.push('}');
}

/// As Go's `%g`: the fewest digits that read back as the same double, in scientific notation for
/// exponents below -4 and from 21 on.
pub(crate) fn double(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..21).contains(&exponent) {
        return format!("{number}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::double;

    #[test]
    fn doubles_print_as_go_does() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (1.5, "1.5"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (1.797_693_134_862_315_7e308, "1.7976931348623157e+308"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(double(number), text);
        }
    }
}
