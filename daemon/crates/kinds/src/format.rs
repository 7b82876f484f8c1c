//! What names, labels, keys, ports and addresses may look like, and upstream's words for what is
//! wrong with them. Each check gives one message for each thing that is wrong.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::limits::{LABEL_BYTES_MAX, SUBDOMAIN_BYTES_MAX};

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";

/// What is wrong; empty for a good value.
pub type Messages = Vec<String>;

fn regex_message(what: &str, regex: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{what} (regex used for validation is '{regex}')");
    }
    let examples: Vec<String> = examples.iter().map(|e| format!("'{e}', ")).collect();
    let examples = examples.join(" or ");
    format!("{what} (e.g. {examples}regex used for validation is '{regex}')")
}

fn max_characters(limit: usize) -> String {
    format!("must be no more than {limit} characters")
}

fn max_bytes(limit: usize) -> String {
    format!("must be no more than {limit} bytes")
}

/// `must be between 1 and 65535, inclusive`.
pub(crate) fn inclusive_range(low: i64, high: i64) -> String {
    format!("must be between {low} and {high}, inclusive")
}

fn is_lower_alnum(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

/// Begins and ends with `edge`, and holds `inner` between.
fn is_framed(text: &str, edge: fn(u8) -> bool, inner: fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => edge(*first) && edge(*last) && bytes.iter().all(|b| inner(*b)),
        _ => false,
    }
}

fn is_label_text(text: &str) -> bool {
    is_framed(text, is_lower_alnum, |b| is_lower_alnum(b) || b == b'-')
}

fn is_subdomain_text(text: &str) -> bool {
    text.split('.').all(is_label_text)
}

/// What is wrong with a name that is a label.
pub fn dns_label(value: &str) -> Messages {
    let mut messages = Vec::new();
    if value.len() > LABEL_BYTES_MAX {
        messages.push(max_characters(LABEL_BYTES_MAX));
    }
    if !is_label_text(value) {
        messages.push(if is_subdomain_text(value) {
            "must not contain dots".to_owned()
        } else {
            regex_message(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters \
                 or '-', and must start and end with an alphanumeric character",
                LABEL,
                &["my-name", "123-abc"],
            )
        });
    }
    messages
}

/// A label that begins with a letter.
pub(crate) fn dns_1035_label(value: &str) -> Messages {
    let mut messages = Vec::new();
    if value.len() > LABEL_BYTES_MAX {
        messages.push(max_characters(LABEL_BYTES_MAX));
    }
    if !is_label_text(value) || !value.starts_with(|c: char| c.is_ascii_lowercase()) {
        messages.push(regex_message(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start \
             with an alphabetic character, and end with an alphanumeric character",
            "[a-z]([-a-z0-9]*[a-z0-9])?",
            &["my-name", "abc-123"],
        ));
    }
    messages
}

/// What is wrong with a name of labels joined with dots.
pub fn dns_subdomain(value: &str) -> Messages {
    let mut messages = Vec::new();
    if value.len() > SUBDOMAIN_BYTES_MAX {
        messages.push(max_characters(SUBDOMAIN_BYTES_MAX));
    }
    if !is_subdomain_text(value) {
        messages.push(regex_message(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
             '-' or '.', and must start and end with an alphanumeric character",
            SUBDOMAIN,
            &["example.com"],
        ));
    }
    messages
}

pub(crate) fn wildcard_subdomain(value: &str) -> Messages {
    let mut messages = Vec::new();
    if value.len() > SUBDOMAIN_BYTES_MAX {
        messages.push(max_characters(SUBDOMAIN_BYTES_MAX));
    }
    if !value.strip_prefix("*.").is_some_and(is_subdomain_text) {
        messages.push(regex_message(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS \
             subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and \
             end with an alphanumeric character",
            &format!(r"\*\.{SUBDOMAIN}"),
            &["*.example.com"],
        ));
    }
    messages
}

/// A search path of a resolver, whose labels may have underscores.
pub(crate) fn dns_search(value: &str) -> Messages {
    let edge = |b| is_lower_alnum(b);
    let is_label = |label: &str| {
        let label = label.strip_prefix('_').unwrap_or(label);
        is_framed(label, edge, |b| is_lower_alnum(b) || b == b'-' || b == b'_')
    };
    let label = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
    let mut messages = Vec::new();
    if value.len() > SUBDOMAIN_BYTES_MAX {
        messages.push(max_characters(SUBDOMAIN_BYTES_MAX));
    }
    if !value.split('.').all(is_label) {
        messages.push(regex_message(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
             '_', '-' or '.', and must start and end with an alphanumeric character",
            &format!(r"{label}(\.{label})*"),
            &["example.com"],
        ));
    }
    messages
}

