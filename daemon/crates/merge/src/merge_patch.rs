//! JSON merge patch (RFC 7386), as Kubernetes has it: where a document meets a document, `null`
//! takes a field away; what is new to the document loses the nulls of its own maps. Knows nothing
//! about types.

use serde_json::{Map, Value};

use crate::error::PatchError;
use crate::go;

/// The object with the merge patch `patch` (JSON) applied.
///
/// # Errors
/// Where `patch` is not a JSON object.
pub fn merge_patch(object: &Value, patch: &[u8]) -> Result<Value, PatchError> {
    let patch: Value = serde_json::from_slice(patch)
        .map_err(|error| PatchError::Undecodable(error.to_string()))?;
    let patch = match patch {
        Value::Object(fields) => fields,
        Value::Null => return Err(PatchError::NullMergePatch),
        other => {
            return Err(PatchError::Undecodable(format!(
                "json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                go::json_name(&other)
            )));
        }
    };
    Ok(merge(Some(object.clone()), Value::Object(patch)))
}

fn merge(current: Option<Value>, patch: Value) -> Value {
    match (current, patch) {
        (Some(Value::Object(mut fields)), Value::Object(patch)) => {
            merge_fields(&mut fields, patch);
            Value::Object(fields)
        }
        (Some(Value::Object(_)), patch) => patch,
        (_, patch) => without_nulls(patch),
    }
}

fn merge_fields(fields: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, change) in patch {
        if change.is_null() {
            fields.remove(&key);
        } else {
            let current = fields.remove(&key);
            fields.insert(key, merge(current, change));
        }
    }
}

/// Without the null fields of its maps. Nulls that are elements of lists stay.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let there = fields.into_iter().filter(|(_, field)| !field.is_null());
            Value::Object(
                there
                    .map(|(key, field)| (key, without_nulls(field)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        scalar => scalar,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(object: Value, patch: Value) -> Value {
        merge_patch(&object, patch.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn the_cases_of_rfc_7386_come_out_as_written_there() {
        let cases = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": "b"}),
                json!({"b": "c"}),
                json!({"a": "b", "b": "c"}),
            ),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (
                json!({"a": "b", "b": "c"}),
                json!({"a": null}),
                json!({"b": "c"}),
            ),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (
                json!({"a": [{"b": "c"}]}),
                json!({"a": [1]}),
                json!({"a": [1]}),
            ),
            (
                json!({"e": null}),
                json!({"a": 1}),
                json!({"e": null, "a": 1}),
            ),
            (
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
        ];
        for (object, patch, expected) in cases {
            assert_eq!(
                merged(object.clone(), patch.clone()),
                expected,
                "{object} {patch}"
            );
        }
    }

    #[test]
    fn nulls_in_lists_stay_and_nulls_in_maps_in_new_lists_go() {
        let patch = json!({"a": [null, {"b": null, "c": 1}]});
        assert_eq!(
            merged(json!({}), patch.clone()),
            json!({"a": [null, {"c": 1}]})
        );
        // Where a document stood, the list is taken as it is.
        assert_eq!(merged(json!({"a": {"x": 1}}), patch.clone()), patch);
    }

    #[test]
    fn a_patch_that_is_no_document_is_refused() {
        for (patch, text) in [
            ("null", "Invalid JSON Patch"),
            (
                "[1]",
                "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
            ),
            (
                "5",
                "error decoding patch: json: cannot unmarshal number into Go value of type map[string]interface {}",
            ),
        ] {
            let error = merge_patch(&json!({}), patch.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), text);
            assert_eq!(error.fault(), crate::Fault::BadRequest);
        }
        assert!(merge_patch(&json!({}), b"{").is_err());
    }
}
