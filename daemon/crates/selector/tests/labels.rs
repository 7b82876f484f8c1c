//! What clients may rely on from label selectors.

use std::collections::BTreeMap;

use serde_json::json;
use skerry_selector::labels::{Operator, Requirement, Selector};
use skerry_selector::limits::{REQUIREMENTS_MAX, SELECTOR_BYTES_MAX};

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

#[test]
fn every_form_of_the_grammar_is_read_and_printed_in_one_normal_form() {
    for (text, printed) in [
        ("", ""),
        ("x", "x"),
        ("!x", "!x"),
        ("! x ,\ty", "!x,y"),
        ("x=a", "x=a"),
        ("x==a", "x==a"),
        ("x = a , y != b", "x=a,y!=b"),
        ("z=1,a=2", "a=2,z=1"),
        ("x=", "x="),
        ("x=,z= ", "x=,z="),
        ("x in (b,a)", "x in (a,b)"),
        ("x in ()", "x in ()"),
        ("x in (,a)", "x in (,a)"),
        ("x in (a,)", "x in (,a)"),
        ("x in (a,,b)", "x in (,a,b)"),
        ("x notin (a,a)", "x notin (a)"),
        ("x>1,z<5", "x>1,z<5"),
        ("in in (in,notin)", "in in (in,notin)"),
        ("notin=in", "notin=in"),
        ("a.b/c in (d)", "a.b/c in (d)"),
    ] {
        let selector = Selector::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(selector.to_string(), printed, "{text}");
    }
}

#[test]
fn a_bad_text_is_refused_in_upstreams_words() {
    for (text, error) in [
        (
            "x=a||y=b",
            "unable to parse requirement: values[0][x]: Invalid value: \"a||y\": a valid \
          label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
          and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value', \
          \u{20}or '12345', regex used for validation is \
          '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ),
        ("x==a==b", "found '==', expected: ',' or 'end of string'"),
        ("!x=a", "found '=', expected: ',' or 'end of string'"),
        (
            "x<a",
            "unable to parse requirement: values[0]: Invalid value: \"a\": for 'Gt', 'Lt' \
          operators, the value must be an integer",
        ),
        ("x,", "found '', expected: identifier after ','"),
        ("x,,y", "found ',', expected: identifier after ','"),
        (
            ",x",
            "found ',', expected: !, identifier, or 'end of string'",
        ),
        (
            "!",
            "unable to parse requirement: found '', expected: identifier",
        ),
        (
            "!!x",
            "unable to parse requirement: found '!', expected: identifier",
        ),
        (
            "x y",
            "unable to parse requirement: found 'y', expected: in, notin, =, ==, !=, gt, lt",
        ),
        (
            "x in a",
            "unable to parse requirement: found 'a' expected: '('",
        ),
        (
            "x in (a",
            "unable to parse requirement: found '', expected: ',' or ')'",
        ),
        (
            "x in (a b)",
            "unable to parse requirement: found 'b', expected: ',' or ')'",
        ),
        (
            "x in (=)",
            "unable to parse requirement: found '=', expected: ',', ')' or identifier",
        ),
        (
            "x in (,=)",
            "unable to parse requirement: found '=', expected: ',', or identifier",
        ),
        (
            "x=)",
            "unable to parse requirement: found ')', expected: identifier",
        ),
        (
            "x in (a),y)",
            "unable to parse requirement: found ')', expected: in, notin, =, ==, !=, gt, lt",
        ),
    ] {
        // "x=a||y=b" ends at the second '='; the value is judged first.
        let found = Selector::parse(text)
            .map(|s| s.to_string())
            .map_err(|e| e.to_string());
        assert_eq!(found, Err(error.to_owned()), "{text}");
    }
    let key = Selector::parse("a%=b").unwrap_err().to_string();
    assert!(
        key.starts_with("unable to parse requirement: <nil>: Invalid value: \"a%\": name part ")
    );
}

#[test]
fn absence_satisfies_only_the_negative_operators() {
    let none = labels(&[]);
    for (text, holds) in [
        ("x", false),
        ("!x", true),
        ("x=a", false),
        ("x!=a", true),
        ("x in (a)", false),
        ("x notin (a)", true),
        ("x>1", false),
        ("x<1", false),
        ("", true),
    ] {
        assert_eq!(
            Selector::parse(text).unwrap().matches(&none),
            holds,
            "{text}"
        );
    }
}

#[test]
fn all_requirements_must_hold() {
    let have = labels(&[("app", "web"), ("tier", "3"), ("empty", "")]);
    for (text, holds) in [
        ("app=web,tier", true),
        ("app=web,tier=4", false),
        ("app in (a,web)", true),
        ("tier>2,tier<4", true),
        ("tier>3", false),
        ("app>1", false),
        ("empty=", true),
        ("empty in (,x)", true),
        ("empty!=", false),
        ("app notin (web)", false),
        ("app,app!=db", true),
    ] {
        assert_eq!(
            Selector::parse(text).unwrap().matches(&have),
            holds,
            "{text}"
        );
    }
}

