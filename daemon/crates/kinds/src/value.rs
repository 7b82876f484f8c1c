//! Looking into values whose shape is not known: what is missing or of another type reads as
//! empty, as it does in a Go struct that has been decoded from it.

use serde_json::{Map, Value};

/// The text, or "" where there is none.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The integer, or 0 where there is none.
pub(crate) fn int(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// The elements; none where there is no list.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The entries in the order of their keys; none where there is no map.
pub(crate) fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// How many entries or elements there are.
pub(crate) fn len(value: &Value) -> usize {
    match value {
        Value::Object(map) => map.len(),
        Value::Array(list) => list.len(),
        _ => 0,
    }
}

/// Whether a pointer would be set.
pub(crate) fn is_set(value: &Value) -> bool {
    !value.is_null()
}

/// Whether a boolean is there and true.
pub(crate) fn is_true(value: &Value) -> bool {
    value.as_bool() == Some(true)
}

/// The first of several texts that is not empty, or "".
pub(crate) fn first_text<'v>(values: &[&'v Value]) -> &'v str {
    values
        .iter()
        .map(|value| text(value))
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

/// An object to write into; what is missing or null is made, and what is of another type is left
/// alone.
pub(crate) fn object_at<'v>(
    value: &'v mut Value,
    name: &str,
) -> Option<&'v mut Map<String, Value>> {
    let slot = value
        .as_object_mut()?
        .entry(name)
        .or_insert_with(|| Value::Object(Map::new()));
    if slot.is_null() {
        *slot = Value::Object(Map::new());
    }
    slot.as_object_mut()
}

/// Whether two values mean the same: null, `{}`, `[]` and what is missing are alike, as they are
/// to upstream's semantic equality.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            x.iter()
                .all(|(k, v)| same(v, y.get(k).unwrap_or(&Value::Null)))
                && y.iter()
                    .all(|(k, v)| x.contains_key(k) || same(&Value::Null, v))
        }
        (Value::Array(x), Value::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(v, w)| same(v, w))
        }
        (a, b) => a == b || (is_empty(a) && is_empty(b)),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.values().all(is_empty),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn empty_and_missing_mean_the_same() {
        assert!(same(&json!({"a": {}, "b": []}), &json!({"c": null})));
        assert!(same(
            &json!({"a": {"x": 1}}),
            &json!({"a": {"x": 1, "y": {}}})
        ));
        assert!(!same(&json!({"a": 0}), &json!({})));
        assert!(!same(&json!(["a"]), &json!(["b"])));
        assert!(!same(&json!({}), &json!({"a": "x"})));
    }
}
