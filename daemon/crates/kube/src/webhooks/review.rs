//! AdmissionReview: what a webhook is asked, and what its answer means.
//!
//! Pure. Knows nothing about connections. Invariant: an answer that is not as it should be is an
//! error in upstream's words, whatever it is; nothing of it is believed then.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::hook::{Phase, ReviewVersion};
use crate::error::ApiError;

const GROUP: &str = "admission.k8s.io";
const KIND: &str = "AdmissionReview";

/// Bytes of what a webhook says to a user.
const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Causes that are passed on.
const CAUSES_MAX: usize = 256;

/// A question.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Review<'a> {
    pub(crate) kind: &'static str,
    pub(crate) api_version: &'static str,
    pub(crate) request: Request<'a>,
}

/// What is to be judged.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request<'a> {
    pub(crate) uid: &'a str,
    pub(crate) kind: Kind<'a>,
    pub(crate) resource: Resource<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) sub_resource: &'a str,
    pub(crate) request_kind: Kind<'a>,
    pub(crate) request_resource: Resource<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) request_sub_resource: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) namespace: &'a str,
    pub(crate) operation: &'static str,
    pub(crate) user_info: &'a Value,
    pub(crate) object: Option<&'a Value>,
    pub(crate) old_object: Option<&'a Value>,
    pub(crate) dry_run: bool,
    pub(crate) options: Option<&'a Value>,
}

/// Group, version and kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Kind<'a> {
    pub(crate) group: &'a str,
    pub(crate) version: &'a str,
    pub(crate) kind: &'a str,
}

/// Group, version and plural.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Resource<'a> {
    pub(crate) group: &'a str,
    pub(crate) version: &'a str,
    pub(crate) resource: &'a str,
}

impl<'a> Review<'a> {
    pub(crate) fn new(version: ReviewVersion, request: Request<'a>) -> Review<'a> {
        Review {
            kind: KIND,
            api_version: match version {
                ReviewVersion::V1 => "admission.k8s.io/v1",
                ReviewVersion::V1Beta1 => "admission.k8s.io/v1beta1",
            },
            request,
        }
    }
}

/// A webhook's opinion.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) allowed: bool,
    /// A `Status`, or nothing.
    pub(crate) result: Value,
    /// A JSON patch; empty: none.
    pub(crate) patch: Vec<u8>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) warnings: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Response {
    uid: Option<String>,
    allowed: Option<bool>,
    status: Option<Map<String, Value>>,
    patch: Option<String>,
    patch_type: Option<String>,
    audit_annotations: Option<BTreeMap<String, String>>,
    warnings: Option<Vec<String>>,
}

/// Why an answer is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadAnswer {
    /// It is not of the type that it should be.
    #[error("failed to call webhook: {0}")]
    Type(String),
    /// It is of that type, and cannot be what was asked for.
    #[error("received invalid webhook response: {0}")]
    Content(String),
    /// Its patch is none.
    #[error("received undecodable patch in webhook response: {0}")]
    Patch(String),
    #[error("unsupported patch type {0:?}")]
    PatchType(String),
}

/// Reads an answer.
pub(crate) fn read(
    mut answer: Value,
    version: ReviewVersion,
    phase: Phase,
    uid: &str,
) -> Result<Verdict, BadAnswer> {
    let content = |why: String| Err(BadAnswer::Content(why));
    let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let response = match answer.get_mut("response").map(Value::take) {
        None | Some(Value::Null) => return content("webhook response was absent".to_owned()),
        Some(response) => serde_json::from_value::<Response>(response).map_err(|error| {
            BadAnswer::Type(format!("json: cannot unmarshal response: {error}"))
        })?,
    };
    let is_v1 = version == ReviewVersion::V1;
    if is_v1 {
        let said = response.uid.unwrap_or_default();
        if said != uid {
            let said: String = said.chars().take(128).collect();
            return content(format!("expected response.uid={uid:?}, got {said:?}"));
        }
        if api_version != "admission.k8s.io/v1" || kind != KIND {
            let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
            let got: String = format!("{group}/{version}, Kind={kind}")
                .chars()
                .take(256)
                .collect();
            return content(format!(
                "expected webhook response of {GROUP}/v1, Kind={KIND}, got {got}"
            ));
        }
    }
    let patch = response.patch.unwrap_or_default();
    let patch = STANDARD.decode(patch).map_err(|error| {
        BadAnswer::Type(format!("illegal base64 data in response.patch: {error}"))
    })?;
    let patch = match (phase, response.patch_type) {
        (Phase::Validating, _) if !is_v1 => Vec::new(),
        (Phase::Mutating, _) if !is_v1 => patch,
        (Phase::Validating, kind) => {
            let what = match (patch.is_empty(), kind) {
                (false, _) => "response.patch",
                (true, Some(_)) => "response.patchType",
                (true, None) => "",
            };
            if !what.is_empty() {
                return content(format!("validating webhook may not return {what}"));
            }
            patch
        }
        (Phase::Mutating, None) if !patch.is_empty() => {
            return content(
                "webhook returned response.patch but not response.patchType".to_owned(),
            );
        }
        (Phase::Mutating, Some(_)) if patch.is_empty() => {
            return content(
                "webhook returned response.patchType but not response.patch".to_owned(),
            );
        }
        (Phase::Mutating, Some(kind)) if kind.is_empty() => {
            return content("webhook returned invalid response.patchType of \"\"".to_owned());
        }
        (Phase::Mutating, Some(kind)) if kind != "JSONPatch" && response.allowed == Some(true) => {
            return Err(BadAnswer::PatchType(kind.chars().take(64).collect()));
        }
        (Phase::Mutating, _) => patch,
    };
    Ok(Verdict {
        allowed: response.allowed.unwrap_or(false),
        result: response.status.map_or(Value::Null, Value::Object),
        patch,
        annotations: response.audit_annotations.unwrap_or_default(),
        warnings: response.warnings.unwrap_or_default(),
    })
}

