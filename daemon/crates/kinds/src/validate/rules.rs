//! The checks that many kinds share: choices, numbers, percentages, names of others.

use serde_json::Value;

use crate::error::Errors;
use crate::format;
use crate::path::Path;
use crate::quantity::Quantity;
use crate::value::{int, is_set, text};

pub(super) const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];
pub(super) const NOT_NEGATIVE: &str = "must be greater than or equal to 0";
pub(super) const POSITIVE: &str = "must be greater than zero";
pub(super) const ONE_TYPE: &str = "may not specify more than 1 volume type";

/// A number that is not below zero; one that is not set is zero.
pub(super) fn nonnegative(value: &Value, path: &Path<'_>, errors: &mut Errors) {
    let number = int(value);
    if number < 0 {
        errors.invalid(path, number, NOT_NEGATIVE);
    }
}

/// Several such numbers of one object.
pub(super) fn all_nonnegative(
    object: &Value,
    fields: &[&str],
    path: &Path<'_>,
    errors: &mut Errors,
) {
    for field in fields {
        nonnegative(&object[*field], &path.child(field), errors);
    }
}

/// One of several words, which must be there.
pub(super) fn choice(value: &Value, words: &[&str], path: &Path<'_>, errors: &mut Errors) {
    match text(value) {
        "" => errors.required(path, ""),
        word if words.contains(&word) => {}
        word => errors.not_supported(path, word, words),
    }
}

/// One of several words, if it is there.
pub(super) fn choice_if_set(value: &Value, words: &[&str], path: &Path<'_>, errors: &mut Errors) {
    if is_set(value) && !words.contains(&text(value)) {
        errors.not_supported(path, text(value), words);
    }
}

/// A text that must be there.
pub(super) fn required_text(value: &Value, path: &Path<'_>, errors: &mut Errors) -> bool {
    let is_there = !text(value).is_empty();
    if !is_there {
        errors.required(path, "");
    }
    is_there
}

pub(super) fn label(value: &str, path: &Path<'_>, errors: &mut Errors) {
    errors.each(path, value, format::dns_label(value));
}

pub(super) fn subdomain(value: &str, path: &Path<'_>, errors: &mut Errors) {
    errors.each(path, value, format::dns_subdomain(value));
}

pub(super) fn qualified_name(value: &str, path: &Path<'_>, errors: &mut Errors) {
    errors.each(path, value, format::label_key(value));
}

/// A subdomain, if it is there.
pub(super) fn subdomain_if_any(value: &Value, path: &Path<'_>, errors: &mut Errors) {
    if !text(value).is_empty() {
        subdomain(text(value), path, errors);
    }
}

/// A port by its number or name.
pub(super) fn port(value: &Value, path: &Path<'_>, errors: &mut Errors) {
    match value {
        Value::String(name) => errors.each(path, name, format::port_name(name)),
        number => port_number(number, path, errors),
    }
}

pub(super) fn port_number(value: &Value, path: &Path<'_>, errors: &mut Errors) {
    let number = int(value);
    for message in format::port_number(number) {
        errors.invalid(path, number, message);
    }
}

/// A count, or a share as a percentage.
pub(super) fn int_or_percent(value: &Value, path: &Path<'_>, errors: &mut Errors) {
    match value {
        Value::String(share) => errors.each(path, share, format::percent(share)),
        number => nonnegative(number, path, errors),
    }
}

pub(super) fn at_most_all(value: &Value, path: &Path<'_>, errors: &mut Errors) {
    if matches!(value, Value::String(_)) && percent(value).is_some_and(|share| share > 100) {
        errors.invalid(path, value.clone(), "must not be greater than 100%");
    }
}

fn percent(value: &Value) -> Option<i64> {
    text(value).strip_suffix('%')?.parse().ok()
}

/// The number in a count or a percentage.
pub(super) fn int_or_percent_value(value: &Value) -> i64 {
    percent(value).unwrap_or_else(|| int(value))
}

/// Reads an amount; one that is none is an error.
pub(super) fn quantity(value: &Value, path: &Path<'_>, errors: &mut Errors) -> Option<Quantity> {
    match Quantity::of(value) {
        Ok(quantity) => Some(quantity),
        Err(error) => {
            errors.invalid(path, value.clone(), error.to_string());
            None
        }
    }
}

/// A relative path that does not lead up.
pub(super) fn descending_path(value: &str, path: &Path<'_>, errors: &mut Errors) {
    if value.starts_with('/') {
        errors.invalid(path, value, "must be a relative path");
    }
    no_backsteps(value, path, errors);
}

pub(super) fn no_backsteps(value: &str, path: &Path<'_>, errors: &mut Errors) {
    if value.split('/').any(|part| part == "..") {
        errors.invalid(path, value, "must not contain '..'");
    }
}

/// A `domain/path`, whose domain is one and whose path can be a URL's.
pub(super) fn domain_prefixed_path(value: &str, path: &Path<'_>, errors: &mut Errors) {
    if value.is_empty() {
        return errors.required(path, "");
    }
    let Some((domain, rest)) = value
        .split_once('/')
        .filter(|_| format::is_qualified_path(value))
    else {
        let message = "must be a domain-prefixed path (such as \"acme.io/foo\")";
        return errors.invalid(path, value, message);
    };
    subdomain(domain, path, errors);
    let is_path_byte = |b: u8| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&b);
    if !rest.bytes().all(is_path_byte) {
        let message =
            "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
        errors.invalid(path, rest, message);
    }
}

/// A reference to an object by kind and name, as scaling and ingresses have them.
pub(super) fn named_reference(
    object: &Value,
    path: &Path<'_>,
    messages: [&str; 2],
    errors: &mut Errors,
) {
    for (field, message) in ["kind", "name"].into_iter().zip(messages) {
        let value = text(&object[field]);
        let path = path.child(field);
        if value.is_empty() {
            errors.required(&path, message);
        } else {
            errors.each(&path, value, format::path_segment(value));
        }
    }
}
