//! From the bytes of a body to a value: JSON, YAML or protobuf, bounded in size, depth and time.
//!
//! Knows nothing about what the value means. Invariant: no value that leaves here is deeper than
//! [`DEPTH_MAX`](crate::limits::DEPTH_MAX).

mod json;
mod manifest;
pub(crate) mod protobuf;
pub(crate) mod weight;
mod yaml;

pub use manifest::{ManifestError, manifest};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::Body;
use serde_json::Value;

use crate::error::ApiError;
use crate::limits::{BODY_BYTES_MAX, BODY_TIME_MAX, DRAIN_BYTES_MAX, DRAIN_TIME_MAX};

/// A body that was understood.
#[derive(Debug, Clone, Default)]
pub(crate) struct Decoded {
    pub(crate) value: Value,
    /// What was there more than once, of which the last counts; of YAML with its line.
    pub(crate) duplicates: Vec<String>,
}

/// What bodies are accepted, for the message of a 415.
const ACCEPTED: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// Bytes of a body that are shown where it cannot be read, as upstream has it.
const SUMMARY_BYTES: usize = 30;

/// Reads a whole body.
pub(crate) async fn read<B>(body: B) -> Result<Bytes, ApiError>
where
    B: Body<Data = Bytes>,
    B::Error: std::error::Error,
{
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(ApiError::too_large(BODY_BYTES_MAX));
    }
    tokio::time::timeout(BODY_TIME_MAX, read_all(body))
        .await
        .unwrap_or_else(|_| {
            let message = "the body of the request took too long to arrive";
            Err(ApiError::new(408, "Timeout", message))
        })
}

/// Takes in what is left of a body that was answered without: a client that is still sending it
/// would see its connection end, and no answer.
pub(crate) async fn drain<B>(body: &mut B)
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut left = DRAIN_BYTES_MAX;
    let drained = async {
        while !body.is_end_stream()
            && let Some(Ok(frame)) = body.frame().await
        {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            left = match left.checked_sub(bytes) {
                Some(left) => left,
                None => return,
            };
        }
    };
    // Whoever is slower than this has to do without.
    let _ = tokio::time::timeout(DRAIN_TIME_MAX, drained).await;
}

async fn read_all<B>(body: B) -> Result<Bytes, ApiError>
where
    B: Body<Data = Bytes>,
    B::Error: std::error::Error,
{
    let mut body = std::pin::pin!(body);
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ApiError::bad_request(error.to_string()))?;
        if let Ok(part) = frame.into_data() {
            if whole.len() + part.len() > BODY_BYTES_MAX {
                return Err(ApiError::too_large(BODY_BYTES_MAX));
            }
            whole.extend_from_slice(&part);
        }
    }
    Ok(whole.freeze())
}

/// The media type of a body, without its parameters; JSON where none is named.
pub(crate) fn media_type(headers: &HeaderMap) -> &str {
    let named = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    match named.split(';').next().unwrap_or_default().trim() {
        "" => "application/json",
        named => named,
    }
}

/// Decodes an object by its media type.
pub(crate) fn decode(media_type: &str, body: &[u8]) -> Result<Decoded, ApiError> {
    match media_type {
        "application/json" => json(body),
        "application/yaml" | "application/x-yaml" | "text/yaml" => yaml(body),
        skerry_wire::MEDIA_TYPE => protobuf::parse(body),
        _ => Err(ApiError::unsupported_media_type(ACCEPTED)),
    }
}

/// Decodes JSON.
pub(crate) fn json(body: &[u8]) -> Result<Decoded, ApiError> {
    json::parse(body).map_err(|error| {
        ApiError::bad_request(format!(
            "couldn't get version/kind; json parse error: {error}"
        ))
    })
}

/// Decodes an object that is to be of a kind, which it need not say.
pub(crate) fn decode_as(
    media_type: &str,
    body: &[u8],
    api_version: &str,
    kind: &str,
) -> Result<Decoded, ApiError> {
    if media_type == skerry_wire::MEDIA_TYPE {
        return protobuf::parse_as(body, api_version, kind);
    }
    decode(media_type, body).map_err(|error| match error.code {
        400 => unrecognized(kind, &error.message, body),
        _ => error,
    })
}

/// A body that says what it is, and cannot be that.
pub(crate) fn unfit(
    api_version: &str,
    said: &str,
    kind: &str,
    why: &dyn std::fmt::Display,
) -> ApiError {
    let version = api_version.rsplit('/').next().unwrap_or_default();
    ApiError::bad_request(format!(
        "{said} in version {version:?} cannot be handled as a {kind}: {why}"
    ))
}

/// A body that does not get as far as to say what it is, with its first bytes.
fn unrecognized(kind: &str, why: &dyn std::fmt::Display, body: &[u8]) -> ApiError {
    let start = &body[..body.len().min(SUMMARY_BYTES)];
    let mut summary = match start.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => String::from_utf8_lossy(start).into_owned(),
        Some(_) => start.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    if start.len() < body.len() {
        summary.push_str(" ...");
    }
    ApiError::bad_request(format!(
        "the object provided is unrecognized (must be of type {kind}): {why} ({summary})"
    ))
}

/// Decodes YAML, of which JSON is a part.
pub(crate) fn yaml(body: &[u8]) -> Result<Decoded, ApiError> {
    if body.trim_ascii_start().starts_with(b"{") {
        return json(body);
    }
    let text = std::str::from_utf8(body).map_err(|error| {
        ApiError::bad_request(format!("error converting YAML to JSON: {error}"))
    })?;
    yaml::parse(text)
        .map_err(|error| ApiError::bad_request(format!("error converting YAML to JSON: {error}")))
}

/// Faults as the errors that upstream's decoders give: the lines of YAML are one.
pub(crate) fn strictly(faults: &[String]) -> Vec<String> {
    let (lines, fields): (Vec<&str>, Vec<&str>) = faults
        .iter()
        .map(String::as_str)
        .partition(|fault| fault.starts_with("line "));
    let yaml =
        (!lines.is_empty()).then(|| format!("yaml: unmarshal errors:\n  {}", lines.join("\n  ")));
    yaml.into_iter()
        .chain(fields.into_iter().map(str::to_owned))
        .collect()
}

/// Decodes what the store holds: it was checked when it came in.
pub(crate) fn stored(value: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(value)
        .map_err(|error| ApiError::internal(format!("a stored object is not JSON: {error}")))
}
