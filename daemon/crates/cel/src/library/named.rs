//! The named formats of strings: what each refuses, and in which words.
//!
//! Knows nothing about values of the language. Each check returns its complaints, none for a text
//! that is good.

use super::url;
use crate::regexp::Pattern;
use skerry_selector::name;
use std::sync::LazyLock;

/// A named format.
#[derive(Debug)]
pub(super) struct Format {
    /// The name by which expressions ask for it.
    pub(super) name: &'static str,
    pub(super) check: fn(&str) -> Vec<String>,
    /// The length of a pattern that would do the same, which costs are reckoned from.
    pub(super) pattern_length: u64,
}

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters \
                     or '-', and must start and end with an alphanumeric character (e.g. \
                     'my-name',  or '123-abc', regex used for validation is \
                     '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
                         characters, '-' or '.', and must start and end with an alphanumeric \
                         character (e.g. 'example.com', regex used for validation is \
                         '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or \
                          '-', start with an alphabetic character, and end with an alphanumeric \
                          character (e.g. 'my-name',  or 'abc-123', regex used for validation is \
                          '[a-z]([-a-z0-9]*[a-z0-9])?')";

/// The length of the pattern of dates with times.
const DATE_TIME_LENGTH: u64 = 71;

/// All of them.
pub(super) const FORMATS: &[Format] = &[
    format("dns1123Label", 30, dns_label),
    format("dns1123Subdomain", 60, dns_subdomain),
    format("dns1035Label", 30, dns_1035_label),
    format("qualifiedName", 60, name::label_key),
    format("dns1123LabelPrefix", 30, |text| dns_label(&masked(text))),
    format("dns1123SubdomainPrefix", 60, |text| {
        dns_subdomain(&masked(text))
    }),
    format("dns1035LabelPrefix", 30, |text| {
        dns_1035_label(&masked(text))
    }),
    format("labelValue", 40, name::label_value),
    format("uri", 1103, |text| {
        url::check(text).err().into_iter().collect()
    }),
    format("uuid", 70, |text| {
        unless(is_uuid(text), "does not match the UUID format")
    }),
    format("byte", 84, |text| unless(is_base64(text), "invalid base64")),
    format("date", DATE_TIME_LENGTH, |text| {
        unless(is_date(text), "invalid date")
    }),
    format("datetime", DATE_TIME_LENGTH, |text| {
        unless(is_date_time(text), "invalid datetime")
    }),
];

const fn format(name: &'static str, pattern_length: u64, check: fn(&str) -> Vec<String>) -> Format {
    Format {
        name,
        check,
        pattern_length,
    }
}

fn unless(good: bool, complaint: &str) -> Vec<String> {
    if good {
        Vec::new()
    } else {
        vec![complaint.to_owned()]
    }
}

/// The text with another end in place of a dash, which stands for what will be appended.
fn masked(text: &str) -> String {
    match text.len().checked_sub(2).map(|end| text.get(..end)) {
        Some(Some(head)) if text.ends_with('-') => format!("{head}a"),
        // A character cut in two is none that names have: the whole text is refused as well.
        _ => text.to_owned(),
    }
}

fn is_label(text: &str) -> bool {
    let lower = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().is_some_and(lower)
        && bytes.last().is_some_and(lower)
        && bytes.iter().all(|b| lower(b) || *b == b'-')
}

fn too_long(text: &str, max: usize) -> Vec<String> {
    unless(
        text.len() <= max,
        &format!("must be no more than {max} characters"),
    )
}

pub(super) fn dns_label(text: &str) -> Vec<String> {
    let mut complaints = too_long(text, name::LABEL_BYTES_MAX);
    if !is_label(text) {
        let has_dots = text.split('.').all(is_label);
        complaints.push(
            if has_dots {
                "must not contain dots"
            } else {
                LABEL
            }
            .to_owned(),
        );
    }
    complaints
}

pub(super) fn dns_subdomain(text: &str) -> Vec<String> {
    let mut complaints = too_long(text, name::SUBDOMAIN_BYTES_MAX);
    complaints.extend(unless(text.split('.').all(is_label), SUBDOMAIN));
    complaints
}

fn dns_1035_label(text: &str) -> Vec<String> {
    let mut complaints = too_long(text, name::LABEL_BYTES_MAX);
    let good = is_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase());
    complaints.extend(unless(good, LABEL_1035));
    complaints
}

fn constant(pattern: &str) -> Pattern {
    Pattern::new(pattern).expect("the pattern is a constant that a test compiles")
}

fn is_uuid(text: &str) -> bool {
    static UUID: LazyLock<Pattern> =
        LazyLock::new(|| constant("(?i)^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$"));
    UUID.is_match(text)
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
    let number = |range: std::ops::Range<usize>| -> Option<u32> {
        let digits = text.get(range)?;
        let is_number = digits.bytes().all(|b| b.is_ascii_digit());
        if is_number { digits.parse().ok() } else { None }
    };
    let (Some(year), Some(month), Some(day)) = (number(0..4), number(5..7), number(8..10)) else {
        return false;
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(is_leap),
        _ => 0,
    };
    bytes.len() == 10 && bytes[4] == b'-' && bytes[7] == b'-' && (1..=days).contains(&day)
}

/// As upstream: what follows a second `t` is not looked at.
fn is_date_time(text: &str) -> bool {
    static TIME: LazyLock<Pattern> = LazyLock::new(|| {
        constant("^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](.[0-9]+)?(z|[+-][0-9]{2}:[0-9]{2})$")
    });
    let lower = text.to_lowercase();
    let mut parts = lower.split('t');
    let (Some(date), Some(time)) = (parts.next(), parts.next()) else {
        return false;
    };
    is_date(date) && TIME.is_match(time)
}
