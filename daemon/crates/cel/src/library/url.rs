//! URLs as Go's `net/url` reads them, with its errors.
//!
//! Knows nothing about values of the language. Two ways of reading, as upstream: a request's URI
//! must be absolute and has no fragment; a URL may have one.

use super::address;
use skerry_selector::quoted;

/// A URL, taken apart. Equal when it prints alike.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Url {
    pub(super) scheme: String,
    opaque: String,
    user: Option<(Vec<u8>, Option<Vec<u8>>)>,
    pub(super) host: String,
    /// The path, escaped.
    pub(super) path: String,
    query: String,
    has_empty_query: bool,
    fragment: Vec<u8>,
}

/// What a part of a URL may hold unescaped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Host,
    Zone,
    Other,
}

impl Url {
    /// As upstream's `url()`.
    ///
    /// # Errors
    /// Go's words for what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        check(text)?;
        let (url, fragment) = text.split_once('#').unwrap_or((text, ""));
        let mut parsed = parse(url, false).map_err(|reason| refusal(url, &reason))?;
        parsed.fragment =
            unescape(fragment, Part::Other).map_err(|reason| refusal(text, &reason))?;
        Ok(parsed)
    }

    pub(super) fn hostname(&self) -> &str {
        let (host, _) = self.host_and_port();
        host.strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host)
    }

    pub(super) fn port(&self) -> &str {
        self.host_and_port().1
    }

    fn host_and_port(&self) -> (&str, &str) {
        match self.host.rsplit_once(':') {
            Some((host, port)) if is_number(port) => (host, port),
            _ => (&self.host, ""),
        }
    }

    /// The keys of the query in order with their values; what is malformed is left out.
    pub(super) fn query(&self) -> Vec<(String, Vec<String>)> {
        let mut pairs: Vec<(String, Vec<String>)> = Vec::new();
        for part in self.query.split('&') {
            if part.is_empty() || part.contains(';') {
                continue;
            }
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let decode = |text: &str| {
                let bytes = unescape(&text.replace('+', " "), Part::Other).ok()?;
                Some(String::from_utf8_lossy(&bytes).into_owned())
            };
            let (Some(key), Some(value)) = (decode(key), decode(value)) else {
                continue;
            };
            match pairs.iter_mut().find(|(known, _)| *known == key) {
                Some((_, values)) => values.push(value),
                None => pairs.push((key, vec![value])),
            }
        }
        pairs
    }
}

/// As Go's `ParseRequestURI`: what `isURL` and the format `uri` ask.
///
/// # Errors
/// Go's words for what is wrong.
pub(super) fn check(text: &str) -> Result<(), String> {
    parse(text, true)
        .map(drop)
        .map_err(|reason| refusal(text, &reason))
}

fn refusal(text: &str, reason: &str) -> String {
    format!("parse {}: {reason}", quoted(text))
}

