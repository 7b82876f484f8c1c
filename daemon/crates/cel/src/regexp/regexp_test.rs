use super::Pattern;

fn find<'t>(pattern: &str, text: &'t str) -> Option<&'t str> {
    let pattern = Pattern::new(pattern).expect("a pattern");
    pattern.find(text).map(|(start, end)| &text[start..end])
}

fn refusal(pattern: &str) -> String {
    Pattern::new(pattern).map_or_else(|error| error.to_string(), |_| "none".to_owned())
}

#[test]
fn the_leftmost_match_of_the_first_alternative_is_found() {
    for (pattern, text, found) in [
        ("", "abc", Some("")),
        ("b+", "abbbc", Some("bbb")),
        ("b+?", "abbbc", Some("b")),
        ("a|ab", "ab", Some("a")),
        ("ab|a", "ab", Some("ab")),
        ("(?:a|ab)c", "abc", Some("abc")),
        ("(a*)*", "b", Some("")),
        ("(|a)*", "aa", Some("")),
        ("(|a)+", "aa", Some("")),
        ("^b", "ab", None),
        ("(?m)^b$", "a\nb\nc", Some("b")),
        ("a$", "a\n", None),
        (r"\bfoo\b", "a foo.", Some("foo")),
        (r"\Bo+", "foo", Some("oo")),
        ("x{2,3}", "xxxx", Some("xxx")),
        ("x{2,3}?", "xxxx", Some("xx")),
        ("x{,3}", "x{,3}", Some("x{,3}")),
        ("(?U)x+", "xx", Some("x")),
        ("(?U)x+?", "xx", Some("xx")),
        ("a.c", "a\nc", None),
        ("(?s)a.c", "a\nc", Some("a\nc")),
        ("[^a]", "a\n", Some("\n")),
        ("[]a]+", "a]b", Some("a]")),
        ("[a-]+", "-a", Some("-a")),
        ("[[a]+", "[a", Some("[a")),
        ("[a&&b]+", "a&b", Some("a&b")),
        (r"[\d\-x]+", "a1-x", Some("1-x")),
        ("[[:^alpha:]]+", "ab12", Some("12")),
        (r"\Qa.b\E+", "a.bb", Some("a.bb")),
        (r"\x41\x{42}\103\n", "ABC\n", Some("ABC\n")),
        ("(?i)straße", "STRAßE", Some("STRAßE")),
        ("(?i)k", "\u{212a}", Some("\u{212a}")),
        ("(?i)[^k]", "K", None),
        ("(?i:a)b", "Ab", Some("Ab")),
        ("(?i:a)b", "AB", None),
        ("((?i)a)b", "AB", None),
        (r"\pL+", "1äß2", Some("äß")),
        (r"\p{Lu}\P{Lu}", "aÄb", Some("Äb")),
        (r"\d", "٣", None),
        (r"\w", "ä", None),
        (
            "(?P<year>[0-9]{4})-(?<month>[0-9]{2})",
            "on 2026-07-01",
            Some("2026-07"),
        ),
    ] {
        assert_eq!(find(pattern, text), found, "{pattern}");
        let compiled = Pattern::new(pattern).expect("a pattern");
        assert_eq!(compiled.is_match(text), found.is_some(), "{pattern}");
    }
}

