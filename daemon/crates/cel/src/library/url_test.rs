use super::url::{self, Url};

#[test]
fn urls_are_taken_apart_as_go_does() {
    // The text, then scheme, host, hostname, port, path.
    for (text, parts) in [
        (
            "https://example.com:80/path",
            ["https", "example.com:80", "example.com", "80", "/path"],
        ),
        (
            "HTTPS://Example.com",
            ["https", "Example.com", "Example.com", "", ""],
        ),
        ("https://[::1]:80/", ["https", "[::1]:80", "::1", "80", "/"]),
        (
            "https://[fe80::1%25en0]/",
            ["https", "[fe80::1%en0]", "fe80::1%en0", "", "/"],
        ),
        ("/path", ["", "", "", "", "/path"]),
        ("https://u:p@h/a b", ["https", "h", "h", "", "/a%20b"]),
        ("https://h/%41!ä", ["https", "h", "h", "", "/A%21%C3%A4"]),
        ("https://h/%41!", ["https", "h", "h", "", "/%41!"]),
        ("mailto:a@b", ["mailto", "", "", "", ""]),
        ("*", ["", "", "", "", "*"]),
        ("https://h:/x", ["https", "h:", "h", "", "/x"]),
        ("https://h?q", ["https", "h", "h", "", ""]),
        ("https://h/p#frag/x", ["https", "h", "h", "", "/p"]),
        ("file:///etc", ["file", "", "", "", "/etc"]),
    ] {
        let url = Url::parse(text).expect("a URL");
        let found = [
            &url.scheme,
            &url.host,
            url.hostname(),
            url.port(),
            &url.path,
        ];
        assert_eq!(found, parts, "{text}");
    }
}

#[test]
fn queries_have_their_values_in_order() {
    let query = |text: &str| Url::parse(text).expect("a URL").query();
    let strings = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        query("https://h/p?k1=a&k2=b&k2=c+d&bad=%zz&x;y=1&&e"),
        [
            ("k1".to_owned(), strings(&["a"])),
            ("k2".to_owned(), strings(&["b", "c d"])),
            ("e".to_owned(), strings(&[""])),
        ]
    );
    assert_eq!(
        query("https://h/p?key with spaces=value with spaces"),
        [(
            "key with spaces".to_owned(),
            strings(&["value with spaces"])
        )]
    );
    assert!(query("https://h/p?").is_empty());
}

#[test]
fn what_is_no_url_is_refused_in_gos_words() {
    for (text, reason) in [
        ("", "empty url"),
        ("../relative-path", "invalid URI for request"),
        ("https://a:b:c/", "invalid port \":b:c\" after host"),
        ("https://h:x/", "invalid port \":x\" after host"),
        (":foo", "missing protocol scheme"),
        ("https://a b/", "invalid character \" \" in host name"),
        ("https://h/%zz", "invalid URL escape \"%zz\""),
        ("https://h/%1", "invalid URL escape \"%1\""),
        ("https://[::1", "missing ']' in host"),
        ("https://[1.2.3.4]/", "invalid IP-literal"),
        ("https://%41/", "invalid URL escape \"%41\""),
        ("https://u[@h/", "net/url: invalid userinfo"),
    ] {
        let wanted = format!("parse \"{text}\": {reason}");
        assert_eq!(url::check(text), Err(wanted.clone()));
        assert_eq!(Url::parse(text), Err(wanted));
    }
    assert_eq!(
        url::check("/a\nb"),
        Err("parse \"/a\\nb\": net/url: invalid control character in URL".to_owned())
    );
}

#[test]
fn urls_are_equal_when_they_print_alike() {
    let url = |text: &str| Url::parse(text).expect("a URL");
    assert_eq!(url("HTTP://h/a b"), url("http://h/a%20b"));
    assert_ne!(url("http://h/a"), url("http://h/a?"));
    assert_ne!(url("http://h/a"), url("http://h/a#b"));
}
