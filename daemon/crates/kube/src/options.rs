//! What a request asks besides its body: the query parameters of each verb, and DeleteOptions.
//!
//! Pure. Invariant: what leaves here has been checked as upstream checks it.

use serde_json::Value;

use crate::error::{About, ApiError};
use crate::object::parse_resource_version;
use crate::query::Query;

/// What happens to fields that the schema does not have, or that are there twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    Ignore,
    Warn,
    Strict,
}

/// The parameters of create, update and patch.
#[derive(Debug, Clone)]
pub(crate) struct WriteOptions {
    pub(crate) dry_run: bool,
    /// Empty: from the user agent.
    pub(crate) field_manager: String,
    pub(crate) field_validation: FieldValidation,
    pub(crate) force: bool,
    /// The object is what an apply has made, with its owners.
    pub(crate) applied: bool,
    /// The server writes what it would refuse from a client: members on loopback addresses.
    pub(crate) unchecked: bool,
}

pub(crate) fn invalid(kind: &str, field: &str, reason: &str, message: String) -> ApiError {
    let about = About {
        group: "meta.k8s.io",
        resource: kind,
        name: "",
    };
    ApiError::invalid(about, &[(reason.into(), message, field.into())])
}

fn dry_run<'q>(kind: &str, mut values: impl Iterator<Item = &'q str>) -> Result<bool, ApiError> {
    let mut asked = false;
    let wrong = values.find(|value| {
        asked = true;
        *value != "All"
    });
    match wrong {
        None => Ok(asked),
        Some(wrong) => {
            let message = format!("Unsupported value: [{wrong:?}]: supported values: \"All\"");
            Err(invalid(kind, "dryRun", "FieldValueNotSupported", message))
        }
    }
}

impl WriteOptions {
    pub(crate) fn parse(query: &Query, kind: &str) -> Result<WriteOptions, ApiError> {
        let field_validation = match query.get("fieldValidation") {
            "" | "Warn" => FieldValidation::Warn,
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            other => {
                let message = format!(
                    "Unsupported value: {other:?}: supported values: \"Ignore\", \"Strict\", \"Warn\""
                );
                let reason = "FieldValueNotSupported";
                return Err(invalid(kind, "fieldValidation", reason, message));
            }
        };
        let field_manager = query.get("fieldManager");
        if field_manager.len() > 128 {
            let message = format!("Too long: may not be more than 128 bytes: {field_manager:?}");
            return Err(invalid(kind, "fieldManager", "FieldValueTooLong", message));
        }
        Ok(WriteOptions {
            dry_run: dry_run(kind, query.all("dryRun"))?,
            field_manager: field_manager.to_owned(),
            field_validation,
            force: query.switch("force"),
            unchecked: false,
            applied: false,
        })
    }
}

/// What becomes of what the deleted object owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Propagation {
    Orphan,
    Background,
    Foreground,
}

/// `DeleteOptions`, from the body or the query.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeleteOptions {
    pub(crate) dry_run: bool,
    pub(crate) grace_period_seconds: Option<i64>,
    pub(crate) propagation: Option<Propagation>,
    /// Preconditions.
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
}

impl DeleteOptions {
    /// From a body, where there is one, or else from the query.
    pub(crate) fn parse(query: &Query, body: Option<&Value>) -> Result<DeleteOptions, ApiError> {
        const KIND: &str = "DeleteOptions";
        let mut options = DeleteOptions::default();
        let (policy, orphan);
        match body {
            Some(body) if !body.is_null() => {
                let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
                if let Some(kind) = text(body.get("kind")).filter(|kind| !kind.is_empty())
                    && kind != KIND
                {
                    let message =
                        format!("decoded object cannot be converted to DeleteOptions: {kind}");
                    return Err(ApiError::bad_request(message));
                }
                options.grace_period_seconds =
                    body.get("gracePeriodSeconds").and_then(Value::as_i64);
                let list = body.get("dryRun").and_then(Value::as_array);
                let values = list.into_iter().flatten();
                options.dry_run =
                    dry_run(KIND, values.map(|value| value.as_str().unwrap_or_default()))?;
                if let Some(preconditions) = body.get("preconditions") {
                    options.uid = text(preconditions.get("uid"));
                    options.resource_version = text(preconditions.get("resourceVersion"));
                }
                policy = text(body.get("propagationPolicy"));
                orphan = body.get("orphanDependents").and_then(Value::as_bool);
            }
            _ => {
                if query.has("gracePeriodSeconds") {
                    let text = query.get("gracePeriodSeconds");
                    let seconds = text.parse();
                    options.grace_period_seconds = Some(seconds.map_err(|_| {
                        ApiError::bad_request(format!(
                            "strconv.ParseInt: parsing {text:?}: invalid syntax"
                        ))
                    })?);
                }
                options.dry_run = dry_run(KIND, query.all("dryRun"))?;
                policy = query
                    .has("propagationPolicy")
                    .then(|| query.get("propagationPolicy").to_owned());
                orphan = query
                    .has("orphanDependents")
                    .then(|| query.switch("orphanDependents"));
            }
        }
        options.propagation = propagation(policy.as_deref(), orphan)?;
        Ok(options)
    }
}

