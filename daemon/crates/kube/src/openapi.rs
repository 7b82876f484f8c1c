//! `/openapi/v2` and `/openapi/v3`: documents that lie compressed in the binary.
//!
//! A client that takes gzip gets those bytes; for others they are inflated while they are sent.
//! Those of custom resources are made when they are asked for. Invariant: no document of the
//! built-in resources is ever whole in memory.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use skerry_custom::openapi::Swagger;
use skerry_schema::openapi::{self, Chunk, Document, Documents};

use crate::aggregate::Table;
use crate::answer::inject::{Inject, Insertion};
use crate::answer::{self, Answer, Body, gzip};
use crate::custom::Customs;
use crate::negotiate::{Form, prefers};
use crate::query::Query;
use crate::time;

static DOCUMENTS: LazyLock<Documents> = LazyLock::new(openapi::built_in_documents);

/// For how long a client may keep what it has asked for by its hash: a year.
const IMMUTABLE: Duration = Duration::from_secs(365 * 86_400);

/// What client-go asks for, by its old and its new name, and what it is given, of version 2.
const PROTOBUF_ASKED: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// Answers a path below `/openapi`; nothing where it is none.
pub(crate) fn answer(
    customs: &Customs,
    extensions: &Table,
    path: &str,
    query: &Query,
    headers: &HeaderMap,
) -> Option<Response<Body>> {
    let path = path.strip_prefix("/openapi/")?.trim_end_matches('/');
    if path == "v3" {
        let mut lines = DOCUMENTS.index();
        for (path, hash) in customs.documents() {
            let url = openapi::relative_url(&path, &hash);
            lines.entry(path).or_insert(url);
        }
        lines.extend(extensions.openapi_places());
        let document = openapi::index_document(&lines);
        return Some(answer::respond(
            Answer::Object(200, document),
            Form::PLAIN,
            &[],
        ));
    }
    if path == "v2" {
        let accept = said(headers, header::ACCEPT);
        let document = DOCUMENTS.version_2_protobuf();
        let protobuf = prefers(accept, PROTOBUF_ASKED) || prefers(accept, PROTOBUF);
        let fingerprints = [customs.fingerprint(), extensions.swagger_fingerprint()];
        let fingerprint: String = fingerprints.into_iter().flatten().collect();
        if !fingerprint.is_empty() {
            let hash = format!("{}{fingerprint}", document.hash());
            let own = || customs.version_2().chain(extensions.swaggers());
            return Some(merged(own, protobuf, &hash, headers));
        }
        if protobuf {
            return Some(send(document, PROTOBUF, headers));
        }
        let parts = stream::iter(DOCUMENTS.version_2_json().map(|part| Ok(Bytes::from(part))));
        let body = Body::parts(parts);
        return Some(finish(body, "application/json", document.hash(), headers));
    }
    let place = path.strip_prefix("v3/")?;
    let built_in = DOCUMENTS.version_3(place);
    let hash = match &built_in {
        Some(document) => document.hash().to_owned(),
        None => customs.documents().remove(place)?,
    };
    let asked = query.get("hash");
    if !asked.is_empty() && asked != hash {
        return Some(elsewhere(&openapi::relative_url(place, &hash)));
    }
    let response = match built_in {
        Some(document) => send(document, "application/json", headers),
        None => {
            let (group, version) = place.strip_prefix("apis/")?.split_once('/')?;
            match customs.version_3(group, version) {
                Ok(text) => finish(Body::Full(text.into()), "application/json", &hash, headers),
                Err(error) => return Some(answer::refuse(&error, Form::PLAIN, &[])),
            }
        }
    };
    Some(match asked {
        "" => response,
        _ => forever(response),
    })
}

/// The document of version 2 with what custom resources and extension servers add to it.
fn merged<I>(own: impl Fn() -> I, protobuf: bool, hash: &str, headers: &HeaderMap) -> Response<Body>
where
    I: Iterator<Item = Swagger> + Send + 'static,
{
    if protobuf {
        // Messages of protobuf one after the other are one message.
        let own = own().map(|swagger| swagger.protobuf());
        let parts = DOCUMENTS.version_2_protobuf().plain().chain(own);
        let body = Body::parts(stream::iter(parts.map(|part| Ok(Bytes::from(part)))));
        return finish(body, PROTOBUF, hash, headers);
    }
    let paths = own().map(|swagger| entries(&swagger.paths));
    let definitions = own().map(|swagger| entries(&swagger.definitions));
    let insertions = vec![
        Insertion {
            behind: b"\"paths\":{",
            pieces: Box::new(paths),
        },
        Insertion {
            behind: b"\"definitions\":{",
            pieces: Box::new(definitions),
        },
    ];
    let parts = Inject::new(DOCUMENTS.version_2_json(), insertions);
    let body = Body::parts(stream::iter(parts.map(|part| Ok(Bytes::from(part)))));
    finish(body, "application/json", hash, headers)
}

/// The entries of a JSON object that others follow.
fn entries(map: &serde_json::Map<String, serde_json::Value>) -> Vec<u8> {
    let mut text = Vec::new();
    for (key, value) in map {
        text.extend(serde_json::Value::from(key.as_str()).to_string().bytes());
        text.push(b':');
        text.extend(value.to_string().bytes());
        text.push(b',');
    }
    text
}

/// What is asked for by its hash never changes.
fn forever(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    let kept = HeaderValue::from_static("public, immutable");
    headers.insert(header::CACHE_CONTROL, kept);
    let end = time::http_date(time::now() + IMMUTABLE);
    if let Ok(end) = HeaderValue::from_str(&end) {
        headers.insert(header::EXPIRES, end);
    }
    response
}

/// Another hash is that of an older document: the client is told where the one of now is.
fn elsewhere(url: &str) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(url) = HeaderValue::from_str(url) {
        response.headers_mut().insert(header::LOCATION, url);
    }
    response
}

/// Discovery of everything at once: clients keep it, and ask whether it has changed.
pub(crate) fn tagged(
    text: Bytes,
    content_type: &'static str,
    headers: &HeaderMap,
) -> Response<Body> {
    let digest = ring::digest::digest(&ring::digest::SHA512, &text);
    let hash: String = digest.as_ref().iter().map(|b| format!("{b:02X}")).collect();
    let mut response = finish(Body::Full(text), content_type, &hash, headers);
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public"));
    response
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
