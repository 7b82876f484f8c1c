//! What strings, numbers and booleans of the API look like, and what upstream's decoder says of
//! those that look otherwise.
//!
//! Knows nothing about where they stand. Invariant: what is let through can be read by a client
//! written in Go.

use serde_json::{Number, Value};

use crate::check::kind_of;
use crate::instant::wrong_time;
use crate::types::{Format, Shape};

/// Nothing if a value of this shape may be `value`; else what was found and the Go type that was
/// wanted, or (as an error) what upstream says of a string that does not read.
pub(crate) fn wrong_scalar(
    value: &Value,
    shape: Shape<'_>,
) -> Option<Result<(String, &'static str), String>> {
    let other = || Some(Ok((kind_of(value).to_owned(), go_type(shape))));
    match (shape, value) {
        (Shape::String(Format::Quantity), Value::String(text)) => {
            // As upstream, "" is zero nowhere but in what was never set: it does not parse.
            (!is_quantity(text)).then(|| Err(NOT_A_QUANTITY.to_owned()))
        }
        (Shape::String(Format::Quantity), Value::Number(number)) => {
            (!is_quantity(&number.to_string())).then(|| Err(NOT_A_QUANTITY.to_owned()))
        }
        (Shape::String(Format::Quantity), _) => Some(Err(NOT_A_QUANTITY.to_owned())),
        (Shape::String(Format::DateTime), Value::String(text)) => wrong_time(text).map(Err),
        (Shape::String(Format::Byte), Value::String(text)) => {
            not_base64(text).map(|place| Err(format!("illegal base64 data at input byte {place}")))
        }
        (Shape::String(_) | Shape::IntOrString, Value::String(_))
        | (Shape::Boolean, Value::Bool(_))
        | (Shape::Number, Value::Number(_)) => None,
        (Shape::Integer(format), Value::Number(number)) => {
            let fits = fits(number, format);
            (!fits).then(|| Ok((format!("number {number}"), go_type(shape))))
        }
        (Shape::IntOrString, Value::Number(number)) => {
            let fits = fits(number, Format::Int32);
            (!fits).then(|| Ok((format!("number {number}"), go_type(shape))))
        }
        _ => other(),
    }
}

/// `int32`, `string`.
pub(crate) fn go_type(shape: Shape<'_>) -> &'static str {
    match shape {
        Shape::String(Format::Byte) => "[]uint8",
        Shape::String(_) => "string",
        Shape::Integer(Format::Int64) => "int64",
        Shape::Integer(_) | Shape::IntOrString => "int32",
        Shape::Number => "float64",
        Shape::Boolean => "bool",
        Shape::Any | Shape::List(_) | Shape::Map(_) | Shape::Object(_) => "interface {}",
    }
}

fn fits(number: &Number, format: Format) -> bool {
    match number.as_i64() {
        Some(whole) => format != Format::Int32 || i32::try_from(whole).is_ok(),
        None => false,
    }
}

const NOT_A_QUANTITY: &str = "quantities must match the regular expression \
    '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

const SUFFIXES: [&str; 19] = [
    "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e", "E",
    "i",
];

fn is_quantity(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = unsigned.len()
        - unsigned
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .len();
    let (whole, rest) = unsigned.split_at(digits);
    let (fraction, suffix) = match rest.strip_prefix('.') {
        Some(rest) => {
            let end = rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            rest.split_at(rest.len() - end)
        }
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return false;
    }
    let exponent = suffix.strip_prefix(['e', 'E']);
    let exponent = exponent.map(|rest| rest.strip_prefix(['+', '-']).unwrap_or(rest));
    match exponent {
        Some(digits) if !digits.is_empty() => digits.parse::<i32>().is_ok(),
        _ => suffix != "i" && suffix != "e" && SUFFIXES.contains(&suffix),
    }
}

/// The place of the first byte that is no base64, as Go counts; new lines do not matter.
fn not_base64(text: &str) -> Option<usize> {
    let mut symbols = 0_usize;
    let mut padding = 0_usize;
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            b'\r' | b'\n' => {}
            b'=' if symbols % 4 >= 2 && padding < 4 - symbols % 4 => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => symbols += 1,
            _ => return Some(place),
        }
    }
    let whole = (symbols + padding).is_multiple_of(4);
    (!whole).then_some(text.len() - text.len() % 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_told_from_what_only_looks_like_them() {
        for good in [
            "1", "0.5", ".5", "1.", "-3", "+1Gi", "100m", "1e3", "1E-3", "1E", "5Ki", "12n",
        ] {
            assert!(is_quantity(good), "{good}");
        }
        for bad in [
            "", ".", "1 Gi", "1i", "1e", "abc", "1.2.3", "--1", "1KiB", "1ki",
        ] {
            assert!(!is_quantity(bad), "{bad}");
        }
    }

    #[test]
    fn base64_is_whole_and_padded() {
        for good in ["", "aGk=", "aA==", "aGkh", "aGkh\naGkh"] {
            assert_eq!(not_base64(good), None, "{good}");
        }
        assert_eq!(not_base64("a*b="), Some(1));
        assert_eq!(not_base64("aGk"), Some(0));
        assert_eq!(not_base64("aGkhaGk"), Some(4));
        assert_eq!(not_base64("aGk=aGk="), Some(4));
    }
}
