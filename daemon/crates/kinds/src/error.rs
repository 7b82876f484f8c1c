//! What is wrong with a field, in upstream's words: as text, as a cause of a `Status`, and as the
//! summary of all that is wrong with an object.
//!
//! Knows nothing about any kind. Invariant: for the same field, value and detail the text is
//! upstream's to the letter, but for the order of fields within a bad value that is an object.

use std::fmt;

use serde_json::{Value, json};

use crate::path::Path;

/// In what way a field is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Something that is referred to is not there.
    NotFound,
    /// A value is missing.
    Required,
    /// A value that must be unique is there twice.
    Duplicate,
    /// A value is malformed or out of bounds.
    Invalid,
    /// A value is none of those that are known.
    NotSupported,
    /// A value is well formed but may not be set here or now.
    Forbidden,
    /// A text is too long.
    TooLong,
    /// A list has too many items.
    TooMany,
    /// A list has too few items.
    TooFew,
    /// A value is not of the field's type.
    TypeInvalid,
    /// The check itself failed.
    Internal,
    /// As `Invalid`, of a value that is too big to be shown.
    InvalidUnshown,
    /// As `Duplicate`, of a value that is too big to be shown.
    DuplicateUnshown,
}

impl ErrorKind {
    /// The `reason` of a cause.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotFound => "FieldValueNotFound",
            Self::Required => "FieldValueRequired",
            Self::Duplicate | Self::DuplicateUnshown => "FieldValueDuplicate",
            Self::Invalid | Self::InvalidUnshown => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::TooFew => "FieldValueTooFew",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::Internal => "InternalError",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::NotFound => "Not found",
            Self::Required => "Required value",
            Self::Duplicate | Self::DuplicateUnshown => "Duplicate value",
            Self::Invalid | Self::InvalidUnshown | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::TooFew => "Too few",
            Self::Internal => "Internal error",
        }
    }

    const fn shows_value(self) -> bool {
        !matches!(
            self,
            Self::Required
                | Self::Forbidden
                | Self::TooLong
                | Self::Internal
                | Self::InvalidUnshown
                | Self::DuplicateUnshown
        )
    }
}

/// One thing that is wrong with one field.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldError {
    /// In what way.
    pub kind: ErrorKind,
    /// Where: `spec.containers[0].name`; empty for the object as a whole.
    pub field: String,
    /// What stands there; shown only where the kind shows it.
    pub bad_value: Value,
    /// Why it is wrong; may be empty.
    pub detail: String,
}

impl FieldError {
    /// The text without the field, as a cause's `message`.
    pub fn body(&self) -> String {
        let mut text = self.kind.title().to_owned();
        if self.kind.shows_value() {
            text.push_str(": ");
            text.push_str(&shown(&self.bad_value));
        }
        if !self.detail.is_empty() {
            text.push_str(": ");
            text.push_str(&self.detail);
        }
        text
    }

