//! The heads of requests and answers that pass: what is kept, dropped and added.
//!
//! Pure. Rules are those of Go's reverse proxy and of upstream's on top of it. Invariant: the
//! headers that say who asks are this server's own words, never the client's.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use skerry_rbac::User;

use crate::{query, user};

const REMOTE_USER: HeaderName = HeaderName::from_static("x-remote-user");
const REMOTE_GROUP: HeaderName = HeaderName::from_static("x-remote-group");
const REMOTE_UID: HeaderName = HeaderName::from_static("x-remote-uid");
const REMOTE_EXTRA: &str = "x-remote-extra-";
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");

/// What is between two ends of one connection only (RFC 9110, 7.6.1), and Go's list of the same.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "proxy-connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What a server behind the proxy does not decide.
const CORS: [&str; 4] = [
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
];

/// Whether a header speaks of who asks.
fn names_sender(name: &str) -> bool {
    name == "authorization"
        || name.starts_with("impersonate-")
        || name == "x-remote-user"
        || name == "x-remote-group"
        || name == "x-remote-uid"
        || name.starts_with(REMOTE_EXTRA)
}

/// The protocol that is asked for instead of HTTP.
pub(crate) fn upgrade_of(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut tokens = headers.get_all(header::CONNECTION).iter();
    let asks = tokens.any(|value| {
        let text = value.to_str().unwrap_or_default().to_ascii_lowercase();
        text.contains("upgrade")
    });
    headers.get(header::UPGRADE).filter(|_| asks)
}

/// Drops what belongs to one connection.
fn drop_hops(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// The head of a request as it goes on: without what is the client's own, with where it comes from.
pub(crate) fn forwarded(from: &HeaderMap, client: IpAddr) -> HeaderMap {
    let upgrade = upgrade_of(from).cloned();
    let takes_trailers = from.get_all(header::TE).iter().any(|value| {
        let mut words = value.to_str().unwrap_or_default().split(',');
        words.any(|word| word.trim().eq_ignore_ascii_case("trailers"))
    });
    let mut headers = from.clone();
    drop_hops(&mut headers);
    let own: Vec<HeaderName> = headers
        .keys()
        .filter(|name| names_sender(name.as_str()))
        .cloned()
        .collect();
    for name in own {
        headers.remove(name);
    }
    headers.remove(header::HOST);
    headers.remove("expect");
    if let Some(upgrade) = upgrade {
        headers.insert(header::UPGRADE, upgrade);
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    } else if takes_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    let mut hops: Vec<&str> = from
        .get_all(&FORWARDED_FOR)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let client = client.to_canonical().to_string();
    hops.push(&client);
    if let Ok(value) = HeaderValue::from_str(&hops.join(", ")) {
        headers.insert(FORWARDED_FOR, value);
    }
    headers
}

/// Adds whom the request is asked for.
pub(crate) fn as_user(headers: &mut HeaderMap, user: &User) {
    let mut add = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            headers.append(name, value);
        }
    };
    add(REMOTE_USER, &user.name);
    if !user.uid.is_empty() {
        add(REMOTE_UID, &user.uid);
    }
    for group in &user.groups {
        add(REMOTE_GROUP, group);
    }
    for (key, values) in &user.extra {
        let Ok(name) = format!("{REMOTE_EXTRA}{}", key_escaped(key)).parse::<HeaderName>() else {
            continue;
        };
        for value in values {
            add(name.clone(), value);
        }
    }
}

/// Whom a front proxy says that it asks for.
pub(crate) fn user_of(headers: &HeaderMap) -> Option<User> {
    let texts = |name: &HeaderName| -> Vec<String> {
        let values = headers.get_all(name).iter();
        let texts = values.filter_map(|value| value.to_str().ok());
        let texts = texts.filter(|text| !text.is_empty());
        texts.map(str::to_owned).collect()
    };
    let name = texts(&REMOTE_USER).into_iter().next()?;
    let mut user = user::authenticated(name, texts(&REMOTE_GROUP));
    user.uid = texts(&REMOTE_UID).into_iter().next().unwrap_or_default();
    for header in headers.keys() {
        if let Some(key) = header.as_str().strip_prefix(REMOTE_EXTRA) {
            user.extra.insert(query::decode_segment(key), texts(header));
        }
    }
    Some(user)
}

