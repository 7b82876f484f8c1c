//! `/openapi/v2` and `/openapi/v3`: documents that lie compressed in the binary.
//!
//! A client that takes gzip gets those bytes; for others they are inflated while they are sent.
//! Invariant: no document is ever whole in memory.

use std::sync::LazyLock;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use skerry_schema::openapi::{self, Chunk, Document, Documents};

use crate::answer::{self, Answer, Body, gzip};
use crate::negotiate::{Form, prefers};

static DOCUMENTS: LazyLock<Documents> = LazyLock::new(openapi::built_in_documents);

/// What client-go asks for, and what it is given, of version 2.
const PROTOBUF_ASKED: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// Answers a path below `/openapi`; nothing where it is none.
pub(crate) fn answer(path: &str, headers: &HeaderMap) -> Option<Response<Body>> {
    let path = path.strip_prefix("/openapi/")?.trim_end_matches('/');
    if path == "v3" {
        let document = openapi::index_document(&DOCUMENTS.index());
        return Some(answer::respond(
            Answer::Object(200, document),
            Form::PLAIN,
            &[],
        ));
    }
    if path == "v2" {
        let accept = said(headers, header::ACCEPT);
        let document = DOCUMENTS.version_2_protobuf();
        if prefers(accept, PROTOBUF_ASKED) {
            return Some(send(document, PROTOBUF, headers));
        }
        let parts = stream::iter(DOCUMENTS.version_2_json().map(|part| Ok(Bytes::from(part))));
        let body = Body::parts(parts);
        return Some(finish(body, "application/json", document.hash(), headers));
    }
    let document = DOCUMENTS.version_3(path.strip_prefix("v3/")?)?;
    Some(send(document, "application/json", headers))
}

fn send(
    document: Document<'static>,
    content_type: &'static str,
    headers: &HeaderMap,
) -> Response<Body> {
    let takes_gzip = gzip::takes_gzip(headers);
    let body = match takes_gzip {
        true => Body::parts(stream::iter(document.gzip().map(|chunk| {
            Ok(match chunk {
                Chunk::Static(bytes) => Bytes::from_static(bytes),
                Chunk::Owned(bytes) => Bytes::from(bytes),
            })
        }))),
        false => Body::parts(stream::iter(
            document.plain().map(|part| Ok(Bytes::from(part))),
        )),
    };
    let mut response = finish(body, content_type, document.hash(), headers);
    if takes_gzip && response.status() == StatusCode::OK {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Adds what lets clients keep a document, and leaves it out for those that have it.
fn finish(
    body: Body,
    content_type: &'static str,
    hash: &str,
    headers: &HeaderMap,
) -> Response<Body> {
    let tag = format!("\"{hash}\"");
    let known = said(headers, header::IF_NONE_MATCH) == tag;
    let mut response = Response::new(if known { Body::Empty } else { body });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(
        header::VARY,
        HeaderValue::from_static("Accept-Encoding, Accept"),
    );
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

fn said(headers: &HeaderMap, name: HeaderName) -> &str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