#[test]
fn labels_of_an_object_are_read_whatever_its_shape() {
    let selector = Selector::parse("!x").unwrap();
    for odd in [
        json!(null),
        json!({"metadata": 1}),
        json!({"metadata": {"labels": []}}),
        json!({"metadata": {"labels": {"x": 1}}}),
    ] {
        assert!(selector.matches_object(&odd), "{odd}");
    }
    assert!(!selector.matches_object(&json!({"metadata": {"labels": {"x": "1"}}})));
}

#[test]
fn a_selector_object_means_what_its_text_means() {
    let object = json!({"matchLabels": {"b": "1"}, "matchExpressions": [
        {"key": "a", "operator": "In", "values": ["y", "x"]},
        {"key": "c", "operator": "DoesNotExist"}]});
    let selector = Selector::from_object(&object).unwrap();
    assert_eq!(selector.to_string(), "a in (x,y),b=1,!c");
    assert!(Selector::from_object(&json!({})).unwrap().is_everything());
    assert!(
        !Selector::from_object(&json!(null))
            .unwrap()
            .matches(&labels(&[]))
    );
}

#[test]
fn a_bad_selector_object_says_why() {
    for (object, error) in [
        (
            json!({"matchExpressions": [{"key": "a", "operator": "Gt"}]}),
            "\"Gt\" is not a valid label selector operator",
        ),
        (
            json!({"matchExpressions": [{"key": "a", "operator": "In"}]}),
            "values: Invalid value: null: for 'in', 'notin' operators, values set can't be empty",
        ),
        (
            json!({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}),
            "values: Invalid value: [\"b\"]: values set must be empty for exists and does not exist",
        ),
        (
            json!({"matchLabels": "x"}),
            "label selector has an unexpected type at matchLabels",
        ),
        (
            json!([]),
            "label selector has an unexpected type at the selector",
        ),
    ] {
        assert_eq!(
            Selector::from_object(&object).unwrap_err().to_string(),
            error
        );
    }
    let two = Requirement::new("", Operator::In, vec![])
        .unwrap_err()
        .to_string();
    assert!(
        two.starts_with("[key: Invalid value: \"\": ") && two.ends_with(']'),
        "{two}"
    );
}

#[test]
fn a_plain_map_selects_exactly_its_pairs() {
    let map = json!({"app": "web"});
    let selector = Selector::from_map(map.as_object().unwrap());
    assert!(selector.matches(&labels(&[("app", "web"), ("x", "y")])));
    assert!(!selector.matches(&labels(&[("app", "db")])));
}

#[test]
fn the_size_of_a_selector_is_bounded() {
    let long = format!("a={}", "b".repeat(SELECTOR_BYTES_MAX));
    assert_eq!(
        Selector::parse(&long).unwrap_err().to_string(),
        "label selector must be no more than 65536 bytes"
    );
    let many = vec!["a"; REQUIREMENTS_MAX].join(",");
    assert!(Selector::parse(&many).is_ok());
    assert_eq!(
        Selector::parse(&format!("{many},a"))
            .unwrap_err()
            .to_string(),
        "label selector must have at most 1024 requirements"
    );
    let object: serde_json::Map<_, _> = (0..=REQUIREMENTS_MAX)
        .map(|i| (format!("k{i}"), json!("v")))
        .collect();
    assert!(Selector::from_object(&json!({"matchLabels": object})).is_err());
}

#[test]
fn any_text_is_answered_and_what_is_read_reads_again_the_same() {
    const SEED: u64 = 0x5eed_1abe;
    println!("seed {SEED:#x}");
    let mut state = SEED;
    let mut next = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % bound as u64).unwrap()
    };
    let words = [
        "a", "b9", "in", "notin", "(", ")", ",", "=", "==", "!=", "!", "<", ">", " ", "\t", "\0",
        "é", "5", "x.y/z", "%", "-",
    ];
    let mut read = 0;
    for _ in 0..20_000 {
        let text: String = (0..next(9)).map(|_| words[next(words.len())]).collect();
        let Ok(selector) = Selector::parse(&text) else {
            continue;
        };
        read += 1;
        let printed = selector.to_string();
        // A lone empty value prints as nothing, which reads as one again.
        assert_eq!(
            Selector::parse(&printed).as_ref(),
            Ok(&selector),
            "{text:?} {printed:?}"
        );
    }
    assert!(read > 1_000, "only {read} texts were selectors");
}
