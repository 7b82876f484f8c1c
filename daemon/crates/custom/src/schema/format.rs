//! `format` of strings: those that are checked, and what they want.
//!
//! Follows what upstream's registry of formats takes, its odd corners included; a format that it
//! does not know is no constraint. Knows nothing about schemas.

use std::net::Ipv6Addr;

use super::format_net::{
    is_email, is_hostname, is_mac, is_request_uri, is_sloppy_cidr, is_sloppy_ip,
};
use super::table::Kind;

/// Whether a format says anything at all for values of this kind.
pub(crate) fn is_checked(format: &str, kind: Kind) -> bool {
    match kind {
        Kind::Any | Kind::String | Kind::IntOrString => check_of(format).is_some(),
        Kind::Integer => matches!(format, "int32" | "int64"),
        Kind::Number => matches!(format, "float" | "double"),
        _ => false,
    }
}

/// Whether a text is of a format; a format that nobody knows takes every text.
pub(crate) fn accepts(format: &str, text: &str) -> bool {
    check_of(format).is_none_or(|check| check(text))
}

type Check = fn(&str) -> bool;

fn check_of(format: &str) -> Option<Check> {
    let plain = format.replace('-', "");
    let check: Check = match plain.as_str() {
        "bsonobjectid" => |text| text.len() == 24 && is_hex(text),
        "uri" => is_request_uri,
        "email" => is_email,
        "hostname" => is_hostname,
        "ipv4" => |text| text.contains('.') && is_sloppy_ip(text),
        "ipv6" => |text| text.contains(':') && text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => is_sloppy_cidr,
        "mac" => is_mac,
        "uuid" => |text| is_uuid(text, None),
        "uuid3" => |text| is_uuid(text, Some('3')),
        "uuid4" => |text| is_uuid(text, Some('4')),
        "uuid5" => |text| is_uuid(text, Some('5')),
        "isbn" => |text| is_isbn10(text) || is_isbn13(text),
        "isbn10" => is_isbn10,
        "isbn13" => is_isbn13,
        "creditcard" => is_credit_card,
        "ssn" => is_ssn,
        "hexcolor" => is_hex_color,
        "rgbcolor" => is_rgb_color,
        "byte" => is_base64,
        "password" => |_| true,
        "date" => is_date,
        "duration" => is_duration,
        "datetime" => is_date_time,
        "k8sshortname" => |text| text.len() <= 63 && is_name(text),
        "k8slongname" => |text| text.len() <= 253 && text.split('.').all(is_name),
        _ => return None,
    };
    Some(check)
}

pub(super) fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_hexdigit())
}

pub(super) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_name(text: &str) -> bool {
    let edge = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            edge(*first) && edge(*last) && bytes.iter().all(|b| edge(*b) || *b == b'-')
        }
        _ => false,
    }
}

fn is_uuid(text: &str, version: Option<char>) -> bool {
    let mut rest = text;
    for (place, length) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        if place > 0 {
            rest = rest.strip_prefix('-').unwrap_or(rest);
        }
        let Some((group, after)) = rest.split_at_checked(length) else {
            return false;
        };
        if !is_hex(group) {
            return false;
        }
        match (place, version) {
            (2, Some(version)) if !group.starts_with(version) => return false,
            (3, Some('4' | '5')) if !group.starts_with(['8', '9', 'a', 'b', 'A', 'B']) => {
                return false;
            }
            _ => {}
        }
        rest = after;
    }
    rest.is_empty()
}

fn without_dashes(text: &str) -> String {
    let is_left_out = |c: char| c == '-' || matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}');
    text.chars().filter(|c| !is_left_out(*c)).collect()
}

fn is_isbn10(text: &str) -> bool {
    let plain = without_dashes(text);
    let Some((digits, check)) = plain.split_at_checked(9) else {
        return false;
    };
    if !is_digits(digits) {
        return false;
    }
    let check = match check {
        "X" => 10,
        check if check.len() == 1 && is_digits(check) => u32::from(check.as_bytes()[0] - b'0'),
        _ => return false,
    };
    let sum: u32 = (1u32..)
        .zip(digits.bytes())
        .map(|(i, b)| i * u32::from(b - b'0'))
        .sum();
    (sum + 10 * check).is_multiple_of(11)
}

fn is_isbn13(text: &str) -> bool {
    let plain = without_dashes(text);
    if plain.len() != 13 || !is_digits(&plain) {
        return false;
    }
    let digits: Vec<u32> = plain.bytes().map(|b| u32::from(b - b'0')).collect();
    let weights = [1, 3].into_iter().cycle();
    let sum: u32 = digits[..12].iter().zip(weights).map(|(d, w)| d * w).sum();
    digits[12] == (10 - sum % 10) % 10
}

fn is_credit_card(text: &str) -> bool {
    let plain: String = text.chars().filter(char::is_ascii_digit).collect();
    let number = |from: usize, to: usize| plain.get(from..to).and_then(|d| d.parse::<u32>().ok());
    let is_issued = match plain.len() {
        13 => plain.starts_with('4'),
        14 => number(0, 3).is_some_and(|n| matches!(n, 300..=305 | 360..=369 | 380..=389)),
        15 => {
            number(0, 2).is_some_and(|n| matches!(n, 34 | 37))
                || number(0, 4).is_some_and(|n| matches!(n, 2131 | 1800))
        }
        16 => {
            plain.starts_with('4')
                || number(0, 2).is_some_and(|n| (51..=55).contains(&n) || n == 65)
                || number(0, 4).is_some_and(|n| n == 6011)
                || number(0, 2).is_some_and(|n| n == 35)
        }
        _ => false,
    };
    let sum: u32 = plain
        .bytes()
        .rev()
        .enumerate()
        .map(|(i, b)| {
            let digit = u32::from(b - b'0');
            match (i % 2 == 1, digit * 2) {
                (false, _) => digit,
                (true, twice) if twice >= 10 => twice % 10 + 1,
                (true, twice) => twice,
            }
        })
        .sum();
    is_issued && sum.is_multiple_of(10)
}