/// The refusal of a request that a webhook does not allow.
pub(crate) fn denied(webhook: &str, result: &Value) -> ApiError {
    let by = format!("admission webhook {webhook:?} denied the request");
    let text = |field: &str| cut(result[field].as_str().unwrap_or_default());
    let (said, reason) = (text("message"), text("reason"));
    let message = match (said.is_empty(), reason.is_empty()) {
        (false, _) => format!("{by}: {said}"),
        (true, false) => format!("{by}: {reason}"),
        (true, true) => format!("{by} without explanation"),
    };
    let code = result["code"].as_i64().unwrap_or(0);
    // A refusal is none below 400, and HTTP knows no codes above 999.
    let code = u16::try_from(code.clamp(400, 999)).unwrap_or(400);
    let mut error = ApiError::new(code, "", message);
    error.reason = Cow::Owned(reason);
    if let Some(details) = result["details"].as_object() {
        let seconds = details.get("retryAfterSeconds").and_then(Value::as_u64);
        error.retry_after = seconds
            .and_then(|seconds| u32::try_from(seconds).ok())
            .filter(|seconds| *seconds > 0);
        error.details = Some(Box::new(known_details(details)));
    }
    error
}

/// The fields that details have, as they are typed.
fn known_details(details: &Map<String, Value>) -> Value {
    let texts = |from: &Map<String, Value>, fields: &[&str]| {
        let mut kept = Map::new();
        for field in fields {
            if let Some(text) = from.get(*field).and_then(Value::as_str) {
                kept.insert((*field).to_owned(), cut(text).into());
            }
        }
        kept
    };
    let mut known = texts(details, &["name", "group", "kind", "uid"]);
    if let Some(causes) = details.get("causes").and_then(Value::as_array) {
        let causes = causes.iter().take(CAUSES_MAX).filter_map(Value::as_object);
        let causes: Vec<Value> = causes
            .map(|cause| Value::Object(texts(cause, &["reason", "message", "field"])))
            .collect();
        known.insert("causes".to_owned(), causes.into());
    }
    if let Some(seconds) = details.get("retryAfterSeconds").and_then(Value::as_i64) {
        known.insert("retryAfterSeconds".to_owned(), json!(seconds));
    }
    Value::Object(known)
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(MESSAGE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(response: Value) -> Value {
        json!({"apiVersion": "admission.k8s.io/v1", "kind": KIND, "response": response})
    }

    fn mutating(response: Value) -> Result<Verdict, String> {
        let read = read(answer(response), ReviewVersion::V1, Phase::Mutating, "u");
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn an_answer_is_believed_only_if_it_is_one_to_the_question() {
        for (response, wrong) in [
            (
                json!(null),
                "received invalid webhook response: webhook response was absent",
            ),
            (
                json!({"uid": "x", "allowed": true}),
                "received invalid webhook response: expected response.uid=\"u\", got \"x\"",
            ),
            (
                json!({"uid": "u", "allowed": true, "patch": "W10="}),
                "received invalid webhook response: webhook returned response.patch but not response.patchType",
            ),
            (
                json!({"uid": "u", "allowed": true, "patchType": "JSONPatch"}),
                "received invalid webhook response: webhook returned response.patchType but not response.patch",
            ),
            (
                json!({"uid": "u", "allowed": true, "patch": "W10=", "patchType": ""}),
                "received invalid webhook response: webhook returned invalid response.patchType of \"\"",
            ),
            (
                json!({"uid": "u", "allowed": true, "patch": "W10=", "patchType": "Odd"}),
                "unsupported patch type \"Odd\"",
            ),
        ] {
            assert_eq!(mutating(response).unwrap_err(), wrong);
        }
        for response in [
            json!(5),
            json!({"allowed": "yes"}),
            json!({"uid": "u", "patch": "%"}),
        ] {
            let wrong = mutating(response).unwrap_err();
            assert!(wrong.starts_with("failed to call webhook: "), "{wrong}");
        }
        let verdict = mutating(
            json!({"uid": "u", "allowed": true, "patch": "W10=", "patchType": "JSONPatch"}),
        );
        assert_eq!(verdict.unwrap().patch, b"[]");
    }

    #[test]
    fn the_version_of_an_answer_is_the_one_that_was_asked_for() {
        let other = json!({"response": {"uid": "u", "allowed": true}});
        let wrong = read(other.clone(), ReviewVersion::V1, Phase::Validating, "u").unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "received invalid webhook response: expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got /, Kind="
        );
        // The older version was never looked at so closely.
        let verdict = read(other, ReviewVersion::V1Beta1, Phase::Validating, "z").unwrap();
        assert!(verdict.allowed);
        let patched = answer(json!({"uid": "u", "allowed": true, "patch": "W10="}));
        let wrong = read(patched, ReviewVersion::V1, Phase::Validating, "u").unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "received invalid webhook response: validating webhook may not return response.patch"
        );
    }

    #[test]
    fn no_answer_makes_anything_panic() {
        let mut state: u64 = 36;
        let mut below = |bound: u64| {
            // Knuth's MMIX generator: the sequence is the same every time.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        let values = [
            json!(null),
            json!(true),
            json!(-1),
            json!(1e300),
            json!("W10="),
            json!("u"),
            json!("ä\u{0}"),
            json!([1, {}]),
            json!({"a": "b"}),
            json!({"code": 70000, "message": 5, "details": {"causes": [5]}}),
        ];
        let fields = [
            "uid",
            "allowed",
            "status",
            "patch",
            "patchType",
            "auditAnnotations",
            "warnings",
        ];
        for _ in 0..20_000 {
            let mut response = json!({"uid": "u", "allowed": true});
            for field in fields {
                if below(3) == 0 {
                    response[field] = values[below(10) as usize].clone();
                }
            }
            let mut answer = answer(response);
            if below(20) == 0 {
                answer = values[below(10) as usize].clone();
            }
            let version = if below(2) == 0 {
                ReviewVersion::V1
            } else {
                ReviewVersion::V1Beta1
            };
            let phase = if below(2) == 0 {
                Phase::Mutating
            } else {
                Phase::Validating
            };
            if let Ok(verdict) = read(answer, version, phase, "u") {
                let error = denied("w", &verdict.result);
                assert!((400..=999).contains(&error.code));
                assert!(phase == Phase::Mutating || verdict.patch.is_empty());
            }
        }
    }

    #[test]
    fn a_refusal_says_who_refuses_and_why() {
        for (result, code, message) in [
            (
                json!(null),
                400,
                "admission webhook \"w\" denied the request without explanation",
            ),
            (
                json!({"code": 418, "message": "no", "reason": "Tea"}),
                418,
                "admission webhook \"w\" denied the request: no",
            ),
            (
                json!({"code": 200, "reason": "Tea"}),
                400,
                "admission webhook \"w\" denied the request: Tea",
            ),
            (
                json!({"code": 70000}),
                999,
                "admission webhook \"w\" denied the request without explanation",
            ),
        ] {
            let error = denied("w", &result);
            assert_eq!((error.code, error.message.as_str()), (code, message));
        }
        let error = denied(
            "w",
            &json!({"details": {"name": "n", "kind": 5, "x": 1, "retryAfterSeconds": 7,
            "causes": [{"message": "m", "odd": []}, 5]}}),
        );
        assert_eq!(error.retry_after, Some(7));
        assert_eq!(
            error.details.as_deref(),
            Some(&json!({"name": "n", "retryAfterSeconds": 7, "causes": [{"message": "m"}]}))
        );
    }
}