/// What a list item's key, a label's key, a finalizer and a condition's type are.
pub fn label_key(value: &str) -> Messages {
    let shape = || {
        regex_message(
            "must consist of alphanumeric characters, '-', '_' or '.', and must start and end \
             with an alphanumeric character",
            "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]",
            &["MyName", "my.name", "123-abc"],
        )
    };
    let mut messages = Vec::new();
    let mut parts = value.split('/');
    let name = match (parts.next(), parts.next(), parts.next()) {
        (Some(name), None, _) => name,
        (Some(prefix), Some(name), None) => {
            if prefix.is_empty() {
                messages.push("prefix part must be non-empty".to_owned());
            } else {
                let wrong = dns_subdomain(prefix);
                messages.extend(wrong.into_iter().map(|m| format!("prefix part {m}")));
            }
            name
        }
        _ => {
            messages.push(format!(
                "a valid label key {} with an optional DNS subdomain prefix and '/' (e.g. \
                 'example.com/MyName')",
                shape()
            ));
            return messages;
        }
    };
    if name.is_empty() {
        messages.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_BYTES_MAX {
        messages.push(format!("name part {}", max_bytes(LABEL_BYTES_MAX)));
    }
    if !is_framed(name, |b| b.is_ascii_alphanumeric(), is_name_byte) {
        messages.push(format!("name part {}", shape()));
    }
    messages
}

fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')
}

pub(crate) fn label_value(value: &str) -> Messages {
    let mut messages = Vec::new();
    if value.len() > LABEL_BYTES_MAX {
        messages.push(max_bytes(LABEL_BYTES_MAX));
    }
    if !value.is_empty() && !is_framed(value, |b| b.is_ascii_alphanumeric(), is_name_byte) {
        messages.push(regex_message(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', \
             '_' or '.', and must start and end with an alphanumeric character",
            "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?",
            &["MyValue", "my_value", "12345"],
        ));
    }
    messages
}

/// A name that can be a part of a URL's path, as those of RBAC are.
pub(crate) fn path_segment(value: &str) -> Messages {
    if value == "." || value == ".." {
        return vec![format!("may not be '{value}'")];
    }
    path_segment_prefix(value)
}

pub(crate) fn path_segment_prefix(value: &str) -> Messages {
    ["/", "%"]
        .iter()
        .filter(|part| value.contains(**part))
        .map(|part| format!("may not contain '{part}'"))
        .collect()
}

/// A key in the data of a `ConfigMap` or `Secret`.
pub(crate) fn config_key(value: &str) -> Messages {
    let mut messages = Vec::new();
    if value.len() > SUBDOMAIN_BYTES_MAX {
        messages.push(max_characters(SUBDOMAIN_BYTES_MAX));
    }
    if value.is_empty() || !value.bytes().all(is_name_byte) {
        messages.push(regex_message(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            "[-._a-zA-Z0-9]+",
            &["key.name", "KEY_NAME", "key-name"],
        ));
    }
    match value {
        "." => messages.push("must not be '.'".to_owned()),
        ".." => messages.push("must not be '..'".to_owned()),
        value if value.starts_with("..") => {
            messages.push("must not start with '..'".to_owned());
        }
        _ => {}
    }
    messages
}

/// A name as programs have them.
pub(crate) fn c_identifier(value: &str) -> Messages {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let mut bytes = value.bytes();
    let is_one = bytes.next().is_some_and(is_letter)
        && bytes.all(|byte| is_letter(byte) || byte.is_ascii_digit());
    match is_one {
        true => Vec::new(),
        false => vec![regex_message(
            "a valid C identifier must start with alphabetic character or '_', followed by a \
             string of alphanumeric characters or '_'",
            "[A-Za-z_][A-Za-z0-9_]*",
            &["my_name", "MY_NAME", "MyName"],
        )],
    }
}

pub(crate) fn env_name(value: &str) -> Messages {
    let mut messages = Vec::new();
    if value.is_empty() {
        messages.push("environment variable name must be non-empty".to_owned());
    }
    if !value
        .bytes()
        .all(|b| (0x20..0x7f).contains(&b) && b != b'=')
    {
        messages.push(
            "a valid environment variable name must consist only of printable ASCII characters \
             other than '='"
                .to_owned(),
        );
    }
    messages
}

