//! What formats take and refuse.

use super::format::accepts;

/// format, taken, refused
const CASES: &[(&str, &[&str], &[&str])] = &[
    (
        "bsonobjectid",
        &["507f1f77bcf86cd799439011"],
        &["507f", "zzzf1f77bcf86cd799439011"],
    ),
    (
        "uri",
        &["http://a.example/b?c", "/a/b", "mailto:x@y", "*"],
        &["", "a/b", ":x", "http://a b/", "/%zz"],
    ),
    (
        "email",
        &["a@b.example", "A B <a@b.example>", "\"a b\"@c"],
        &["", "a", "a@", "@b", "a..b@c", "a b@c"],
    ),
    (
        "hostname",
        &["a", "a.example", "1.a-b.example", "somehost.com"],
        &["", "-a.example", "a_b.example", "a.example-", "a..b"],
    ),
    (
        "ipv4",
        &["1.2.3.4", "01.2.3.4"],
        &["1.2.3", "::1", "1.2.3.256", ""],
    ),
    ("ipv6", &["::1", "fe80::1"], &["1.2.3.4", ":::", ""]),
    (
        "cidr",
        &["10.0.0.0/8", "::/0", "010.0.0.0/8"],
        &["10.0.0.0", "10.0.0.0/33", "::/129", "x/1"],
    ),
    (
        "mac",
        &["01:02:03:04:05:06", "01-02-03-04-05-06", "0102.0304.0506"],
        &["01:02", "0x:02:03:04:05:06"],
    ),
    (
        "uuid",
        &[
            "a8098c1a-f86e-11da-bd1a-00112444be1e",
            "A8098C1AF86E11DABD1A00112444BE1E",
        ],
        &["a8098c1a", "a8098c1a-f86e-11da-bd1a-00112444be1e0"],
    ),
    (
        "uuid4",
        &["025b0d74-00a2-4048-bf57-227c5111bb34"],
        &["025b0d74-00a2-5048-bf57-227c5111bb34"],
    ),
    (
        "uuid3",
        &["bcd02e22-68f0-3046-a512-327cca9def8f"],
        &["bcd02e22-68f0-4046-a512-327cca9def8f"],
    ),
    (
        "uuid5",
        &["886313e1-3b8a-5372-9b90-0c9aee199e5d"],
        &["886313e1-3b8a-5372-cb90-0c9aee199e5d"],
    ),
    (
        "isbn",
        &["0321751043", "978-0321751041"],
        &["0321751042", "978-0321751042", ""],
    ),
    ("isbn10", &["0321751043"], &["978-0321751041"]),
    ("isbn13", &["978 0321751041"], &["0321751043"]),
    (
        "creditcard",
        &["4111-1111-1111-1111", "378282246310005"],
        &["4111-1111-1111-1112", "1"],
    ),
    (
        "ssn",
        &["111-11-1111", "111 11 1111"],
        &["111111111", "111-11-111a"],
    ),
    ("hexcolor", &["#FFFFFF", "fff"], &["#ffff", "ggg"]),
    (
        "rgbcolor",
        &["rgb(1, 2,255)"],
        &["rgb(1,2)", "rgb(1,2,256)", "rgb(01,2,3)"],
    ),
    ("byte", &["aGVsbG8=", "YQ=="], &["", "a", "a===", "aGVsbG8"]),
    ("password", &["", "x"], &[]),
    (
        "date",
        &["2026-02-28", "2024-02-29"],
        &["2026-02-29", "2026-13-01", "2026-1-1", ""],
    ),
    (
        "date-time",
        &["2014-12-15T19:30:20.000Z", "2026-01-01t00:00:00+01:00"],
        &["2014-12-15", "2014-12-15T25:00:00Z", "2014-12-15T19:30:20"],
    ),
    (
        "duration",
        &["22 ns", "1h30m", "3 days", "0", "-1.5s"],
        &["", "x", "1", "1 parsec"],
    ),
    ("k8s-short-name", &["a-b", "1"], &["A", "-a", "a.b", ""]),
    ("k8s-long-name", &["a.b-c"], &["a..b", "A", ""]),
    ("unheard-of", &["", "x"], &[]),
];

#[test]
fn texts_are_taken_and_refused_as_their_format_says() {
    for (format, taken, refused) in CASES {
        for text in *taken {
            assert!(accepts(format, text), "{format} takes {text:?}");
        }
        for text in *refused {
            assert!(!accepts(format, text), "{format} refuses {text:?}");
        }
    }
}

#[test]
fn odd_texts_do_not_panic() {
    for (format, _, _) in CASES {
        for text in [
            "é",
            "😀😀😀😀",
            "\u{0}",
            "------------",
            "1µs",
            "::::",
            "2026-01-é1",
            "12:34:5é",
        ] {
            accepts(format, text);
            accepts(format, &text.repeat(50));
        }
    }
}
