//! Everything a request can fail with, as the `Status` that clients get.
//!
//! Texts, reasons and codes are upstream's (apimachinery `api/errors`). Knows nothing about HTTP
//! beyond the code.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::storage::StorageError;

/// A `Status` of failure.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The HTTP status.
    pub code: u16,
    /// A word for programs; empty where upstream has none.
    pub reason: Cow<'static, str>,
    /// A sentence for people.
    pub message: String,
    /// What it is about.
    pub details: Option<Box<Value>>,
    /// Seconds after which the client may try again.
    pub retry_after: Option<u32>,
    /// With what a list that is too old goes on, of another version.
    pub continue_token: Option<String>,
    /// Somebody who was asked has refused it, or could not be asked: they may answer otherwise
    /// another time, without anything having changed here.
    pub(crate) by_others: bool,
}

/// What a resource is called in messages: `deployments.apps`, or `pods`.
pub(crate) fn qualified(group: &str, plural: &str) -> String {
    match group {
        "" => plural.to_owned(),
        group => format!("{plural}.{group}"),
    }
}

/// Which object an error is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) group: &'a str,
    /// The plural; for [`ApiError::invalid`] the kind.
    pub(crate) resource: &'a str,
    pub(crate) name: &'a str,
}

impl About<'_> {
    fn details(&self) -> Map<String, Value> {
        let mut details = Map::new();
        for (key, value) in [
            ("name", self.name),
            ("group", self.group),
            ("kind", self.resource),
        ] {
            if !value.is_empty() {
                details.insert(key.into(), value.into());
            }
        }
        details
    }

    fn qualified(&self) -> String {
        qualified(self.group, self.resource)
    }
}

impl ApiError {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> ApiError {
        ApiError {
            code,
            reason: Cow::Borrowed(reason),
            message: message.into(),
            details: None,
            retry_after: None,
            continue_token: None,
            by_others: false,
        }
    }

    /// Marks a refusal as that of somebody who was asked.
    pub(crate) fn by_others(mut self) -> ApiError {
        self.by_others = true;
        self
    }