fn parse(text: &str, is_request: bool) -> Result<Url, String> {
    if text.bytes().any(|b| b < b' ' || b == 0x7f) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    if text.is_empty() && is_request {
        return Err("empty url".to_owned());
    }
    let mut url = Url::default();
    if text == "*" {
        "*".clone_into(&mut url.path);
        return Ok(url);
    }
    let (scheme, rest) = scheme(text)?;
    url.scheme = scheme.to_ascii_lowercase();
    let (mut rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    query.clone_into(&mut url.query);
    url.has_empty_query = query.is_empty() && text.ends_with('?');
    if !rest.starts_with('/') {
        if !scheme.is_empty() {
            rest.clone_into(&mut url.opaque);
            return Ok(url);
        }
        if is_request {
            return Err("invalid URI for request".to_owned());
        }
        if rest
            .split('/')
            .next()
            .is_some_and(|segment| segment.contains(':'))
        {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    let may_have_host = !scheme.is_empty() || (!is_request && !rest.starts_with("///"));
    if may_have_host && let Some(authority) = rest.strip_prefix("//") {
        let end = authority.find('/').unwrap_or(authority.len());
        let (authority, path) = authority.split_at(end);
        rest = path;
        (url.user, url.host) = parse_authority(authority)?;
    }
    url.path = escaped_path(rest)?;
    Ok(url)
}

/// The scheme, if there is one, and what follows it.
fn scheme(text: &str) -> Result<(&str, &str), String> {
    for (index, b) in text.bytes().enumerate() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok((&text[..index], &text[index + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}

type User = (Vec<u8>, Option<Vec<u8>>);

fn parse_authority(authority: &str) -> Result<(Option<User>, String), String> {
    let Some((user, host)) = authority.rsplit_once('@') else {
        return Ok((None, parse_host(authority)?));
    };
    let host = parse_host(host)?;
    let is_valid = |b: u8| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&b);
    if !user.bytes().all(is_valid) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    let user = match user.split_once(':') {
        Some((name, password)) => (
            unescape(name, Part::Other)?,
            Some(unescape(password, Part::Other)?),
        ),
        None => (unescape(user, Part::Other)?, None),
    };
    Ok((Some(user), host))
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn check_port(port: &str) -> Result<(), String> {
    if port.is_empty() || port.strip_prefix(':').is_some_and(is_number) {
        Ok(())
    } else {
        Err(format!("invalid port {} after host", quoted(port)))
    }
}

fn parse_host(host: &str) -> Result<String, String> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    match host.rfind('[') {
        Some(0) => {}
        Some(_) => return Err("invalid IP-literal".to_owned()),
        None => {
            let port = host.find(':').map_or("", |colon| &host[colon..]);
            check_port(port)?;
            return unescape(host, Part::Host).map(text);
        }
    }
    let Some((name, port)) = host[1..].rsplit_once(']') else {
        return Err("missing ']' in host".to_owned());
    };
    check_port(port)?;
    let name = match name.find("%25") {
        Some(zone) => {
            let mut whole = unescape(&name[..zone], Part::Host)?;
            whole.extend(unescape(&name[zone..], Part::Zone)?);
            text(whole)
        }
        None => text(unescape(name, Part::Host)?),
    };
    if address::parse_ipv6(&name).map_err(|error| format!("invalid host: {error}"))? {
        Ok(format!("[{name}]{port}"))
    } else {
        Err("invalid IP-literal".to_owned())
    }
}

/// The path as it was given where that is well escaped, else escaped anew.
fn escaped_path(raw: &str) -> Result<String, String> {
    let path = unescape(raw, Part::Path)?;
    let stays = |b: u8| b"!$&'()*+,;=:@[]%".contains(&b) || !must_escape(b, Part::Path);
    if raw.bytes().all(stays) {
        return Ok(raw.to_owned());
    }
    let mut escaped = String::with_capacity(path.len());
    for b in path {
        if must_escape(b, Part::Path) {
            escaped.push_str(&format!("%{b:02X}"));
        } else {
            escaped.push(char::from(b));
        }
    }
    Ok(escaped)
}

fn must_escape(b: u8, part: Part) -> bool {
    if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) {
        return false;
    }
    match part {
        Part::Host | Part::Zone => !b"!$&'()*+,;=:[]<>\"".contains(&b),
        Part::Path => !b"$&+,/:;=@".contains(&b),
        Part::Other => true,
    }
}

fn unescape(text: &str, part: Part) -> Result<Vec<u8>, String> {
    let in_host = matches!(part, Part::Host | Part::Zone);
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let b = bytes[at];
        if b != b'%' {
            if in_host && b.is_ascii() && must_escape(b, part) {
                let c = quoted(&char::from(b).to_string());
                return Err(format!("invalid character {c} in host name"));
            }
            plain.push(b);
            at += 1;
            continue;
        }
        let sequence = &bytes[at..bytes.len().min(at + 3)];
        let invalid = || {
            let text = String::from_utf8_lossy(sequence);
            format!("invalid URL escape {}", quoted(&text))
        };
        let hex = |place: usize| {
            sequence
                .get(place)
                .and_then(|b| char::from(*b).to_digit(16))
        };
        let (Some(high), Some(low)) = (hex(1), hex(2)) else {
            return Err(invalid());
        };
        let value = u8::try_from(high * 16 + low).unwrap_or_default();
        let is_percent = sequence == b"%25";
        if part == Part::Host && high < 8 && !is_percent {
            return Err(invalid());
        }
        if part == Part::Zone && !is_percent && value != b' ' && must_escape(value, Part::Host) {
            return Err(invalid());
        }
        plain.push(value);
        at += 3;
    }
    Ok(plain)
}
