use super::semver::Version;
use std::cmp::Ordering;

fn parse(text: &str) -> Version {
    Version::parse(text).expect("a version")
}

#[test]
fn versions_are_ordered_as_the_standard_says() {
    let order = [
        "1.0.0-0",
        "1.0.0-2",
        "1.0.0-10",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-rc.1",
        "1.0.0",
        "1.0.1",
        "1.2.0",
        "2.0.0",
        "10.0.0",
    ];
    for (index, left) in order.iter().enumerate() {
        for (other, right) in order.iter().enumerate() {
            assert_eq!(
                parse(left).cmp(&parse(right)),
                index.cmp(&other),
                "{left} {right}"
            );
        }
    }
    assert_eq!(parse("1.0.0+a").cmp(&parse("1.0.0+b")), Ordering::Equal);
    let version = parse("1.2.3-beta.1+build.1");
    assert_eq!((version.major, version.minor, version.patch), (1, 2, 3));
}

#[test]
fn what_is_no_version_is_refused_in_upstreams_words() {
    for (text, reason) in [
        ("", "Version string empty"),
        ("v1.0", "No Major.Minor.Patch elements found"),
        (
            "v1.0.0",
            "Invalid character(s) found in major number \"v1\"",
        ),
        (
            "1. 0.0",
            "Invalid character(s) found in minor number \" 0\"",
        ),
        (
            "1.0.0 ",
            "Invalid character(s) found in patch number \"0 \"",
        ),
        (
            "01.0.0",
            "Major number must not contain leading zeroes \"01\"",
        ),
        (
            "1.0.00",
            "Patch number must not contain leading zeroes \"00\"",
        ),
        ("1..0", "strconv.ParseUint: parsing \"\": invalid syntax"),
        (
            "1.99999999999999999999.0",
            "strconv.ParseUint: parsing \"99999999999999999999\": value out of range",
        ),
        ("1.0.0-", "Prerelease is empty"),
        (
            "1.0.0-01",
            "Numeric PreRelease version must not contain leading zeroes \"01\"",
        ),
        (
            "1.0.0-a_b",
            "Invalid character(s) found in prerelease \"a_b\"",
        ),
        ("1.0.0+", "Build meta data is empty"),
        (
            "1.0.0+a_b",
            "Invalid character(s) found in build meta data \"a_b\"",
        ),
    ] {
        assert_eq!(Version::parse(text), Err(reason.to_owned()));
    }
}

#[test]
fn versions_can_be_normalized() {
    for (text, plain) in [
        ("v1.0.0", "1.0.0"),
        ("1", "1.0.0"),
        ("1.1", "1.1.0"),
        ("01.01.01", "1.1.1"),
        ("v1.2.3-rc.1", "1.2.3-rc.1"),
        ("1.1.00-rc", "1.1.0-rc"),
    ] {
        assert_eq!(Version::parse_normalized(text), Ok(parse(plain)), "{text}");
    }
    for text in ["", " 1.0.0", "1. 0.0", "1.0.0 ", "1-rc", "vv1", "V1.0.0"] {
        assert!(Version::parse_normalized(text).is_err(), "{text}");
    }
}
