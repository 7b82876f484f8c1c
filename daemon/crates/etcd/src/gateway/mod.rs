//! The JSON gateway: etcd's gRPC methods at HTTP paths (`/v3/kv/range` and so on).
//!
//! Pure transcoding. A request's JSON becomes the very gRPC request that a client would have sent
//! and goes through the same dispatcher, in this process; the answer's frames become JSON. Knows
//! nothing about any method. Invariant: a request that came through here never carries the
//! identity of its TLS connection, only its token.

mod budget;
mod limits;
mod refusal;
mod request;
mod response;
mod routes;
mod schema;
mod split;
mod to_json;
mod to_proto;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as HttpBody;
use tonic::Status;

pub(crate) use request::Frames;

use crate::grpc::Body;
use schema::{Schema, SchemaError};

/// Where all paths of the gateway begin.
const PREFIX: &str = "/v3/";
/// What older clients say instead.
const BETA_PREFIX: &str = "/v3beta/";

/// Headers that go on as gRPC metadata under the name behind this one.
const METADATA_PREFIX: &str = "grpc-metadata-";

/// What answers gRPC requests in this process.
pub(crate) trait Calls {
    /// Answers one gRPC request, whose caller has no certificate.
    fn call(&self, request: Request<Frames>) -> impl Future<Output = Response<Body>> + Send;
}

/// Whether a path is one of the gateway's.
pub(crate) fn serves(path: &str) -> bool {
    path.starts_with(PREFIX) || path.starts_with(BETA_PREFIX)
}

/// Answers a request for which [`serves`] says yes.
pub(crate) async fn answer<B, C>(calls: &C, request: Request<B>) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Unpin + Send + 'static,
    B::Error: std::fmt::Display,
    C: Calls,
{
    let (parts, body) = request.into_parts();
    let path = match parts.uri.path().strip_prefix(BETA_PREFIX) {
        Some(rest) => &format!("{PREFIX}{rest}"),
        None => parts.uri.path(),
    };
    let Some(method_path) = routes::method_of(path) else {
        return refusal::plain(StatusCode::NOT_FOUND, "Not Found");
    };
    if parts.method != Method::POST {
        return refusal::plain(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    }
    let Ok(schema) = schema() else {
        return refusal::answer(&Status::internal("the gateway does not know the protocol"));
    };
    let Some(method) = schema.method(method_path) else {
        return refusal::answer(&Status::unimplemented(format!(
            "unknown method {method_path}"
        )));
    };

    let frames = if method.client_streams {
        request::many(Arc::clone(&schema), method.input, body).await
    } else {
        request::single(&schema, method.input, body, limits::BODY_TIME_MAX).await
    };
    let frames = match frames {
        Ok(frames) => frames,
        Err(status) => return refusal::answer(&status),
    };
    let response = calls
        .call(grpc_request(method_path, &parts.headers, frames))
        .await;
    if method.server_streams {
        response::many(schema, method.output, response).await
    } else {
        response::single(schema, method.output, response).await
    }
}

/// etcd's refusal of a gateway request whose certificate has a name, while names in certificates
/// say who a caller is: here that name could not be used, which the client might not expect.
pub(crate) fn refuse_common_name() -> Response<Body> {
    refusal::plain(
        StatusCode::BAD_REQUEST,
        "CommonName of client sending a request against gateway will be ignored and not used as \
         expected",
    )
}

/// The headers by which etcd lets pages of any origin ask.
pub(crate) fn allow_any_origin(headers: &mut HeaderMap) {
    for (name, value) in [
        (
            header::ACCESS_CONTROL_ALLOW_METHODS,
            "POST, GET, OPTIONS, PUT, DELETE",
        ),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "accept, content-type, authorization",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// The request that a gRPC client would have sent.
fn grpc_request(path: &'static str, headers: &HeaderMap, frames: Frames) -> Request<Frames> {
    let mut request = Request::new(frames);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static(path);
    let metadata = request.headers_mut();
    metadata.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    metadata.insert(header::TE, HeaderValue::from_static("trailers"));
    for (name, value) in headers {
        let name = if *name == header::AUTHORIZATION || name.as_str() == "grpc-timeout" {
            name.clone()
        } else {
            let behind = name.as_str().strip_prefix(METADATA_PREFIX);
            match behind.and_then(|name| HeaderName::from_bytes(name.as_bytes()).ok()) {
                Some(name) => name,
                None => continue,
            }
        };
        metadata.append(name, value.clone());
    }
    request
}

/// The protocol's shapes: read when the first request comes, as most servers see none.
fn schema() -> Result<Arc<Schema>, &'static SchemaError> {
    static SCHEMA: LazyLock<Result<Arc<Schema>, SchemaError>> =
        LazyLock::new(|| Schema::parse(crate::rpc::DESCRIPTORS).map(Arc::new));
    SCHEMA.as_ref().map(Arc::clone)
}
