//! What is said of a patch that makes of an object what its kind cannot hold: upstream blames the
//! patch and shows it, a strategic one as Go prints a map, of the others what they have made.
//!
//! Knows nothing about how patches are applied.

use std::fmt::Write;

use serde_json::Value;
use skerry_selector::quoted;

use super::patch::Patch;
use crate::call::Call;
use crate::decode;
use crate::error::{About, ApiError};
use crate::options::FieldValidation;

/// Fields of an operation of a JSON patch.
const OPERATION: [&str; 4] = ["op", "path", "from", "value"];

/// How many faults of one patch are told.
const FAULTS_MAX: usize = 32;

/// What the patch says twice, and what is no part of an operation.
pub(crate) fn of_body(call: &Call, validation: FieldValidation) -> Vec<String> {
    if validation == FieldValidation::Ignore {
        return Vec::new();
    }
    let operations = call.media_type == "application/json-patch+json";
    let decoded = match call.media_type.as_str() {
        "application/apply-patch+yaml" => decode::yaml(&call.body),
        _ => decode::json(&call.body),
    };
    // What cannot be read is told elsewhere.
    let Ok(decoded) = decoded else {
        return Vec::new();
    };
    let mut faults = decoded.duplicates;
    if let (true, Value::Array(list)) = (operations, &decoded.value) {
        for (index, operation) in list.iter().enumerate() {
            let fields = operation.as_object().into_iter().flatten();
            let unknown = fields.filter(|(key, _)| !OPERATION.contains(&key.as_str()));
            faults.extend(unknown.map(|(key, _)| {
                let path = format!("[{index}].{key}");
                format!("unknown field {path:?}")
            }));
        }
        faults.truncate(FAULTS_MAX);
        faults = faults
            .iter()
            .map(|fault| format!("json patch {fault}"))
            .collect();
    }
    faults
}

/// `error` of `made`, which is no object of `kind`, as the fault of the patch.
pub(crate) fn blame(error: ApiError, kind: &str, patch: &Patch<'_>, made: &Value) -> ApiError {
    let cannot = format!(" cannot be handled as a {kind}: ");
    let Some((_, why)) = error.message.split_once(&cannot) else {
        return error;
    };
    let (shown, why) = match patch {
        Patch::Strategic(patch) => (go_text(patch), as_converted(why)),
        _ => (made.to_string(), why.to_owned()),
    };
    let nobody = About {
        group: "",
        resource: "",
        name: "",
    };
    let message = format!("Invalid value: {}: {why}", quoted(&shown));
    let cause = ("FieldValueInvalid".to_owned(), message, "patch".to_owned());
    ApiError::invalid(nobody, &[cause])
}

/// A strategic patch is not decoded but converted, which has its own words.
fn as_converted(why: &str) -> String {
    let parts = || {
        let (found, field) = why
            .strip_prefix("json: cannot unmarshal ")?
            .split_once(" into Go struct field ")?;
        Some((found, field.split_once(" of type ")?.1))
    };
    let Some((found, wanted)) = parts() else {
        return why.to_owned();
    };
    let found = match found.split(' ').next().unwrap_or_default() {
        "number" if found.contains('.') => "float64",
        "number" => "int64",
        "object" => "map",
        "array" => "slice",
        other => other,
    };
    match wanted {
        "string" if found == "int64" => format!("cannot convert {found} to {wanted}"),
        "string" | "bool" | "int32" | "int64" | "float64" => format!("unrecognized type: {wanted}"),
        map if map.starts_with("map[") => format!("cannot restore map from {found}"),
        list if list.starts_with("[]") => format!("cannot restore slice from {found}"),
        _ => format!("cannot restore struct from: {found}"),
    }
}

/// A value as Go's `%+v` prints it.
fn go_text(value: &Value) -> String {
    let mut text = String::new();
    write_go(value, &mut text);
    text
}

/// The depth of a body is limited when it is decoded.
fn write_go(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("<nil>"),
        Value::String(string) => text.push_str(string),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(' ');
                }
                write_go(item, text);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            text.push_str("map[");
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            for (index, name) in names.into_iter().enumerate() {
                let space = if index > 0 { " " } else { "" };
                let _ = write!(text, "{space}{name}:");
                write_go(&fields[name], text);
            }
            text.push(']');
        }
        plain => {
            let _ = write!(text, "{plain}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_patch_is_shown_as_go_prints_maps() {
        let patch = json!({"spec": {"replicas": "many", "a": [1, null], "b": true}});
        assert_eq!(
            go_text(&patch),
            "map[spec:map[a:[1 <nil>] b:true replicas:many]]"
        );
    }

    #[test]
    fn what_cannot_be_converted_is_told_in_the_words_of_conversion() {
        let of = |found: &str, wanted: &str| {
            as_converted(&format!(
                "json: cannot unmarshal {found} into Go struct field A.b of type {wanted}"
            ))
        };
        assert_eq!(of("string", "int32"), "unrecognized type: int32");
        assert_eq!(of("number", "string"), "cannot convert int64 to string");
        assert_eq!(
            of("string", "map[string]string"),
            "cannot restore map from string"
        );
        assert_eq!(
            of("object", "[]v1.Container"),
            "cannot restore slice from map"
        );
        let strict = "strict decoding error: unknown field \"a\"";
        assert_eq!(as_converted(strict), strict);
    }
}
