//! `string.format`: `%s %d %f %e %b %x %X %o`, numbers as cel-go writes them for American English.
//!
//! Knows nothing about expressions. Invariant: what is written stays within
//! [`crate::limits::STRING_BYTES_MAX`] and a step more.

use super::clauses::{Clause, Piece, Pieces, refusal, unparsed};
use crate::convert;
use crate::error::Error;
use crate::limits::STRING_BYTES_MAX;
use crate::value::{List, Map, Value};
use skerry_selector::quoted;
use std::fmt::Write;

/// The format with the values in it.
///
/// # Errors
/// What the format or the values lack, in cel-go's words.
pub(super) fn format(format: &str, values: &List<'_>) -> Result<String, Error> {
    let mut written = String::new();
    let mut index = 0;
    for piece in (Pieces { rest: format }) {
        if let Piece::Text(text) = piece {
            written.push_str(text);
            continue;
        }
        let Some(value) = values.get(index)? else {
            return Err(Error::new(format!("index {index} out of range")));
        };
        let clause = match piece {
            Piece::Clause(clause) => clause.map_err(unparsed)?,
            _ => return Err(Error::text("unexpected end of string")),
        };
        write_clause(&mut written, clause, &value)
            .map_err(|why| Error::new(format!("error during formatting: {why}")))?;
        if written.len() > STRING_BYTES_MAX {
            return Err(Error::text("string is too long"));
        }
        index += 1;
    }
    Ok(written)
}

fn write_clause(out: &mut String, clause: Clause, value: &Value<'_>) -> Result<(), String> {
    let precision = clause.precision.unwrap_or(6);
    let refused = || refusal(clause.letter, value.kind().runtime_name());
    match clause.letter {
        's' => return write_string(out, value, 0),
        'f' => out.push_str(&fixed(double(value).ok_or_else(refused)?, precision)),
        'e' => out.push_str(&scientific(double(value).ok_or_else(refused)?, precision)),
        'b' if matches!(value, Value::Bool(_)) => {
            out.push(if matches!(value, Value::Bool(true)) {
                '1'
            } else {
                '0'
            });
        }
        'x' | 'X' if matches!(value, Value::String(_) | Value::Bytes(_)) => {
            let bytes = match value {
                Value::String(text) => text.as_bytes(),
                Value::Bytes(bytes) => bytes,
                _ => &[],
            };
            for byte in bytes {
                // Writing into a String never fails.
                let _ = match clause.letter {
                    'x' => write!(out, "{byte:02x}"),
                    _ => write!(out, "{byte:02X}"),
                };
            }
        }
        letter => {
            let (negative, number) = match value {
                Value::Int(number) => (*number < 0, number.unsigned_abs()),
                Value::Uint(number) => (false, *number),
                _ => return Err(refused()),
            };
            let sign = if negative { "-" } else { "" };
            let _ = match letter {
                'b' => write!(out, "{sign}{number:b}"),
                'o' => write!(out, "{sign}{number:o}"),
                'x' => write!(out, "{sign}{number:x}"),
                'X' => write!(out, "{sign}{number:X}"),
                _ => write!(out, "{sign}{number}"),
            };
        }
    }
    Ok(())
}