/// Eleven characters, so both separators.
fn is_ssn(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 11
        && bytes.iter().enumerate().all(|(i, b)| match i {
            3 | 6 => matches!(b, b'-' | b' '),
            _ => b.is_ascii_digit(),
        })
}

fn is_hex_color(text: &str) -> bool {
    let digits = text.strip_prefix('#').unwrap_or(text);
    matches!(digits.len(), 3 | 6) && is_hex(digits)
}

fn is_rgb_color(text: &str) -> bool {
    let inner = text.strip_prefix("rgb(").and_then(|t| t.strip_suffix(')'));
    let space = [' ', '\t', '\n', '\r', '\u{c}'];
    inner.is_some_and(|inner| {
        let parts: Vec<&str> = inner
            .split(',')
            .map(|part| part.trim_matches(space))
            .collect();
        let is_part = |part: &&str| {
            is_digits(part)
                && (*part == "0" || !part.starts_with('0'))
                && part.parse::<u8>().is_ok()
        };
        parts.len() == 3 && parts.iter().all(is_part)
    })
}

fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let is_digit = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    !text.is_empty()
        && text.len().is_multiple_of(4)
        && text.len() - digits.len() <= 2
        && digits.bytes().all(is_digit)
}

fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return false;
    }
    let number = |from: usize, to: usize| {
        let part = text.get(from..to).filter(|part| is_digits(part));
        part.and_then(|part| part.parse::<u32>().ok())
    };
    let (Some(year), Some(month), Some(day)) = (number(0, 4), number(5, 7), number(8, 10)) else {
        return false;
    };
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

fn is_date_time(text: &str) -> bool {
    let lower = text.to_lowercase();
    let mut parts = lower.split('t');
    let (Some(date), Some(time)) = (parts.next(), parts.next()) else {
        return false;
    };
    is_date(date) && is_time(time)
}

fn is_time(text: &str) -> bool {
    let Some((clock, rest)) = text.split_at_checked(8) else {
        return false;
    };
    let bytes = clock.as_bytes();
    let is_clock = bytes[2] == b':'
        && bytes[5] == b':'
        && [&clock[..2], &clock[3..5], &clock[6..]]
            .iter()
            .all(|part| is_digits(part))
        && (&clock[..2], &clock[3..5], &clock[6..]) <= ("23", "59", "59")
        && &clock[3..5] <= "59"
        && &clock[6..] <= "59";
    // A fraction is any one character and then digits.
    let after = |rest: &str| {
        let mut chars = rest.chars();
        chars.next()?;
        let digits = chars.as_str();
        let end = digits.bytes().take_while(u8::is_ascii_digit).count();
        (end > 0).then(|| digits[end..].to_owned())
    };
    let is_zone = |zone: &str| {
        zone == "z"
            || zone.strip_prefix(['+', '-']).is_some_and(|zone| {
                zone.len() == 5
                    && zone.as_bytes()[2] == b':'
                    && is_digits(&zone[..2])
                    && is_digits(&zone[3..])
            })
    };
    is_clock && (is_zone(rest) || after(rest).is_some_and(|rest| is_zone(&rest)))
}

/// A duration of Go, or numbers with units anywhere in the text: `2 days`.
fn is_duration(text: &str) -> bool {
    is_go_duration(text) || is_worded_duration(text)
}

fn is_go_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let whole = rest.bytes().take_while(u8::is_ascii_digit).count();
        let mut after = &rest[whole..];
        let mut digits = whole;
        if let Some(fraction) = after.strip_prefix('.') {
            let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
            digits += length;
            after = &fraction[length..];
        }
        let unit = ["ns", "us", "µs", "μs", "ms", "s", "m", "h"]
            .iter()
            .filter(|unit| after.starts_with(**unit))
            .max_by_key(|unit| unit.len());
        let (Some(unit), true) = (unit, digits > 0) else {
            return false;
        };
        rest = &after[unit.len()..];
    }
    true
}

fn is_worded_duration(text: &str) -> bool {
    let units = ["ns", "us", "µs", "ms", "s", "m", "h", "hr", "d", "w", "wk"];
    let words = [
        "nano", "micro", "milli", "sec", "min", "hour", "day", "week",
    ];
    let mut is_found = false;
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        rest = &rest[start..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let after = rest[digits..].trim_start_matches([' ', '\t', '\n', '\r', '\u{c}']);
        let is_unit = |c: char| c.is_ascii_alphabetic() || c == 'µ';
        let end = after.find(|c| !is_unit(c)).unwrap_or(after.len());
        if end > 0 {
            if rest[..digits].parse::<i64>().is_err() {
                return false;
            }
            let unit = after[..end].to_lowercase();
            is_found |=
                units.contains(&unit.as_str()) || words.iter().any(|word| unit.starts_with(word));
        }
        rest = &after[end..];
    }
    is_found
}
