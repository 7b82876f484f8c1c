//! gRPC's statuses as HTTP answers, in the form that grpc-gateway gave them when etcd 3.5 was
//! made.

use http::{HeaderValue, Response, StatusCode, header};
use tonic::{Code, Status};

use super::to_json::write_text;
use crate::grpc::Body;

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// `{"error":...,"code":...,"message":...}` under the HTTP status of the code.
pub(super) fn answer(status: &Status) -> Response<Body> {
    let mut json = b"{\"error\":".to_vec();
    write_text(status.message(), &mut json);
    json.extend_from_slice(format!(",\"code\":{},\"message\":", status.code() as i32).as_bytes());
    write_text(status.message(), &mut json);
    json.push(b'}');
    with_json(http_status(status.code()), json)
}

/// A stream that failed before its first message.
pub(super) fn stream_answer(status: &Status) -> Response<Body> {
    with_json(http_status(status.code()), stream_chunk(status))
}

/// The last line of a stream that failed: `{"error":{"grpc_code":...}}`.
pub(super) fn stream_chunk(status: &Status) -> Vec<u8> {
    let http = http_status(status.code());
    let mut json = b"{\"error\":{".to_vec();
    json.extend_from_slice(
        format!(
            "\"grpc_code\":{},\"http_code\":{},\"message\":",
            status.code() as i32,
            http.as_u16()
        )
        .as_bytes(),
    );
    write_text(status.message(), &mut json);
    json.extend_from_slice(b",\"http_status\":");
    write_text(http.canonical_reason().unwrap_or_default(), &mut json);
    json.extend_from_slice(b"}}");
    json
}

/// An answer of Go's `http.Error`, as the gateway's router and etcd's access control give it.
pub(super) fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::full(format!("{text}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

fn with_json(status: StatusCode, json: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::full(json));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

/// The HTTP status that stands for a gRPC code.
pub(super) fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::Cancelled => StatusCode::REQUEST_TIMEOUT,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            StatusCode::BAD_REQUEST
        }
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
