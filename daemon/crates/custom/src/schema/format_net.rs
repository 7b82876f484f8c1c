//! Formats of the net: addresses, names of hosts, mail and links.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::format::{is_digits, is_hex};

/// Addresses of version 4 may have zeros in front, as Go once took them.
pub(super) fn is_sloppy_ip(text: &str) -> bool {
    is_sloppy_ipv4(text)
        || text.parse::<Ipv6Addr>().is_ok()
        || text
            .rsplit_once(':')
            .is_some_and(|(head, tail)| is_sloppy_ipv4(tail) && ends_like_ipv6(head))
}

fn ends_like_ipv6(head: &str) -> bool {
    format!("{head}:0.0.0.0").parse::<Ipv6Addr>().is_ok()
}

fn is_sloppy_ipv4(text: &str) -> bool {
    let mut parts = 0;
    let is_good = text.split('.').all(|part| {
        parts += 1;
        is_digits(part)
            && part
                .trim_start_matches('0')
                .parse::<u8>()
                .map_or_else(|_| part.bytes().all(|b| b == b'0'), |_| true)
    });
    is_good && parts == 4
}

pub(super) fn is_sloppy_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    let bits_max = if address.contains(':') { 128 } else { 32 };
    let is_address = match address.contains(':') {
        true => is_sloppy_ip(address),
        false => is_sloppy_ipv4(address) || address.parse::<Ipv4Addr>().is_ok(),
    };
    is_address && is_digits(bits) && bits.parse::<u32>().is_ok_and(|bits| bits <= bits_max)
}

pub(super) fn is_mac(text: &str) -> bool {
    let grouped = |separator: char, digits: usize, counts: &[usize]| {
        let groups: Vec<&str> = text.split(separator).collect();
        counts.contains(&groups.len()) && groups.iter().all(|g| g.len() == digits && is_hex(g))
    };
    grouped(':', 2, &[6, 8, 20]) || grouped('-', 2, &[6, 8, 20]) || grouped('.', 4, &[3, 4, 10])
}

/// What may stand in the name of a host: letters, digits, and symbols beyond ASCII.
fn is_host_char(c: char) -> bool {
    match c {
        '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~' => true,
        c if c.is_ascii() => c.is_ascii_alphanumeric(),
        c => !c.is_whitespace() && !c.is_control(),
    }
}

pub(super) fn is_hostname(text: &str) -> bool {
    if text.len() > 255 || text.split('.').any(|label| label.len() > 63) {
        return false;
    }
    let labels: Vec<&str> = text.split('.').collect();
    let [heads @ .., last] = labels.as_slice() else {
        return false;
    };
    if heads.is_empty() {
        let mut chars = last.chars();
        let is_first_good = chars.next().is_some_and(is_host_char);
        let rest = chars.as_str();
        let rest = rest.strip_prefix('-').unwrap_or(rest);
        return is_first_good && rest.chars().all(is_host_char);
    }
    let is_label = |label: &&str| {
        let is_edge = |c: Option<char>| c.is_some_and(is_host_char);
        is_edge(label.chars().next())
            && is_edge(label.chars().next_back())
            && label.chars().all(|c| is_host_char(c) || c == '-')
    };
    heads.iter().all(is_label) && last.chars().count() >= 2 && last.chars().all(char::is_alphabetic)
}

/// An address as in a mail's head: `a@b.example`, or `Name <a@b.example>`.
pub(super) fn is_email(text: &str) -> bool {
    let text = text.trim_matches([' ', '\t']);
    let address = match text.strip_suffix('>') {
        Some(head) => match head.rsplit_once('<') {
            Some((name, address)) if is_display_name(name) => address,
            _ => return false,
        },
        None => text,
    };
    let Some((local, domain)) = address.rsplit_once('@') else {
        return false;
    };
    let is_quoted = local.len() >= 2
        && local.starts_with('"')
        && local.ends_with('"')
        && !local[1..local.len() - 1].contains(['"', '\\', '\n', '\r']);
    let is_literal = domain
        .strip_prefix('[')
        .and_then(|domain| domain.strip_suffix(']'))
        .is_some_and(|ip| {
            is_sloppy_ipv4(ip) || ip.trim_start_matches("IPv6:").parse::<Ipv6Addr>().is_ok()
        });
    (is_quoted || is_dot_atom(local)) && (is_literal || is_dot_atom(domain))
}

fn is_atom_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || !c.is_ascii()
}

fn is_dot_atom(text: &str) -> bool {
    text.split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(is_atom_char))
}

fn is_display_name(text: &str) -> bool {
    let text = text.trim_matches([' ', '\t']);
    let is_quoted = text.len() >= 2 && text.starts_with('"') && text.ends_with('"');
    is_quoted
        || text
            .chars()
            .all(|c| is_atom_char(c) || matches!(c, ' ' | '\t' | '.'))
}

/// What may stand in the first line of a request: an absolute address, or an absolute path.
pub(super) fn is_request_uri(text: &str) -> bool {
    if text.is_empty() || text.bytes().any(|b| b < 0x20 || b == 0x7f) {
        return false;
    }
    if text == "*" {
        return true;
    }
    let (scheme, rest) = match scheme_of(text) {
        Ok(parts) => parts,
        Err(()) => return false,
    };
    let path = rest.split_once('?').map_or(rest, |(path, _)| path);
    if !path.starts_with('/') {
        // What has a scheme and no slash is opaque, and anything goes.
        return !scheme.is_empty();
    }
    match path
        .strip_prefix("//")
        .filter(|_| !scheme.is_empty() || !path.starts_with("///"))
    {
        Some(after) if !scheme.is_empty() => {
            let (authority, path) = match after.find('/') {
                Some(at) => after.split_at(at),
                None => (after, ""),
            };
            is_authority(authority) && has_good_escapes(path)
        }
        _ => has_good_escapes(path),
    }
}

fn scheme_of(text: &str) -> Result<(&str, &str), ()> {
    for (i, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if i > 0 => {}
            ':' if i == 0 => return Err(()),
            ':' => return Ok((&text[..i], &text[i + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}

fn has_good_escapes(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    let mut escapes = bytes.iter().enumerate().filter(|(_, b)| **b == b'%');
    escapes.all(|(i, _)| is_hex(i + 1) && is_hex(i + 2))
}

fn is_authority(text: &str) -> bool {
    let host = text.rsplit_once('@').map_or(text, |(_, host)| host);
    let is_port = |port: &str| {
        port.is_empty()
            || port
                .strip_prefix(':')
                .is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()))
    };
    if let Some(inner) = host.strip_prefix('[') {
        return inner.split_once(']').is_some_and(|(_, port)| is_port(port));
    }
    let port = host.rfind(':').map_or("", |at| &host[at..]);
    let is_host_byte =
        |b: u8| b >= 0x80 || b.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"%".contains(&b);
    is_port(port) && host.bytes().all(is_host_byte) && !host.contains('%')
}