pub(crate) fn http_header(value: &str) -> Messages {
    if !value.is_empty()
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    {
        return Vec::new();
    }
    vec![regex_message(
        "a valid HTTP header must consist of alphanumeric characters or '-'",
        "[-A-Za-z0-9]+",
        &["X-Header-Name"],
    )]
}

pub(crate) fn port_number(port: i64) -> Messages {
    if (1..=65535).contains(&port) {
        return Vec::new();
    }
    vec![inclusive_range(1, 65535)]
}

pub(crate) fn port_name(value: &str) -> Messages {
    let mut messages = Vec::new();
    if value.len() > 15 {
        messages.push(max_characters(15));
    }
    if value.is_empty() || !value.bytes().all(|b| is_lower_alnum(b) || b == b'-') {
        messages.push(
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned(),
        );
    }
    if !value.bytes().any(|b| b.is_ascii_lowercase()) {
        messages.push("must contain at least one letter (a-z)".to_owned());
    }
    if value.contains("--") {
        messages.push("must not contain consecutive hyphens".to_owned());
    }
    if value.starts_with('-') || value.ends_with('-') {
        messages.push("must not begin or end with a hyphen".to_owned());
    }
    messages
}

pub(crate) fn percent(value: &str) -> Messages {
    let digits = value.strip_suffix('%').unwrap_or_default();
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Vec::new();
    }
    vec![regex_message(
        "a valid percent string must be a numeric string followed by an ending '%'",
        "[0-9]+%",
        &["1%", "93%"],
    )]
}

/// A `domain/path`, as the names of signers are.
pub(crate) fn is_qualified_path(value: &str) -> bool {
    value
        .split_once('/')
        .is_some_and(|(domain, path)| !domain.is_empty() && !path.is_empty())
}

/// An address, leading zeros tolerated, as upstream's older fields read it.
pub(crate) fn parse_ip(value: &str) -> Option<IpAddr> {
    if value.contains(':') {
        return value.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    let mut octets = [0_u8; 4];
    let mut parts = value.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        if part.is_empty() || part.len() > 10 || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *octet = part.parse().ok()?;
    }
    parts
        .next()
        .is_none()
        .then(|| IpAddr::V4(Ipv4Addr::from(octets)))
}

fn has_leading_zeros(value: &str) -> bool {
    !value.contains(':')
        && value
            .split('.')
            .any(|part| part.len() > 1 && part.starts_with('0'))
}

/// An address of a field from before addresses were checked strictly.
pub(crate) fn ip(value: &str) -> Messages {
    let Some(address) = parse_ip(value) else {
        return vec!["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".to_owned()];
    };
    let mut messages = Vec::new();
    if has_leading_zeros(value) {
        messages.push("must not have leading 0s".to_owned());
    }
    if is_mapped(address) {
        messages.push("must not be an IPv4-mapped IPv6 address".to_owned());
    }
    messages
}

fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some())
}

/// A range of addresses, of a field from before they were checked strictly.
pub(crate) fn cidr(value: &str) -> Messages {
    let Some((address, bits)) = parse_cidr(value) else {
        return vec!["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)".to_owned()];
    };
    let (host, prefix) = value.split_once('/').unwrap_or((value, ""));
    if has_leading_zeros(host) || (prefix.len() > 1 && prefix.starts_with('0')) {
        return vec!["must not have leading 0s in IP or prefix length".to_owned()];
    }
    if is_mapped(address) {
        return vec!["must not have an IPv4-mapped IPv6 address".to_owned()];
    }
    if has_host_bits(address, bits) {
        return vec!["must not have bits set beyond the prefix length".to_owned()];
    }
    Vec::new()
}

/// An address and the length of its prefix.
pub(crate) fn parse_cidr(value: &str) -> Option<(IpAddr, u32)> {
    let (host, prefix) = value.split_once('/')?;
    let address = parse_ip(host)?;
    let is_number = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
    let bits: u32 = is_number.then(|| prefix.parse().ok()).flatten()?;
    let bits_max = if address.is_ipv4() { 32 } else { 128 };
    (bits <= bits_max).then_some((address, bits))
}