fn propagation(
    policy: Option<&str>,
    orphan: Option<bool>,
) -> Result<Option<Propagation>, ApiError> {
    const KIND: &str = "DeleteOptions";
    if policy.is_some() && orphan.is_some() {
        let message = "Invalid value: \"propagationPolicy\": orphanDependents and deletionPropagation cannot be both set".to_owned();
        return Err(invalid(
            KIND,
            "propagationPolicy",
            "FieldValueInvalid",
            message,
        ));
    }
    match (policy, orphan) {
        (Some("Orphan"), _) | (None, Some(true)) => Ok(Some(Propagation::Orphan)),
        (Some("Background"), _) | (None, Some(false)) => Ok(Some(Propagation::Background)),
        (Some("Foreground"), _) => Ok(Some(Propagation::Foreground)),
        (Some(other), _) => {
            let message = format!(
                "Unsupported value: {other:?}: supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\""
            );
            let reason = "FieldValueNotSupported";
            Err(invalid(KIND, "propagationPolicy", reason, message))
        }
        (None, None) => Ok(None),
    }
}

/// How a resourceVersion of a list is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    Exact,
    NotOlderThan,
}

/// `ListOptions`.
#[derive(Debug, Clone)]
pub(crate) struct ListOptions {
    pub(crate) limit: usize,
    pub(crate) continue_token: String,
    /// None: the newest. 0: whatever there is.
    pub(crate) resource_version: Option<i64>,
    pub(crate) version_match: Option<Match>,
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) bookmarks: bool,
    /// None: as the resourceVersion says.
    pub(crate) send_initial_events: Option<bool>,
}

impl ListOptions {
    pub(crate) fn parse(query: &Query, watches: bool) -> Result<ListOptions, ApiError> {
        let forbidden = |field: &str, why: &str| {
            let message = format!("Forbidden: {why}");
            Err(invalid(
                "ListOptions",
                field,
                "FieldValueForbidden",
                message,
            ))
        };
        let resource_version = match query.get("resourceVersion") {
            "" => None,
            text => Some(parse_resource_version(text)?),
        };
        let continue_token = query.get("continue").to_owned();
        let version_match = match query.get("resourceVersionMatch") {
            "" => None,
            "Exact" => Some(Match::Exact),
            "NotOlderThan" => Some(Match::NotOlderThan),
            other => {
                let message = format!(
                    "Unsupported value: {other:?}: supported values: \"Exact\", \"NotOlderThan\""
                );
                let reason = "FieldValueNotSupported";
                return Err(invalid(
                    "ListOptions",
                    "resourceVersionMatch",
                    reason,
                    message,
                ));
            }
        };
        let send_initial_events = query
            .has("sendInitialEvents")
            .then(|| query.switch("sendInitialEvents"));
        if watches {
            match (send_initial_events, version_match) {
                (Some(_), None) => {
                    return forbidden(
                        "resourceVersionMatch",
                        "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
                    );
                }
                (None, Some(_)) => {
                    return forbidden(
                        "resourceVersionMatch",
                        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                    );
                }
                (Some(_), Some(Match::Exact)) => {
                    let message =
                        "Unsupported value: \"Exact\": supported values: \"NotOlderThan\"";
                    return Err(invalid(
                        "ListOptions",
                        "resourceVersionMatch",
                        "FieldValueNotSupported",
                        message.into(),
                    ));
                }
                _ => {}
            }
        } else {
            if send_initial_events.is_some() {
                return forbidden(
                    "sendInitialEvents",
                    "sendInitialEvents is forbidden for list",
                );
            }
            if version_match.is_some() {
                if !continue_token.is_empty() {
                    return forbidden(
                        "resourceVersionMatch",
                        "resourceVersionMatch is forbidden when continue is provided",
                    );
                }
                if resource_version.is_none() {
                    return forbidden(
                        "resourceVersionMatch",
                        "resourceVersionMatch is forbidden unless resourceVersion is provided",
                    );
                }
                if version_match == Some(Match::Exact) && resource_version == Some(0) {
                    return forbidden(
                        "resourceVersionMatch",
                        "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
                    );
                }
            }
        }
        Ok(ListOptions {
            limit: query.get("limit").parse().unwrap_or(0),
            continue_token,
            resource_version,
            version_match,
            timeout_seconds: query
                .get("timeoutSeconds")
                .parse()
                .ok()
                .filter(|seconds| *seconds > 0),
            bookmarks: query.switch("allowWatchBookmarks"),
            send_initial_events,
        })
    }
}
