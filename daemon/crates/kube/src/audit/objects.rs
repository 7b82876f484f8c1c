//! What of the bodies of a request and its answer goes into an event.
//!
//! Invariant: no object that is kept is larger than an event may be.

use bytes::Bytes;
use serde_json::{Value, json};
use skerry_audit::limits::EVENT_BYTES_MAX;
use skerry_audit::{Event, Level, Recording};

use crate::call::Call;
use crate::{decode, object};

/// Notes what was sent.
pub(super) fn note_request(event: &mut Event, recording: Recording, call: &Call) {
    let is_write = matches!(call.info.verb, "create" | "update");
    if call.body.is_empty() || (recording.level < Level::Request && !is_write) {
        return;
    }
    if call.body.len() > EVENT_BYTES_MAX {
        event.truncated |= recording.level >= Level::Request;
        return;
    }
    let decoded = match call.info.verb {
        // Patches have media types of their own; all are YAML, of which JSON is a part.
        "patch" => decode::yaml(&call.body),
        _ => decode::decode(&call.media_type, &call.body),
    };
    // What cannot be read is refused a step later: the event shows the refusal.
    let Ok(decoded) = decoded else { return };
    let mut sent = decoded.value;
    if is_write && let Some(of) = &mut event.object {
        let known = |text: &str| text.to_owned();
        of.uid = known(object::uid(&sent));
        of.resource_version = known(object::text(&sent, "resourceVersion"));
        if of.name.is_empty() {
            of.name = known(object::name(&sent));
        }
    }
    if recording.level >= Level::Request {
        forget_managed_fields(&mut sent, recording);
        event.request = Some(sent);
    }
}

/// Notes what is answered at once.
pub(super) fn note_answer(
    event: &mut Event,
    recording: Recording,
    code: u16,
    media_type: &str,
    body: &Bytes,
) {
    let wants_object = recording.level >= Level::RequestResponse;
    // A deletion may be answered with a Status, too.
    let may_be_status = code >= 400 || event.verb.starts_with("delete");
    event.status = Some(json!({ "code": code }));
    if !wants_object && !may_be_status {
        return;
    }
    if body.len() > EVENT_BYTES_MAX {
        event.truncated |= wants_object;
        return;
    }
    let Some(mut answered) = answered(media_type, body) else {
        return;
    };
    if answered.get("kind").and_then(Value::as_str) == Some("Status") {
        let mut status = answered.clone();
        status["code"] = code.into();
        event.status = Some(status);
    }
    if wants_object {
        forget_managed_fields(&mut answered, recording);
        event.response = Some(answered);
    }
}

/// The object of an answer; none where it is a text or one that only its reader understands.
fn answered(media_type: &str, body: &Bytes) -> Option<Value> {
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    let decoded = decode::decode(media_type, body).ok()?;
    decoded.value.is_object().then_some(decoded.value)
}

fn forget_managed_fields(object: &mut Value, recording: Recording) {
    if !recording.omit_managed_fields {
        return;
    }
    let forget = |object: &mut Value| {
        if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
            metadata.remove("managedFields");
        }
    };
    forget(object);
    if let Some(Value::Array(items)) = object.get_mut("items") {
        items.iter_mut().for_each(forget);
    }
}