fn has_host_bits(address: IpAddr, bits: u32) -> bool {
    match address {
        IpAddr::V4(v4) => u32::MAX.checked_shr(bits).unwrap_or(0) & v4.to_bits() != 0,
        IpAddr::V6(v6) => u128::MAX.checked_shr(bits).unwrap_or(0) & v6.to_bits() != 0,
    }
}

/// Whether one range lies within another.
pub(crate) fn cidr_contains(outer: (IpAddr, u32), inner: (IpAddr, u32)) -> bool {
    let matches = match (outer.0, inner.0) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= outer.1,
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= outer.1,
        _ => false,
    };
    matches && inner.1 >= outer.1
}

/// An address that makes sense as the end of a connection.
pub(crate) fn endpoint_ip(value: &str) -> Messages {
    let Some(address) = parse_ip(value) else {
        return vec!["must be a valid IP address".to_owned()];
    };
    let (is_link_local, is_link_local_multicast) = match address {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(v6) => (
            v6.is_unicast_link_local(),
            v6.segments()[0] & 0xff0f == 0xff02,
        ),
    };
    let mut messages = Vec::new();
    if address.is_unspecified() {
        messages.push(format!("may not be unspecified ({value})"));
    }
    if address.is_loopback() {
        messages.push("may not be in the loopback range (127.0.0.0/8, ::1/128)".to_owned());
    }
    if is_link_local {
        messages.push("may not be in the link-local range (169.254.0.0/16, fe80::/10)".to_owned());
    }
    if is_link_local_multicast {
        messages.push(
            "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)".to_owned(),
        );
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBDOMAIN_MESSAGE: &str = "a lowercase RFC 1123 subdomain must consist of lower case \
        alphanumeric characters, '-' or '.', and must start and end with an alphanumeric \
        character (e.g. 'example.com', regex used for validation is \
        '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

    #[test]
    fn a_subdomain_is_labels_joined_with_dots() {
        for good in ["a", "a.b", "a-b.c0", "0"] {
            assert!(dns_subdomain(good).is_empty(), "{good}");
        }
        for bad in ["", "A", "a..b", "-a", "a-", ".a", "a_b", "ä"] {
            assert_eq!(dns_subdomain(bad), [SUBDOMAIN_MESSAGE], "{bad}");
        }
        assert_eq!(
            dns_subdomain(&"a".repeat(254)),
            ["must be no more than 253 characters"]
        );
    }

    #[test]
    fn a_label_says_when_only_its_dots_are_wrong() {
        assert_eq!(dns_label("a.b"), ["must not contain dots"]);
        assert_eq!(
            dns_label("A"),
            [
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or \
              '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or \
              '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
            ]
        );
    }

    #[test]
    fn a_label_key_may_have_a_domain() {
        assert!(label_key("example.com/My_Name").is_empty());
        assert_eq!(label_key("/x"), ["prefix part must be non-empty"]);
        assert_eq!(
            label_key(&"a".repeat(64)),
            ["name part must be no more than 63 bytes"]
        );
        assert_eq!(label_key("")[0], "name part must be non-empty");
        assert!(label_key("a/b/c")[0].starts_with("a valid label key must consist of"));
    }

    #[test]
    fn addresses_are_checked_strictly() {
        for good in ["10.0.0.1", "::1", "2001:db8::ffff"] {
            assert!(ip(good).is_empty(), "{good}");
        }
        assert_eq!(ip("010.0.0.1"), ["must not have leading 0s"]);
        assert_eq!(
            ip("::ffff:1.2.3.4"),
            ["must not be an IPv4-mapped IPv6 address"]
        );
        assert_eq!(
            ip("1.2.3"),
            ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
        );
        assert_eq!(
            cidr("10.0.0.1/8"),
            ["must not have bits set beyond the prefix length"]
        );
        assert!(cidr("0.0.0.0/0").is_empty());
        assert!(cidr("::/0").is_empty());
        assert!(cidr("10.0.0.1/32").is_empty());
        assert_eq!(
            cidr("10.0.0.0/33"),
            ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]
        );
    }

    #[test]
    fn a_port_has_a_number_or_a_short_name() {
        assert_eq!(port_number(0), ["must be between 1 and 65535, inclusive"]);
        assert!(port_name("http-alt").is_empty());
        assert_eq!(port_name("80"), ["must contain at least one letter (a-z)"]);
        assert_eq!(port_name("a--b"), ["must not contain consecutive hyphens"]);
    }
}
