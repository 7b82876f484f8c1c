use super::named::FORMATS;

fn complaints(name: &str, text: &str) -> Vec<String> {
    let format = FORMATS
        .iter()
        .find(|format| format.name == name)
        .expect("a format");
    (format.check)(text)
}

#[test]
fn good_texts_have_no_complaints() {
    for (name, text) in [
        ("dns1123Label", "my-label-name"),
        ("dns1123Subdomain", "apiextensions.k8s.io"),
        ("dns1035Label", "my-label-name"),
        ("qualifiedName", "apiextensions.k8s.io/v1beta1"),
        ("dns1123LabelPrefix", "my-label-prefix-"),
        ("dns1123SubdomainPrefix", "mysubdomain.prefix.-"),
        ("dns1035LabelPrefix", "my-label-prefix-"),
        ("labelValue", "my-cool-label-Value"),
        ("labelValue", ""),
        ("uri", "http://example.com"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000"),
        ("uuid", "123E4567E89B12D3A456426614174000"),
        ("byte", "aGVsbG8="),
        ("date", "2024-02-29"),
        ("datetime", "2021-01-01T00:00:00Z"),
        ("datetime", "2021-01-01t23:59:59.123+01:00"),
    ] {
        assert_eq!(
            complaints(name, text),
            Vec::<String>::new(),
            "{name} {text}"
        );
    }
}

#[test]
fn bad_texts_are_refused_in_upstreams_words() {
    for (name, text, start) in [
        (
            "dns1123Label",
            "contains a space",
            "a lowercase RFC 1123 label must consist of",
        ),
        ("dns1123Label", "a.b", "must not contain dots"),
        ("dns1123Label", "", "a lowercase RFC 1123 label"),
        (
            "dns1123Subdomain",
            "a..b",
            "a lowercase RFC 1123 subdomain must consist of",
        ),
        ("dns1035Label", "1a", "a DNS-1035 label must consist of"),
        ("qualifiedName", "a b", "name part must consist of"),
        (
            "dns1123LabelPrefix",
            "a space-",
            "a lowercase RFC 1123 label",
        ),
        ("dns1123LabelPrefix", "-", "a lowercase RFC 1123 label"),
        (
            "labelValue",
            "a!",
            "a valid label must be an empty string or consist of",
        ),
        ("uri", "nope", "parse \"nope\": invalid URI for request"),
        ("uuid", "123e4567", "does not match the UUID format"),
        ("byte", "aGVsbG8", "invalid base64"),
        ("byte", "", "invalid base64"),
        ("byte", "a===", "invalid base64"),
        ("date", "2020-01-32", "invalid date"),
        ("date", "2023-02-29", "invalid date"),
        ("date", "2020-1-02", "invalid date"),
        ("datetime", "2020-01-32T00:00:00Z", "invalid datetime"),
        ("datetime", "2020-01-01T24:00:00Z", "invalid datetime"),
        ("datetime", "2020-01-01", "invalid datetime"),
    ] {
        let found = complaints(name, text);
        assert!(
            found.iter().any(|text| text.starts_with(start)),
            "{name} {text}: {found:?}"
        );
    }
    let long = "a".repeat(64);
    assert_eq!(
        complaints("dns1123Label", &long),
        ["must be no more than 63 characters"]
    );
    assert_eq!(
        complaints("labelValue", &long),
        ["must be no more than 63 bytes"]
    );
}
