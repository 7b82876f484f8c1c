//! One request passed on, and its answer passed back.
//!
//! Knows nothing about who may ask what. Invariant: bodies go through piece by piece, as fast as
//! the slower end takes them.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body::Body as HttpBody;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use super::error::ProxyError;
use super::upstream::Upstream;
use super::{head, tunnel};
use crate::answer::Body;

/// What a request carries on.
pub(crate) type RequestBody = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// A client's body as it comes.
pub(crate) fn streamed<B>(body: Option<B>) -> RequestBody
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    match body {
        Some(body) => body.map_err(|error| Box::new(error) as _).boxed_unsync(),
        None => full(Bytes::new()),
    }
}

/// A body that is all there.
pub(crate) fn full(bytes: Bytes) -> RequestBody {
    match bytes.is_empty() {
        true => Empty::new().map_err(|never| match never {}).boxed_unsync(),
        false => Full::new(bytes)
            .map_err(|never| match never {})
            .boxed_unsync(),
    }
}

/// Whether a request asks for another protocol.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    head::upgrade_of(headers).is_some()
}

/// A request on its way.
pub(crate) struct Passing {
    pub(crate) upstream: Upstream,
    pub(crate) method: Method,
    /// Path and query there.
    pub(crate) target: String,
    /// See [`super::forwarded`].
    pub(crate) headers: HeaderMap,
    pub(crate) body: RequestBody,
    /// The client's end, where it wants another protocol.
    pub(crate) client: Option<OnUpgrade>,
    /// What the client has asked for: the host, and the path up to the proxied server's own.
    pub(crate) origin: (String, String),
    /// From here to the head of the answer.
    pub(crate) time: Option<Duration>,
}

impl Passing {
    /// Asks, and answers what is answered.
    pub(crate) async fn run(self) -> Result<Response<Body>, ProxyError> {
        match self.time {
            None => self.pass().await,
            Some(time) => match tokio::time::timeout(time, self.pass()).await {
                Ok(passed) => passed,
                Err(_) => Err(ProxyError::Timeout),
            },
        }
    }

    async fn pass(mut self) -> Result<Response<Body>, ProxyError> {
        let upgrades = is_upgrade(&self.headers);
        let place = match upgrades {
            true => Some(tunnel::place()?),
            false => None,
        };
        let (host, prefix) = &self.origin;
        if !upgrades {
            let path = self.target.split('?').next().unwrap_or_default();
            head::with_origin(&mut self.headers, host, &format!("{prefix}{path}"));
        }
        let uri: Uri = self
            .target
            .parse()
            .map_err(|error| ProxyError::Http(format!("{:?}: {error}", self.target)))?;
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers;
        let mut response = self.upstream.send(request, upgrades).await?;
        let status = response.status();
        let Some(place) = place else {
            let authority = self.upstream.destination.to_string();
            let (mut parts, body) = response.into_parts();
            head::answered(&mut parts.headers);
            relocate(&mut parts.headers, &authority, prefix);
            let place = parts.extensions.remove();
            return Ok(Response::from_parts(parts, Body::Passed(body, place)));
        };
        if status != StatusCode::SWITCHING_PROTOCOLS {
            if status.as_u16() < 400 {
                return Err(ProxyError::NotUpgraded(status.as_u16()));
            }
            let (mut parts, body) = response.into_parts();
            head::answered(&mut parts.headers);
            let close = HeaderValue::from_static("close");
            parts.headers.insert(header::CONNECTION, close);
            return Ok(Response::from_parts(parts, Body::Passed(body, None)));
        }
        let client = self
            .client
            .ok_or_else(|| ProxyError::Http("request connection cannot be hijacked".into()))?;
        tunnel::join(client, hyper::upgrade::on(&mut response), place);
        let (parts, _) = response.into_parts();
        let mut switched = Response::new(Body::Empty);
        *switched.status_mut() = status;
        *switched.headers_mut() = parts.headers;
        Ok(switched)
    }
}

fn relocate(headers: &mut HeaderMap, authority: &str, prefix: &str) {
    let Some(location) = headers.get(header::LOCATION) else {
        return;
    };
    let location = location.to_str().unwrap_or_default();
    let moved = head::relocated(location, authority, prefix);
    if let Some(Ok(value)) = moved.map(HeaderValue::try_from) {
        headers.insert(header::LOCATION, value);
    }
}

/// Asks something on this server's own behalf, without a body.
pub(crate) async fn ask(
    upstream: &Upstream,
    method: Method,
    target: &str,
    headers: HeaderMap,
) -> Result<Response<Incoming>, ProxyError> {
    let uri: Uri = target
        .parse()
        .map_err(|error| ProxyError::Http(format!("{target:?}: {error}")))?;
    let mut request = Request::new(full(Bytes::new()));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    upstream.send(request, false).await
}
