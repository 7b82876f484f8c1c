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
    let wrong_amount = |text: &str| wrong_quantity(text).map(|said| Err(said.to_owned()));
    let other = || Some(Ok((kind_of(value).to_owned(), go_type(shape))));
    match (shape, value) {
        (Shape::String(Format::Quantity), Value::String(text)) => wrong_amount(text),
        (Shape::String(Format::Quantity), Value::Number(number)) => {
            wrong_amount(&number.to_string())
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
const NO_SUFFIX: &str = "unable to parse quantity's suffix";

const SUFFIXES: [&str; 16] = [
    "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
];

/// Reads as upstream does, which takes a missing number for zero: `.` and `Ki` are quantities.
fn wrong_quantity(text: &str) -> Option<&'static str> {
    let is_digit = |letter: char| letter.is_ascii_digit();
    let text = text.trim();
    if text.is_empty() {
        return Some(NOT_A_QUANTITY);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let rest = unsigned.trim_start_matches(is_digit);
    let fraction = rest.strip_prefix('.');
    let suffix = fraction.map_or(rest, |rest| rest.trim_start_matches(is_digit));
    let rest = suffix.trim_start_matches(|letter| "eEinumkKMGTP".contains(letter));
    let rest = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    if !rest.trim_start_matches(is_digit).is_empty() {
        return Some(NOT_A_QUANTITY);
    }
    let exponent = suffix.strip_prefix(['e', 'E']);
    let exponent = exponent.is_some_and(|number| number.parse::<i64>().is_ok());
    (!exponent && !SUFFIXES.contains(&suffix)).then_some(NO_SUFFIX)
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
        let good = [
            "1", "0.5", ".5", "1.", "-3", "+1Gi", "100m", "1e3", "1E-3", "1E", "5Ki", "12n", " 1 ",
        ];
        for good in good {
            assert_eq!(wrong_quantity(good), None, "{good}");
        }
        for bad in ["", "1 Gi", "abc", "1.2.3", "1KiB", "1m5x"] {
            assert_eq!(wrong_quantity(bad), Some(NOT_A_QUANTITY), "{bad}");
        }
        for bad in [
            "--1",
            "1i",
            "1e",
            "1ki",
            "1mm",
            "1m5",
            "1e99999999999999999999",
        ] {
            assert_eq!(wrong_quantity(bad), Some(NO_SUFFIX), "{bad}");
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