/// Adds what was asked of this server: `uri` is the whole path, before the proxy took its own part.
pub(crate) fn with_origin(headers: &mut HeaderMap, host: &str, uri: &str) {
    for (name, value) in [
        (FORWARDED_HOST, host),
        (FORWARDED_PROTO, "https"),
        (FORWARDED_URI, uri),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
}

/// The head of an answer as it goes on.
pub(crate) fn answered(headers: &mut HeaderMap) {
    drop_hops(headers);
    for name in CORS {
        headers.remove(name);
    }
}

/// A place that an answer sends the client to, as seen from the client: what is below the proxied
/// server goes through this one.
pub(crate) fn relocated(location: &str, authority: &str, prefix: &str) -> Option<String> {
    let uri: Uri = location.parse().ok()?;
    if uri
        .authority()
        .is_some_and(|other| other.as_str() != authority)
        || !location.contains('/')
    {
        return None;
    }
    if uri.authority().is_none() && !location.starts_with('/') {
        return None;
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    match path.starts_with(prefix) {
        true => Some(path.to_owned()),
        false => Some(format!("{prefix}{path}")),
    }
}

/// A key of extra values as it stands in a header's name: what no token has is percent-encoded
/// (upstream's `headerKeyEscape`).
fn key_escaped(key: &str) -> String {
    escaped(key, |byte| {
        byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte)
    })
}

/// A decoded path as it stands in a request.
pub(crate) fn path_escaped(path: &str) -> String {
    escaped(path, |byte| {
        byte.is_ascii_alphanumeric() || b"-_.~/$&+,:;=@!'()*".contains(&byte)
    })
}

/// A value as it stands in a query.
pub(crate) fn query_escaped(value: &str) -> String {
    escaped(value, |byte| {
        byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)
    })
}

fn escaped(text: &str, stays: impl Fn(u8) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match stays(byte) {
            true => escaped.push(byte.into()),
            false => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn nothing_that_a_client_says_about_itself_goes_on() {
        let asked = headers(&[
            ("Host", "api"),
            ("Authorization", "Bearer secret"),
            ("X-Remote-User", "system:admin"),
            ("X-Remote-Group", "system:masters"),
            ("X-Remote-Uid", "1"),
            ("X-Remote-Extra-Scopes", "all"),
            ("Impersonate-User", "somebody"),
            ("Impersonate-Extra-a", "b"),
            ("Connection", "keep-alive, X-Private"),
            ("X-Private", "1"),
            ("Transfer-Encoding", "chunked"),
            ("Accept", "application/json"),
            ("X-Forwarded-For", "192.0.2.1"),
        ]);
        let mut sent = forwarded(&asked, "::ffff:192.0.2.9".parse().unwrap());
        let user = User {
            name: "jane".into(),
            uid: "42".into(),
            groups: vec!["dev".into(), "system:authenticated".into()],
            extra: [(
                "example.com/Scope".to_owned(),
                vec!["a".to_owned(), "b".to_owned()],
            )]
            .into(),
        };
        as_user(&mut sent, &user);
        let wanted = headers(&[
            ("accept", "application/json"),
            ("x-forwarded-for", "192.0.2.1, 192.0.2.9"),
            ("x-remote-user", "jane"),
            ("x-remote-uid", "42"),
            ("x-remote-group", "dev"),
            ("x-remote-group", "system:authenticated"),
            ("x-remote-extra-example.com%2fscope", "a"),
            ("x-remote-extra-example.com%2fscope", "b"),
        ]);
        assert_eq!(sent, wanted);
    }

    #[test]
    fn an_upgrade_goes_on_as_one() {
        let asked = headers(&[
            ("Connection", "keep-alive, Upgrade"),
            ("Upgrade", "SPDY/3.1"),
        ]);
        assert_eq!(upgrade_of(&asked).unwrap(), "SPDY/3.1");
        let sent = forwarded(&asked, "192.0.2.9".parse().unwrap());
        assert_eq!(
            (&sent["connection"], &sent["upgrade"]),
            (&"Upgrade".parse().unwrap(), &"SPDY/3.1".parse().unwrap())
        );
        let plain = headers(&[("Upgrade", "h2c")]);
        assert_eq!(upgrade_of(&plain), None);
        assert!(!forwarded(&plain, "192.0.2.9".parse().unwrap()).contains_key("upgrade"));
    }

    #[test]
    fn a_redirect_within_the_proxied_server_leads_through_the_proxy() {
        let moved = |location| relocated(location, "10.0.0.1:80", "/api/v1/x/proxy");
        assert_eq!(
            moved("/login?a=b").as_deref(),
            Some("/api/v1/x/proxy/login?a=b")
        );
        assert_eq!(
            moved("http://10.0.0.1:80/a").as_deref(),
            Some("/api/v1/x/proxy/a")
        );
        assert_eq!(
            moved("/api/v1/x/proxy/a").as_deref(),
            Some("/api/v1/x/proxy/a")
        );
        assert_eq!(moved("https://example.com/a"), None);
        assert_eq!(moved("elsewhere"), None);
    }
}
