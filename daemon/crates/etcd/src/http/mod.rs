//! Plain HTTP beside gRPC: health, version, metrics.

mod health;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use crate::api::Api;
use crate::grpc::Body;
use crate::{metrics, version};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// Answers a request that is not gRPC's. No body is read: none of these takes one.
pub(crate) async fn answer(api: Arc<Api>, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path();
    let known = matches!(
        path,
        "/health" | "/version" | "/metrics" | "/livez" | "/readyz"
    ) || path.starts_with("/livez/")
        || path.starts_with("/readyz/");
    if !known {
        return text(StatusCode::NOT_FOUND, "404 page not found\n");
    }
    if request.method() != Method::GET {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n");
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("GET"));
        return response;
    }
    let query = request.uri().query().unwrap_or("");
    match path {
        "/version" => {
            let (server, cluster) = (version::SERVER, version::CLUSTER);
            let versions = format!("{{\"etcdserver\":\"{server}\",\"etcdcluster\":\"{cluster}\"}}");
            content(StatusCode::OK, JSON, versions)
        }
        "/metrics" => content(
            StatusCode::OK,
            skerry_metrics::MEDIA_TYPE,
            metrics::render(&api),
        ),
        "/health" => health::health(&api, query).await,
        _ => health::checks(&api, path, query).await,
    }
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = content(status, TEXT, text);
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

fn content(status: StatusCode, kind: &'static str, content: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::full(content));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// The values of a parameter of a query, as they stand: none of ours needs unescaping.
fn parameters<'a>(query: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(move |(key, _)| *key == name)
        .map(|(_, value)| value)
}