fn double(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Double(number) => Some(*number),
        Value::String(text) => match &**text {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

fn unending(number: f64) -> Option<&'static str> {
    if number.is_nan() {
        Some("NaN")
    } else if number.is_infinite() {
        Some(if number > 0.0 { "∞" } else { "-∞" })
    } else {
        None
    }
}

/// With a comma before every three digits.
fn fixed(number: f64, precision: usize) -> String {
    if let Some(text) = unending(number) {
        return text.to_owned();
    }
    let plain = format!("{number:.precision$}");
    let digits = plain.strip_prefix('-').unwrap_or(&plain);
    let whole = digits.split('.').next().unwrap_or(digits);
    let mut grouped = plain[..plain.len() - digits.len()].to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped.push_str(&digits[whole.len()..]);
    grouped
}

/// `1.052033 × 10⁰³`, with narrow spaces.
fn scientific(number: f64, precision: usize) -> String {
    if let Some(text) = unending(number) {
        return text.to_owned();
    }
    let plain = format!("{number:.precision$e}");
    let (mantissa, exponent) = plain.split_once('e').unwrap_or((&plain, "0"));
    let mut text = format!("{mantissa}\u{202f}×\u{202f}10");
    let digits = exponent.strip_prefix('-').unwrap_or(exponent);
    if digits.len() < exponent.len() {
        text.push('⁻');
    }
    let superscripts = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    for digit in format!("{digits:0>2}").chars() {
        text.push(superscripts[digit.to_digit(10).unwrap_or_default() as usize]);
    }
    text
}

/// Deepest nesting that is written.
const DEPTH_MAX: usize = 100;

fn write_string(out: &mut String, value: &Value<'_>, depth: usize) -> Result<(), String> {
    match value {
        Value::List(list) => write_list(out, list, depth),
        Value::Map(map) => write_map(out, map, depth),
        Value::Null => {
            out.push_str("null");
            Ok(())
        }
        Value::Type(_) | Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Double(_) => {
            out.push_str(&value.to_string());
            Ok(())
        }
        Value::String(_) | Value::Bytes(_) | Value::Timestamp(_) | Value::Duration(_) => {
            let text = convert::to_string(std::slice::from_ref(value))
                .map_err(|error| format!("could not convert argument \"{error}\" to string"))?;
            out.push_str(text.as_str().unwrap_or_default());
            Ok(())
        }
        _ => Err(refusal('s', value.kind().runtime_name())),
    }
}

/// A value within a list or a map: as it would be written in an expression.
fn write_inner(out: &mut String, value: &Value<'_>, depth: usize) -> Result<(), String> {
    if depth > DEPTH_MAX || out.len() > STRING_BYTES_MAX {
        return Err("value is too large".to_owned());
    }
    let mut text = String::new();
    match value {
        Value::List(_) | Value::Map(_) => return write_string(out, value, depth),
        Value::Double(number) if number.is_finite() => {
            let _ = write!(out, "{number:.6}");
            return Ok(());
        }
        Value::Optional(_) | Value::Opaque(_) | Value::Preserved(_) => {
            let kind = value.kind();
            return Err(format!(
                "no formatting function for {}",
                kind.runtime_name()
            ));
        }
        _ => write_string(&mut text, value, depth)?,
    }
    match value {
        Value::String(_) | Value::Double(_) => out.push_str(&quoted(&text)),
        Value::Bytes(_) => {
            out.push('b');
            out.push_str(&quoted(&text));
        }
        Value::Timestamp(_) => {
            let _ = write!(out, "timestamp({})", quoted(&text));
        }
        Value::Duration(_) => {
            let _ = write!(out, "duration({})", quoted(&text));
        }
        _ => out.push_str(&text),
    }
    Ok(())
}

fn write_list(out: &mut String, list: &List<'_>, depth: usize) -> Result<(), String> {
    out.push('[');
    for (index, item) in list.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        let item = item.map_err(|error| error.to_string())?;
        write_inner(out, &item, depth + 1)?;
    }
    out.push(']');
    Ok(())
}

/// The entries in the order of their keys' texts.
fn write_map(out: &mut String, map: &Map<'_>, depth: usize) -> Result<(), String> {
    let mut entries = Vec::with_capacity(map.len());
    let mut bytes = 0;
    for entry in map.iter() {
        let (key, value) = entry.map_err(|error| error.to_string())?;
        if !matches!(
            key,
            Value::String(_) | Value::Bool(_) | Value::Int(_) | Value::Uint(_)
        ) {
            let kind = key.kind();
            let kind = kind.runtime_name();
            return Err(format!("no formatting function for map key of type {kind}"));
        }
        let (mut name, mut text) = (String::new(), String::new());
        write_inner(&mut name, &key, depth + 1)?;
        write_inner(&mut text, &value, depth + 1)?;
        bytes += name.len() + text.len();
        if bytes > STRING_BYTES_MAX {
            return Err("value is too large".to_owned());
        }
        entries.push((name, text));
    }
    entries.sort_by(|(left, _), (right, _)| left.cmp(right));
    out.push('{');
    for (index, (name, text)) in entries.iter().enumerate() {
        let separator = if index > 0 { ", " } else { "" };
        let _ = write!(out, "{separator}{name}:{text}");
    }
    out.push('}');
    Ok(())
}
