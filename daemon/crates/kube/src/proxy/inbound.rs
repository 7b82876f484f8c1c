//! A client's request as it comes in to be passed on.
//!
//! Knows nothing about where it goes.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, header};
use http_body::Body as HttpBody;
use hyper::upgrade::OnUpgrade;
use skerry_listen::Peer;

use super::pass::{Passing, RequestBody, is_upgrade, streamed};
use super::upstream::Upstream;
use super::{head, pass};

/// See the module.
pub(crate) struct Inbound {
    pub(crate) method: Method,
    /// Without what is the client's own; see [`head::forwarded`].
    pub(crate) headers: HeaderMap,
    host: String,
    pub(crate) path: String,
    /// As it was sent; empty where there was none.
    pub(crate) query: String,
    body: RequestBody,
    client: Option<OnUpgrade>,
}

impl Inbound {
    /// Takes the body.
    pub(crate) fn new<B>(peer: &Peer, from: &Parts, body: Option<B>) -> Inbound
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let host = from.headers.get(header::HOST);
        let host = host.and_then(|host| host.to_str().ok());
        let authority = from.uri.authority().map(|authority| authority.as_str());
        let upgrades = is_upgrade(&from.headers);
        Inbound {
            method: from.method.clone(),
            headers: head::forwarded(&from.headers, peer.address.ip()),
            host: host.or(authority).unwrap_or_default().to_owned(),
            path: from.uri.path().to_owned(),
            query: from.uri.query().unwrap_or_default().to_owned(),
            body: match upgrades {
                true => pass::full(Bytes::new()),
                false => streamed(body),
            },
            client: from.extensions.get().filter(|_| upgrades).cloned(),
        }
    }

    /// Whether another protocol is asked for.
    pub(crate) fn is_upgrade(&self) -> bool {
        is_upgrade(&self.headers)
    }

    /// The path in two: what leads to the proxied server, and the last so many segments, which are
    /// its own, with the slash before them.
    pub(crate) fn split(&self, own: usize) -> (&str, &str) {
        split(&self.path, own)
    }

    /// Goes on to `upstream` as `target`, its path and query there.
    pub(crate) fn to(self, upstream: Upstream, target: String, prefix: &str) -> Passing {
        Passing {
            upstream,
            method: self.method,
            target,
            headers: self.headers,
            body: self.body,
            client: self.client,
            origin: (self.host, prefix.to_owned()),
            time: None,
        }
    }
}

fn split(path: &str, own: usize) -> (&str, &str) {
    let count = path.split('/').filter(|part| !part.is_empty()).count();
    let mut left = count.saturating_sub(own);
    let mut at = 0;
    for part in path.split_inclusive('/') {
        let part_is_empty = part == "/";
        if left == 0 && !part_is_empty {
            break;
        }
        if !part_is_empty {
            left -= 1;
            if left == 0 {
                at += part.trim_end_matches('/').len();
                break;
            }
        }
        at += part.len();
    }
    path.split_at(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxied_servers_own_path_is_what_follows() {
        let path = "/api/v1/namespaces/a/pods/b/proxy/c%20d/e/";
        assert_eq!(
            split(path, 2),
            ("/api/v1/namespaces/a/pods/b/proxy", "/c%20d/e/")
        );
        assert_eq!(
            split("/api/v1/nodes/n/proxy", 0),
            ("/api/v1/nodes/n/proxy", "")
        );
        assert_eq!(
            split("/api/v1/nodes/n/proxy/", 0),
            ("/api/v1/nodes/n/proxy", "/")
        );
        assert_eq!(
            split("//api/v1/nodes/n/proxy//x", 1),
            ("//api/v1/nodes/n/proxy", "//x")
        );
    }
}
