//! `kubernetes.urls`: URLs taken apart.

use super::call::{function, library_type, plain, strings, text};
use super::price::CONVERT;
use super::url::{self, Url};
use crate::env::Version;
use crate::error::Error;
use crate::function::{Cost, Function, Library};
use crate::value::Value;

library_type!(Url, "kubernetes.URL");

pub(super) const LIBRARY: Library = Library {
    name: "kubernetes.urls",
    since: Version(1, 0),
    until: None,
    functions: TABLE,
    types: &[],
};

const TABLE: &[Function] = &[
    function(
        "string_to_url",
        "url(string): kubernetes.URL",
        |args| {
            Url::parse(text(args, 0)?)
                .map(Value::opaque)
                .map_err(|reason| {
                    Error::new(format!(
                        "URL parse error during conversion from string: {reason}"
                    ))
                })
        },
        CONVERT,
    ),
    plain(
        "url_get_scheme",
        "(kubernetes.URL).getScheme(): string",
        |args| part(args, |url| &url.scheme),
    ),
    plain(
        "url_get_host",
        "(kubernetes.URL).getHost(): string",
        |args| part(args, |url| &url.host),
    ),
    plain(
        "url_get_hostname",
        "(kubernetes.URL).getHostname(): string",
        |args| part(args, Url::hostname),
    ),
    plain(
        "url_get_port",
        "(kubernetes.URL).getPort(): string",
        |args| part(args, Url::port),
    ),
    plain(
        "url_get_escaped_path",
        "(kubernetes.URL).getEscapedPath(): string",
        |args| part(args, |url| &url.path),
    ),
    plain(
        "url_get_query",
        "(kubernetes.URL).getQuery(): map(string, list(string))",
        |args| {
            let query = super::call::opaque::<Url>(args, 0)?.query();
            let entries = query.into_iter();
            Value::map(entries.map(|(key, values)| (Value::string(key), strings(values))))
        },
    ),
    function(
        "is_url_string",
        "isURL(string): bool",
        |args| Ok(Value::Bool(url::check(text(args, 0)?).is_ok())),
        // Upstream's estimator knows `url`, not `isURL`.
        Cost::One,
    ),
];

fn part<'a>(args: &[Value<'a>], get: fn(&Url) -> &str) -> Result<Value<'a>, Error> {
    Ok(Value::string(get(super::call::opaque::<Url>(args, 0)?)))
}
