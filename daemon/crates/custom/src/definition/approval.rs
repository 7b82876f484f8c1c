//! Groups of Kubernetes' own names are for kinds that its reviewers have approved.

use serde_json::Value;
use skerry_kinds::{Path, quote};

use super::read::text;
use crate::error::Errors;

const ANNOTATION: &str = "api-approved.kubernetes.io";

#[derive(PartialEq, Eq)]
enum State {
    Missing,
    Bypassed,
    Approved,
    Invalid,
}

fn state(definition: &Value) -> State {
    let value = text(&definition["metadata"]["annotations"][ANNOTATION]);
    let is_url = || {
        let (scheme, rest) = value.split_once("://")?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        (is_scheme && !host.is_empty() && !value.contains(char::is_whitespace)).then_some(())
    };
    match value {
        "" => State::Missing,
        value if value.starts_with("unapproved") => State::Bypassed,
        _ if is_url().is_some() => State::Approved,
        _ => State::Invalid,
    }
}

fn is_protected(group: &str) -> bool {
    ["k8s.io", "kubernetes.io"].iter().any(|own| {
        group == *own
            || group
                .strip_suffix(own)
                .is_some_and(|head| head.ends_with('.'))
    })
}

pub(super) fn validate(new: &Value, old: Option<&Value>, errors: &mut Errors) {
    if !is_protected(text(&new["spec"]["group"])) {
        return;
    }
    let state = state(new);
    if old.is_some_and(|old| self::state(old) == state) {
        return;
    }
    let (metadata, link) = (
        Path::root("metadata"),
        "see https://github.com/kubernetes/enhancements/pull/1111",
    );
    let annotations = metadata.child("annotations");
    let path = annotations.key(ANNOTATION);
    let name = quote(ANNOTATION);
    match state {
        State::Approved | State::Bypassed => {}
        State::Missing => errors.required(
            &path,
            format!("protected groups must have approval annotation {name}, {link}"),
        ),
        State::Invalid => errors.invalid(
            &path,
            new["metadata"]["annotations"][ANNOTATION].clone(),
            format!(
                "protected groups must have approval annotation {name} with either a URL or a \
                 reason starting with \"unapproved\", {link}"
            ),
        ),
    }
}