    fn about(mut self, about: About<'_>) -> ApiError {
        self.details = Some(Box::new(Value::Object(about.details())));
        self
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> ApiError {
        ApiError::new(400, "BadRequest", message)
    }

    pub(crate) fn unauthorized() -> ApiError {
        ApiError::new(401, "Unauthorized", "Unauthorized")
    }

    pub(crate) fn not_found(about: About<'_>) -> ApiError {
        let message = format!("{} {:?} not found", about.qualified(), about.name);
        ApiError::new(404, "NotFound", message).about(about)
    }

    /// A path that nothing serves.
    pub(crate) fn no_such_path() -> ApiError {
        let message = "the server could not find the requested resource";
        let mut error = ApiError::new(404, "NotFound", message);
        error.details = Some(Box::new(json!({})));
        error
    }

    pub(crate) fn already_exists(about: About<'_>) -> ApiError {
        let message = format!("{} {:?} already exists", about.qualified(), about.name);
        ApiError::new(409, "AlreadyExists", message).about(about)
    }

    /// No free name was found for an object that wants one made up.
    pub(crate) fn generate_name_conflict(about: About<'_>, name: &str) -> ApiError {
        let message = format!(
            "{} {:?} already exists, the server was not able to generate a unique name for the object",
            about.qualified(),
            name
        );
        let mut error = ApiError::new(409, "AlreadyExists", message).about(about);
        error.retry_after = Some(1);
        error
    }

    pub(crate) fn conflict(about: About<'_>, why: &str) -> ApiError {
        let message = format!(
            "Operation cannot be fulfilled on {} {:?}: {why}",
            about.qualified(),
            about.name
        );
        ApiError::new(409, "Conflict", message).about(about)
    }

    /// The object has another resourceVersion than the client has seen.
    pub(crate) fn modified(about: About<'_>) -> ApiError {
        ApiError::conflict(
            about,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    pub(crate) fn forbidden(about: About<'_>, why: &str) -> ApiError {
        let message = match about.name {
            "" => format!("{} is forbidden: {why}", about.qualified()),
            name => format!("{} {name:?} is forbidden: {why}", about.qualified()),
        };
        ApiError::new(403, "Forbidden", message).about(about)
    }

    /// `about.resource` is the kind; each cause is reason, message and field.
    pub(crate) fn invalid(about: About<'_>, causes: &[(String, String, String)]) -> ApiError {
        let texts: Vec<String> = causes
            .iter()
            .map(|(_, message, field)| format!("{field}: {message}"))
            .collect();
        let list = match texts.as_slice() {
            [one] => one.clone(),
            all => format!("[{}]", all.join(", ")),
        };
        let message = format!("{} {:?} is invalid: {list}", about.qualified(), about.name);
        let mut error = ApiError::new(422, "Invalid", message);
        let mut details = about.details();
        let causes = causes.iter().map(|(reason, message, field)| {
            json!({"reason": reason, "message": message, "field": field})
        });
        details.insert("causes".into(), causes.collect());
        error.details = Some(Box::new(Value::Object(details)));
        error
    }

    pub(crate) fn with_causes(mut self, causes: Value) -> ApiError {
        let mut details = match self.details.take().map(|details| *details) {
            Some(Value::Object(details)) => details,
            _ => Map::new(),
        };
        details.insert("causes".into(), causes);
        self.details = Some(Box::new(Value::Object(details)));
        self
    }

    pub(crate) fn method_not_allowed() -> ApiError {
        let message = "the server does not allow this method on the requested resource";
        let mut error = ApiError::new(405, "MethodNotAllowed", message);
        error.details = Some(Box::new(json!({})));
        error
    }

    pub(crate) fn not_acceptable(accepted: &str) -> ApiError {
        let message = format!("only the following media types are accepted: {accepted}");
        ApiError::new(406, "NotAcceptable", message)
    }

    pub(crate) fn unsupported_media_type(accepted: &str) -> ApiError {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {accepted}"
        );
        ApiError::new(415, "UnsupportedMediaType", message)
    }

    pub(crate) fn too_large(limit: usize) -> ApiError {
        let message = format!("Request entity too large: limit is {limit}");
        ApiError::new(413, "RequestEntityTooLarge", message)
    }

    pub(crate) fn expired(message: impl Into<String>) -> ApiError {
        ApiError::new(410, "Expired", message)
    }

    pub(crate) fn too_large_resource_version(asked: i64, current: i64) -> ApiError {
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        let mut error = ApiError::new(504, "Timeout", message);
        error.details = Some(Box::new(json!({
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        })));
        error.retry_after = Some(1);
        error
    }

    pub(crate) fn too_many_requests() -> ApiError {
        let message = "Too many requests, please try again later.";
        let mut error = ApiError::new(429, "TooManyRequests", message);
        error.details = Some(Box::new(json!({"retryAfterSeconds": 1})));
        error.retry_after = Some(1);
        error
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> ApiError {
        let mut error = ApiError::new(503, "ServiceUnavailable", message);
        error.details = Some(Box::new(json!({"retryAfterSeconds": 1})));
        error.retry_after = Some(1);
        error
    }

    pub(crate) fn internal(why: impl std::fmt::Display) -> ApiError {
        let message = format!("Internal error occurred: {why}");
        let mut error = ApiError::new(500, "InternalError", message);
        error.details = Some(Box::new(json!({"causes": [{"message": why.to_string()}]})));
        error
    }

    /// A part of the API that this version does not serve.
    pub(crate) fn not_served(what: &str) -> ApiError {
        ApiError::new(
            501,
            "NotImplemented",
            format!("{what} is not served by this version"),
        )
    }

    /// As clients get it.
    pub(crate) fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = self.reason.as_ref().into();
        }
        if let Some(details) = &self.details {
            status["details"] = Value::clone(details);
        }
        if let Some(token) = &self.continue_token {
            status["metadata"]["continue"] = token.as_str().into();
        }
        status
    }
}

const NO_QUORUM: &str = "the cluster has no quorum: reads are served from this server's own state, nothing can be written";

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        match error {
            // Clients wait and try again where they are told to: this would only keep people waiting.
            StorageError::NoQuorum => ApiError::new(503, "ServiceUnavailable", NO_QUORUM),
            StorageError::Election => ApiError::unavailable(NO_QUORUM),
            StorageError::Timeout => {
                let mut error = ApiError::new(504, "Timeout", "Timeout: request timed out");
                error.details = Some(Box::new(json!({"retryAfterSeconds": 1})));
                error
            }
            StorageError::TooLarge => ApiError::new(
                413,
                "RequestEntityTooLarge",
                "etcdserver: request is too large",
            ),
            StorageError::TooManyRequests => ApiError::too_many_requests(),
            StorageError::NoSpace => {
                ApiError::new(500, "", "etcdserver: mvcc: database space exceeded")
            }
            StorageError::Compacted(revision) => {
                ApiError::expired(format!("too old resource version: {revision}"))
            }
            StorageError::Future(revision) => ApiError::too_large_resource_version(revision, 0),
            StorageError::Stopped => ApiError::unavailable("the server stops"),
            StorageError::Store(error) => {
                tracing::error!(%error, "the state cannot be read");
                ApiError::internal(error)
            }
            StorageError::Sealed(error) => ApiError::internal(error),
            StorageError::Unexpected(what) => ApiError::internal(what),
        }
    }
}
