//! Lists and maps that are bounded, and whose items are checked one by one.
//!
//! What is too long is not looked at any further, as upstream does it.

use std::collections::HashSet;

use serde_json::Value;

use crate::error::Errors;
use crate::path::Path;
use crate::value::{entries, len, list};

/// A list.
pub(super) fn set(
    items: &Value,
    most: usize,
    path: &Path<'_>,
    errors: &mut Errors,
    check: impl Fn(&Value, &Path<'_>, &mut Errors),
) -> bool {
    if len(items) > most {
        errors.too_many(path, len(items), most);
        return false;
    }
    for (i, item) in list(items).iter().enumerate() {
        check(item, &path.index(i), errors);
    }
    true
}

/// A list in which no key is there twice.
pub(super) fn in_set(
    items: &Value,
    most: usize,
    path: &Path<'_>,
    errors: &mut Errors,
    key: impl Fn(&Value) -> String,
    check: impl Fn(&Value, &Path<'_>, &mut Errors),
) {
    if !set(items, most, path, errors, check) {
        return;
    }
    let mut seen = HashSet::new();
    for (i, key) in list(items).iter().map(key).enumerate() {
        if seen.contains(&key) {
            errors.duplicate(&path.index(i), key);
        } else {
            seen.insert(key);
        }
    }
}

/// A map.
pub(super) fn map(
    items: &Value,
    most: usize,
    path: &Path<'_>,
    errors: &mut Errors,
    check_key: impl Fn(&str, &Path<'_>, &mut Errors),
    check: impl Fn(&Value, &Path<'_>, &mut Errors),
) {
    if len(items) > most {
        return errors.too_many(path, len(items), most);
    }
    for (key, item) in entries(items) {
        check_key(key, path, errors);
        check(item, &path.key(key), errors);
    }
}