    /// As a cause in `details.causes` of a `Status`.
    pub fn cause(&self) -> Value {
        let mut cause = json!({ "reason": self.kind.reason(), "message": self.body() });
        if !self.field.is_empty() {
            cause["field"] = Value::String(self.field.clone());
        }
        cause
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

impl std::error::Error for FieldError {}

/// The texts of several errors as upstream joins them: one stands alone, more stand in brackets,
/// and what has been said is not said again.
pub fn summary(errors: &[FieldError]) -> String {
    let mut said: Vec<String> = Vec::with_capacity(errors.len());
    for error in errors {
        let text = error.to_string();
        if !said.contains(&text) {
            said.push(text);
        }
    }
    match said.as_slice() {
        [only] => only.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}

/// The message of an `Invalid` status: `ConfigMap "a" is invalid: ...`.
pub fn invalid_message(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> String {
    let kind = match group {
        "" => kind.to_owned(),
        _ => format!("{kind}.{group}"),
    };
    let head = format!("{kind} {} is invalid", quote(name));
    match errors {
        [] => head,
        _ => format!("{head}: {}", summary(errors)),
    }
}

/// The whole `Status`, code 422, reason `Invalid`.
pub fn invalid_status(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Value {
    let mut details = json!({ "kind": kind });
    for (field, text) in [("name", name), ("group", group)] {
        if !text.is_empty() {
            details[field] = Value::from(text);
        }
    }
    if !errors.is_empty() {
        details["causes"] = errors.iter().map(FieldError::cause).collect();
    }
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": invalid_message(group, kind, name, errors),
        "reason": "Invalid",
        "details": details,
        "code": 422,
    })
}

/// The errors found so far.
#[derive(Debug, Default)]
pub(crate) struct Errors(pub(crate) Vec<FieldError>);

impl Errors {
    pub(crate) fn push(
        &mut self,
        kind: ErrorKind,
        path: &Path<'_>,
        bad_value: Value,
        detail: String,
    ) {
        self.0.push(FieldError {
            kind,
            field: path.to_string(),
            bad_value,
            detail,
        });
    }

    pub(crate) fn invalid(
        &mut self,
        path: &Path<'_>,
        value: impl Into<Value>,
        detail: impl Into<String>,
    ) {
        self.push(ErrorKind::Invalid, path, value.into(), detail.into());
    }

    /// One error for each message, as the checks of formats give them.
    pub(crate) fn each(&mut self, path: &Path<'_>, value: &str, messages: Vec<String>) {
        for message in messages {
            self.invalid(path, value, message);
        }
    }

    pub(crate) fn required(&mut self, path: &Path<'_>, detail: impl Into<String>) {
        self.push(ErrorKind::Required, path, Value::Null, detail.into());
    }

    pub(crate) fn forbidden(&mut self, path: &Path<'_>, detail: impl Into<String>) {
        self.push(ErrorKind::Forbidden, path, Value::Null, detail.into());
    }

    pub(crate) fn duplicate(&mut self, path: &Path<'_>, value: impl Into<Value>) {
        self.push(ErrorKind::Duplicate, path, value.into(), String::new());
    }

    pub(crate) fn not_found(&mut self, path: &Path<'_>, value: impl Into<Value>) {
        self.push(ErrorKind::NotFound, path, value.into(), String::new());
    }

    pub(crate) fn not_supported(
        &mut self,
        path: &Path<'_>,
        value: impl Into<Value>,
        supported: &[&str],
    ) {
        let names: Vec<String> = supported.iter().map(|name| quote(name)).collect();
        let detail = match names.as_slice() {
            [] => String::new(),
            names => format!("supported values: {}", names.join(", ")),
        };
        self.push(ErrorKind::NotSupported, path, value.into(), detail);
    }

    pub(crate) fn too_long(&mut self, path: &Path<'_>, bytes_max: usize) {
        let unit = if bytes_max == 1 { "byte" } else { "bytes" };
        let detail = format!("may not be more than {bytes_max} {unit}");
        self.push(ErrorKind::TooLong, path, Value::Null, detail);
    }

    pub(crate) fn too_many(&mut self, path: &Path<'_>, count: usize, count_max: usize) {
        let unit = if count_max == 1 { "item" } else { "items" };
        let detail = format!("must have at most {count_max} {unit}");
        self.push(ErrorKind::TooMany, path, Value::from(count), detail);
    }

    pub(crate) fn immutable(&mut self, path: &Path<'_>, new: &Value, old: &Value) {
        if !crate::value::same(new, old) {
            self.invalid(path, new.clone(), "field is immutable");
        }
    }
}

/// A value as Go prints it within an error.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        Value::Object(_) | Value::Array(_) => value
            .to_string()
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026"),
        Value::Number(number) if number.is_f64() => go_float(number.as_f64().unwrap_or_default()),
        simple => simple.to_string(),
    }
}

/// A float as Go's `%v` prints it: `1e+06`, `0.5`.
pub fn go_float(float: f64) -> String {
    let scientific = format!("{float:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => float.to_string(),
    }
}

/// A text as Go's `%q` prints it.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                out.push_str(&format!("\\x{:02x}", c as u32));
            }
            c if is_unprintable(c) && (c as u32) < 0x1_0000 => {
                out.push_str(&format!("\\u{:04x}", c as u32));
            }
            c if is_unprintable(c) => out.push_str(&format!("\\U{:08x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn is_unprintable(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c as u32, 0xad | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xe000..=0xf8ff)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Vec<FieldError> {
        let mut errors = Errors::default();
        let spec = Path::root("spec");
        errors.invalid(
            &spec.child("replicas"),
            -1,
            "must be greater than or equal to 0",
        );
        errors.not_supported(&spec.child("type"), "X", &["A", "B"]);
        errors.required(&spec.child("name"), "");
        errors.0
    }

    #[test]
    fn an_error_reads_as_upstream_writes_it() {
        let texts: Vec<String> = three().iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
                "spec.type: Unsupported value: \"X\": supported values: \"A\", \"B\"",
                "spec.name: Required value",
            ]
        );
    }

    #[test]
    fn lengths_and_counts_have_units() {
        let mut errors = Errors::default();
        errors.too_long(&Path::root("data"), 1_048_576);
        errors.too_many(&Path::root("endpoints"), 1001, 1000);
        errors.duplicate(&Path::root("a"), "x");
        errors.not_found(&Path::root("b"), "y");
        let texts: Vec<String> = errors.0.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "data: Too long: may not be more than 1048576 bytes",
                "endpoints: Too many: 1001: must have at most 1000 items",
                "a: Duplicate value: \"x\"",
                "b: Not found: \"y\"",
            ]
        );
    }

    #[test]
    fn one_error_stands_alone_and_more_stand_in_brackets() {
        let errors = three();
        assert_eq!(
            invalid_message("apps", "Deployment", "web", &errors[2..]),
            "Deployment.apps \"web\" is invalid: spec.name: Required value"
        );
        assert_eq!(
            invalid_message("", "Pod", "web", &errors[1..]),
            "Pod \"web\" is invalid: [spec.type: Unsupported value: \"X\": supported values: \
             \"A\", \"B\", spec.name: Required value]"
        );
        let twice = [errors[2].clone(), errors[2].clone()];
        assert_eq!(summary(&twice), "spec.name: Required value");
        assert_eq!(invalid_message("", "Pod", "", &[]), "Pod \"\" is invalid");
    }

    #[test]
    fn a_status_names_every_cause() {
        let status = invalid_status("", "Pod", "web", &three()[..1]);
        assert_eq!(status["code"], 422);
        assert_eq!(status["reason"], "Invalid");
        assert_eq!(
            status["details"],
            serde_json::json!({
                "kind": "Pod",
                "name": "web",
                "causes": [{
                    "reason": "FieldValueInvalid",
                    "message": "Invalid value: -1: must be greater than or equal to 0",
                    "field": "spec.replicas",
                }],
            })
        );
    }

    #[test]
    fn texts_are_quoted_as_go_quotes_them() {
        assert_eq!(quote("a\"b\\\n\u{1}é\u{200b}"), r#""a\"b\\\n\x01é\u200b""#);
    }
}
