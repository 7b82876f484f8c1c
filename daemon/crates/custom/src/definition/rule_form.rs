//! A rule's fields, as far as nobody has to understand its expressions.

use serde_json::Value;
use skerry_kinds::Path;

use super::field_path;
use super::read::text;
use crate::error::Errors;

const REASONS: [&str; 4] = [
    "FieldValueDuplicate",
    "FieldValueForbidden",
    "FieldValueInvalid",
    "FieldValueRequired",
];

/// A rule's fields, before anybody looks at its expressions.
pub(super) fn rule_form(rule: &Value, schema: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (source, message) = (text(&rule["rule"]), text(&rule["message"]));
    let has_breaks = |text: &str| text.contains(['\n', '\r']);
    let message_path = path.child("message");
    if source.trim().is_empty() {
        errors.required(&path.child("rule"), "rule is not specified");
    } else if !message.is_empty() && message.trim().is_empty() {
        errors.invalid(&message_path, message, "must be non-empty if specified");
    } else if has_breaks(message.trim()) {
        errors.invalid(&message_path, message, "must not contain line breaks");
    } else if has_breaks(source.trim()) && message.trim().is_empty() {
        let detail = "message must be specified if rule contains line breaks";
        errors.required(&message_path, detail);
    }
    let expression = text(&rule["messageExpression"]);
    if !expression.is_empty() && expression.trim().is_empty() {
        let detail = "messageExpression must be non-empty if specified";
        errors.required(&path.child("messageExpression"), detail);
    }
    if let Some(reason) = rule["reason"].as_str()
        && !REASONS.contains(&reason)
    {
        errors.not_supported(&path.child("reason"), reason, &REASONS);
    }
    let field_path = text(&rule["fieldPath"]);
    if field_path.is_empty() {
        return;
    }
    let path = path.child("fieldPath");
    if field_path.trim().is_empty() {
        errors.invalid(&path, field_path, "must be non-empty if specified");
    }
    if has_breaks(field_path) {
        errors.invalid(&path, field_path, "must not contain line breaks");
    }
    if field_path::find(field_path, schema, true).is_err() {
        errors.invalid(&path, field_path, "must be a valid path");
    }
}