#[test]
fn all_matches_are_found_as_go_finds_them() {
    let all = |pattern: &str, text: &str, limit| {
        let found = Pattern::new(pattern).expect("a pattern");
        let found = found.find_all(text, limit);
        found
            .iter()
            .map(|part| (*part).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(all("[0-9]+", "123 abc 456", None), ["123", "456"]);
    assert_eq!(all("[0-9]*", "12ab3", None), ["12", "", "3"]);
    assert_eq!(all("a*", "baaä", None), ["", "aa", ""]);
    assert_eq!(all("a", "aaa", Some(2)), ["a", "a"]);
    assert_eq!(all("^a", "aaa", None), ["a"]);
    assert_eq!(all("a", "aaa", Some(0)), Vec::<String>::new());
}

#[test]
fn what_go_refuses_is_refused_in_its_words() {
    for (pattern, reason) in [
        ("(", "missing closing ): `(`"),
        ("a)", "unexpected ): `a)`"),
        ("[a", "missing closing ]: `[a`"),
        ("[b-a]", "invalid character class range: `b-a`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
        ("*", "missing argument to repetition operator: `*`"),
        ("a|*", "missing argument to repetition operator: `*`"),
        ("(+)", "missing argument to repetition operator: `+`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a+?*", "invalid nested repetition operator: `+?*`"),
        ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{3,2}", "invalid repeat count: `{3,2}`"),
        ("(a{100}){100}", "invalid repeat count: `{100}`"),
        ("a\\", "trailing backslash at end of expression: ``"),
        (r"\8", r"invalid escape sequence: `\8`"),
        (r"(a)\1", r"invalid escape sequence: `\1`"),
        (r"\Z", r"invalid escape sequence: `\Z`"),
        (r"\x{110000}", r"invalid escape sequence: `\x{110000}`"),
        (r"\p{Nope}", r"invalid character class range: `\p{Nope}`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?i-)", "invalid or unsupported Perl syntax: `(?i-)`"),
        ("(?P<a", "invalid named capture: `(?P<a`"),
        ("(?P<n>a)(?P<n>b)", "invalid named capture: `(?P<n>`"),
    ] {
        assert_eq!(refusal(pattern), format!("error parsing regexp: {reason}"));
    }
}

#[test]
fn patterns_that_would_grow_or_nest_too_much_are_refused() {
    let deep = format!("{}a{}", "(".repeat(201), ")".repeat(201));
    assert!(refusal(&deep).contains("expression nests too deeply"));
    let large = "(?:[a-z]{10}){100}".repeat(33);
    assert!(refusal(&large).contains("expression too large"));
    assert!(refusal(&"a".repeat(64 * 1024 + 1)).contains("expression too large"));
    // Large classes are kept once, however often they are repeated.
    let classes = format!("(?:[{0}][{0}][{0}][{0}][{0}]){{1000}}", "ab".repeat(5000));
    assert_eq!(refusal(&classes), "none");
}

#[test]
fn a_search_takes_no_more_than_linear_time() {
    let pattern = Pattern::new("(a*)*(a|aa)+$").expect("a pattern");
    assert!(!pattern.is_match(&format!("{}b", "a".repeat(20_000))));
}

/// The `regex` crate has the same semantics where both have the syntax.
#[test]
fn random_patterns_match_as_another_implementation_says() {
    let mut seed = 0x5eed_1234_u64;
    println!("seed {seed:#x}");
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed >> 33).unwrap_or(0) % below
    };
    let atoms = [
        "a", "b", "c", ".", "[ab]", "[^a]", "(a|b)", "(ab|a|)", "^", "$", r"\b", r"\B", "(a*)",
        "(?:b+?)", "(?i:A)",
    ];
    let repeats = [
        "", "", "", "*", "+", "?", "*?", "{2}", "{1,3}", "{0,2}?", "??",
    ];
    let mut matched = 0;
    for _ in 0..4000 {
        let mut pattern = String::new();
        for _ in 0..=random(4) {
            pattern.push_str(atoms[random(atoms.len())]);
            pattern.push_str(repeats[random(repeats.len())]);
            if random(8) == 0 {
                pattern.push('|');
            }
        }
        let text: String = (0..random(9))
            .map(|_| ['a', 'b', 'c', '\n'][random(4)])
            .collect();
        // Built without Unicode's cases.
        let theirs = regex::Regex::new(&pattern.replace("(?i:A)", "[aA]")).expect("a pattern");
        let ours = Pattern::new(&pattern).expect("a pattern");
        let expected = theirs.find(&text).map(|found| (found.start(), found.end()));
        assert_eq!(ours.find(&text), expected, "{pattern:?} in {text:?}");
        assert_eq!(
            ours.is_match(&text),
            expected.is_some(),
            "{pattern:?} in {text:?}"
        );
        matched += usize::from(expected.is_some());
    }
    assert!(matched > 1000, "{matched}");
}

/// pattern, texts that match, texts that do not
const CASES: &[(&str, &[&str], &[&str])] = &[
    ("^a+$", &["a", "aa"], &["", "ab", "a\n"]),
    (r"^\d\w\s$", &["1a ", "1_\t"], &["١a ", "1é "]),
    (r"^[\d.]+$", &["1.2"], &["a"]),
    (r"^[\w-]+$", &["a-b_1"], &["a b"]),
    (r"^[^\s]+$", &["ab"], &["a b"]),
    ("^a{2,3}$", &["aa", "aaa"], &["a", "aaaa"]),
    ("^a{,2}$", &["a{,2}"], &["aa"]),
    ("^a{$", &["a{"], &["a"]),
    ("^{}$", &["{}"], &[""]),
    (r"^\{x\}$", &["{x}"], &["x"]),
    ("(?i)^ab[c-e]$", &["ABC", "abE"], &["abf"]),
    ("^(?i:a)b$", &["Ab"], &["AB"]),
    ("^(?P<x>a)(?:b)$", &["ab"], &["a"]),
    ("^[[a]$", &["[", "a"], &["b"]),
    ("^[]a]$", &["]", "a"], &["b"]),
    ("^[a&&b]+$", &["a&b"], &["c"]),
    ("^[[:alpha:]-]+$", &["a-b"], &["1"]),
    (r"^\Qa.b\E$", &["a.b"], &["axb"]),
    (r"^\x41\x{42}\103$", &["ABC"], &["abc"]),
    (r"^\<a\>$", &["<a>"], &["a"]),
    (r"\ba\b", &["a b", "éa"], &["ab"]),
    (
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        &["a.b-c"],
        &["A", "a..b"],
    ),
    ("^$|^a$", &["", "a"], &["b"]),
    ("^.$", &["é"], &["\n", "ab"]),
];

#[test]
fn patterns_that_schemas_have_mean_what_they_mean_to_go() {
    for (pattern, good, bad) in CASES {
        let regex = Pattern::new(pattern).expect(pattern);
        for text in *good {
            assert!(regex.is_match(text), "{pattern} matches {text:?}");
        }
        for text in *bad {
            assert!(!regex.is_match(text), "{pattern} does not match {text:?}");
        }
    }
}

#[test]
fn odd_patterns_do_not_panic() {
    for pattern in [
        "\\",
        "[",
        "[\\",
        "[a-",
        "[a-\\",
        "(?",
        "(?P<",
        "(?<é>a)",
        "{",
        "{1",
        "\\x{",
        "\\x{d800}",
        "\\p",
        "\\p{",
        "[[:",
        "[[:x:]]",
        "(?i",
        "(?i-",
        "é{2}",
        "\\é",
        "[é-ü]",
        "\\777",
        "(?U)(a+)+$",
        "*",
        "+",
        "a|*",
    ] {
        let _ = Pattern::new(pattern);
    }
    let _ = Pattern::new(&"(".repeat(100_000));
    let _ = Pattern::new("(((a{1000}){1000}){1000})");
}
