//! From what a verb has found to the bytes of an answer.
//!
//! Knows nothing about the store.

pub(crate) mod body;
pub(crate) mod encode;
pub(crate) mod gzip;
pub(crate) mod inject;
pub(crate) mod pretty;
pub(crate) mod splice;
pub(crate) mod yaml;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::Value;

use crate::error::ApiError;
use crate::limits::WARNINGS_RUNES_MAX;
use crate::negotiate::{Encoding, Form};
use pretty::Indenter;

pub use body::Body;

/// What a verb has found.
pub(crate) enum Answer {
    /// One object or document, in its final shape.
    Object(u16, Value),
    /// JSON that is made while it is sent.
    Parts(body::Parts),
    /// As [`Answer::Parts`], without end: one JSON document a line.
    Events(body::Parts),
    /// As [`Answer::Parts`] and [`Answer::Events`], of another kind than JSON.
    Stream(&'static str, body::Parts),
    /// Bytes of another kind.
    Raw(&'static str, Bytes),
}

/// Makes a response of an answer.
pub(crate) fn respond(answer: Answer, form: Form, warnings: &[String]) -> Response<Body> {
    let (code, content_type, body) = match answer {
        Answer::Object(code, value) => {
            let (code, content_type, bytes) = encoded(code, &value, form);
            (code, content_type, Body::Full(bytes))
        }
        Answer::Parts(parts) => {
            use futures_util::StreamExt;
            let mut indenter = form.pretty.then(Indenter::default);
            let parts = parts.map(move |part| {
                let part = part?;
                Ok(match &mut indenter {
                    Some(indenter) => Bytes::from(indenter.indent(&part)),
                    None => part,
                })
            });
            (200, "application/json", Body::parts(parts))
        }
        Answer::Events(parts) => (200, "application/json", Body::parts(parts)),
        Answer::Stream(content_type, parts) => (200, content_type, Body::parts(parts)),
        Answer::Raw(content_type, content) => (200, content_type, Body::Full(content)),
    };
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if !content_type.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, private"),
    );
    for warning in warnings {
        if let Ok(value) = HeaderValue::from_str(&warning_header(warning)) {
            headers.append(header::WARNING, value);
        }
    }
    response
}

/// Words for people, as upstream's server answers where there is no object.
pub(crate) fn text(code: u16, text: String) -> Response<Body> {
    let answer = Answer::Raw("text/plain; charset=utf-8", Bytes::from(text));
    let mut response = respond(answer, Form::PLAIN, &[]);
    *response.status_mut() =
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let nosniff = HeaderValue::from_static("nosniff");
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

/// Makes a response of an error.
pub(crate) fn refuse(error: &ApiError, form: Form, warnings: &[String]) -> Response<Body> {
    let form = Form {
        shape: crate::negotiate::Shape::Plain,
        ..form
    };
    let mut response = respond(Answer::Object(error.code, error.status()), form, warnings);
    if let Some(seconds) = error.retry_after {
        let value = HeaderValue::from(seconds);
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

/// `299 - "text"` (RFC 7234, 5.5), without what would break a header.
fn warning_header(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 8);
    for c in text.chars().take(WARNINGS_RUNES_MAX) {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if c.is_control() => {}
            c => quoted.push(c),
        }
    }
    format!("299 - \"{quoted}\"")
}

/// The code, which is another one where the value cannot be written; its media type; its bytes.
fn encoded(code: u16, value: &Value, form: Form) -> (u16, &'static str, Bytes) {
    let (api_version, kind) = said(value);
    let form = match form.shape {
        // A Status is answered to those who asked for metadata, too.
        crate::negotiate::Shape::Partial if kind != "PartialObjectMetadata" => Form {
            shape: crate::negotiate::Shape::Plain,
            ..form
        },
        _ => form,
    };
    let form = form.of_kind(api_version, kind);
    let bytes = match form.encoding {
        Encoding::Yaml => Bytes::from(yaml::write(value)),
        Encoding::Protobuf => match protobuf(value) {
            Ok(bytes) => Bytes::from(bytes),
            Err(error) => {
                let status = Bytes::from(json(&error.status()));
                return (error.code, Form::PLAIN.content_type(), status);
            }
        },
        Encoding::Json => {
            let compact = json(value);
            let mut bytes = match form.pretty {
                true => Indenter::default().indent(&compact),
                false => compact,
            };
            bytes.push(b'\n');
            Bytes::from(bytes)
        }
    };
    (code, form.content_type(), bytes)
}

/// An object that says what it is, as protobuf.
fn protobuf(value: &Value) -> Result<Vec<u8>, ApiError> {
    let (api_version, kind) = said(value);
    skerry_wire::encode(value, api_version, kind).map_err(unwritable)
}

/// One event of a watch as protobuf.
pub(crate) fn protobuf_event(event_type: &str, value: &Value) -> Result<Vec<u8>, ApiError> {
    let (api_version, kind) = said(value);
    skerry_wire::event(event_type, value, api_version, kind).map_err(unwritable)
}

/// What was stored is not what its kind says.
pub(crate) fn unwritable(error: skerry_wire::EncodeError) -> ApiError {
    ApiError::internal(format!("an object cannot be written as protobuf: {error}"))
}

fn said(value: &Value) -> (&str, &str) {
    let text = |name| value.get(name).and_then(Value::as_str).unwrap_or_default();
    (text("apiVersion"), text("kind"))
}

/// Compact JSON.
pub(crate) fn json(value: &Value) -> Vec<u8> {
    // Writing a Value to memory cannot fail: its keys are texts.
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_a_header_whatever_it_says() {
        let text = warning_header("unknown field \"a\\b\"\r\nX: y");
        assert_eq!(text, "299 - \"unknown field \\\"a\\\\b\\\"X: y\"");
    }
}
