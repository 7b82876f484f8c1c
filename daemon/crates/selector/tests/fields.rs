//! What clients may rely on from field selectors.

use std::borrow::Cow;

use skerry_selector::fields::{Selector, escaped};
use skerry_selector::limits::{REQUIREMENTS_MAX, SELECTOR_BYTES_MAX};

#[test]
fn every_form_of_the_grammar_is_read_and_printed_in_one_normal_form() {
    for (text, printed) in [
        ("", ""),
        (",,", ""),
        ("=", ""),
        ("a=b", "a=b"),
        ("a==b", "a=b"),
        ("a!=b", "a!=b"),
        ("z=1,a=", "a=,z=1"),
        ("a=b\\,c\\=d\\\\", "a=b\\,c\\=d\\\\"),
        ("a!b=c", "a!b=c"),
        ("metadata.name= x", "metadata.name= x"),
    ] {
        assert_eq!(
            Selector::parse(text).unwrap().to_string(),
            printed,
            "{text}"
        );
    }
}

#[test]
fn a_bad_text_is_refused_in_upstreams_words() {
    for (text, error) in [
        ("a=1,b", "invalid selector: 'a=1,b'; can't understand 'b'"),
        (
            "a=b=c",
            "invalid field selector: unescaped character in value: 61",
        ),
        (
            "a=\\x",
            "invalid field selector: invalid escape sequence: \\x",
        ),
        (
            "a=\\",
            "invalid field selector: invalid escape sequence: \\",
        ),
    ] {
        assert_eq!(Selector::parse(text).unwrap_err().to_string(), error);
    }
}

#[test]
fn all_terms_must_hold_and_an_absent_field_is_empty() {
    let value = |field: &str| match field {
        "metadata.name" => Cow::Borrowed("x"),
        _ => Cow::Borrowed(""),
    };
    for (text, holds) in [
        ("metadata.name=x", true),
        ("metadata.name!=x", false),
        ("status.phase=", true),
        ("status.phase!=Running", true),
        ("metadata.name=x,status.phase=Running", false),
    ] {
        assert_eq!(
            Selector::parse(text).unwrap().matches(value),
            holds,
            "{text}"
        );
    }
}

#[test]
fn an_exact_name_can_be_had_to_spare_a_scan() {
    let selector = Selector::parse("metadata.name=x,spec.nodeName!=n").unwrap();
    assert_eq!(selector.exact("metadata.name"), Some("x"));
    assert_eq!(selector.exact("spec.nodeName"), None);
}

#[test]
fn an_escaped_value_comes_back_whole() {
    for value in ["", "a,b=c\\d", "é=,"] {
        let selector = Selector::parse(&format!("f={}", escaped(value))).unwrap();
        assert_eq!(
            selector.terms().first().map(|t| t.value.as_str()),
            Some(value)
        );
    }
}

#[test]
fn the_size_of_a_selector_is_bounded() {
    assert!(Selector::parse(&"a".repeat(SELECTOR_BYTES_MAX + 1)).is_err());
    assert!(Selector::parse(&vec!["a=b"; REQUIREMENTS_MAX].join(",")).is_ok());
    assert_eq!(
        Selector::parse(&vec!["a=b"; REQUIREMENTS_MAX + 2].join(","))
            .unwrap_err()
            .to_string(),
        "field selector must have at most 1024 terms"
    );
}
