//! What 6443 answers besides the API and administrators, where there is no member: its authority,
//! and to whoever wants to join, how that is done here.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::json;
use skerry_pki::Pki;
use skerry_supervisor::ReplyBody;

/// See the module.
pub(crate) struct WithoutMember {
    ca_bundle: Bytes,
}

impl WithoutMember {
    pub(crate) fn of(pki: &Pki) -> WithoutMember {
        WithoutMember {
            ca_bundle: Bytes::from(pki.ca_bundle().to_owned()),
        }
    }

    /// Answers what a member's supervisor would.
    pub(crate) fn answer<B>(&self, request: &Request<B>) -> Response<ReplyBody> {
        const TEXT: &str = "text/plain; charset=utf-8";
        match request.uri().path() {
            "/cacerts" => reply(StatusCode::OK, TEXT, self.ca_bundle.clone()),
            "/ping" => reply(StatusCode::OK, TEXT, Bytes::from_static(b"pong")),
            _ => {
                let message = "the servers of this cluster are on a foreign datastore: start the \
                               one that joins with their --datastore-endpoint and token, and \
                               without --server";
                let body = json!({"reason": "failed", "message": message}).to_string();
                reply(StatusCode::CONFLICT, "application/json", body.into())
            }
        }
    }
}

fn reply(status: StatusCode, kind: &'static str, body: Bytes) -> Response<ReplyBody> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
