//! Label selectors: how tables show them, whether they match, and what is wrong with them.

use serde_json::Value;

use crate::error::Errors;
use crate::format;
use crate::path::Path;
use crate::value::{entries, is_set, len, list, text};

/// A map of labels as tables show it: `a=b,c=d`, or `<none>`.
pub(crate) fn show_labels(labels: &Value) -> String {
    let shown: Vec<String> = entries(labels)
        .map(|(key, value)| format!("{key}={}", text(value)))
        .collect();
    match shown.as_slice() {
        [] => "<none>".to_owned(),
        shown => shown.join(","),
    }
}

/// A label selector as tables show it, or `<none>`.
pub(crate) fn show(selector: &Value) -> String {
    match requirements(selector) {
        None => "<error>".to_owned(),
        Some(shown) if shown.is_empty() => "<none>".to_owned(),
        Some(shown) => shown,
    }
}

/// The requirements of a selector in the order of their keys; `None` where one is malformed.
pub(crate) fn requirements(selector: &Value) -> Option<String> {
    let mut shown: Vec<(&str, String)> = entries(&selector["matchLabels"])
        .map(|(key, value)| (key.as_str(), format!("{key}={}", text(value))))
        .collect();
    for expression in list(&selector["matchExpressions"]) {
        let key = text(&expression["key"]);
        let mut values: Vec<&str> = list(&expression["values"]).iter().map(text).collect();
        values.sort_unstable();
        let values = values.join(",");
        shown.push((
            key,
            match text(&expression["operator"]) {
                "In" => format!("{key} in ({values})"),
                "NotIn" => format!("{key} notin ({values})"),
                "Exists" => key.to_owned(),
                "DoesNotExist" => format!("!{key}"),
                _ => return None,
            },
        ));
    }
    shown.sort_by_key(|(key, _)| *key);
    let shown: Vec<String> = shown.into_iter().map(|(_, text)| text).collect();
    Some(shown.join(","))
}

/// A label selector as upstream's own type prints itself, which a few columns show.
pub(crate) fn show_type(selector: &Value) -> String {
    let labels: String = entries(&selector["matchLabels"])
        .map(|(key, value)| format!("{key}: {},", text(value)))
        .collect();
    let expressions: String = list(&selector["matchExpressions"])
        .iter()
        .map(|one| {
            let values: Vec<&str> = list(&one["values"]).iter().map(text).collect();
            format!(
                "LabelSelectorRequirement{{Key:{},Operator:{},Values:[{}],}},",
                text(&one["key"]),
                text(&one["operator"]),
                values.join(" ")
            )
        })
        .collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
}

/// Whether a selector with nothing in it was meant.
pub(crate) fn is_empty(selector: &Value) -> bool {
    len(&selector["matchLabels"]) + len(&selector["matchExpressions"]) == 0
}

/// Whether a selector picks an object with these labels; one that is not set picks none.
pub(crate) fn matches(selector: &Value, labels: &Value) -> bool {
    is_set(selector)
        && entries(&selector["matchLabels"]).all(|(key, value)| labels.get(key) == Some(value))
        && list(&selector["matchExpressions"])
            .iter()
            .all(|expression| {
                let found = labels.get(text(&expression["key"]));
                let is_among =
                    found.is_some_and(|value| list(&expression["values"]).contains(value));
                match text(&expression["operator"]) {
                    "In" => is_among,
                    "NotIn" => !is_among,
                    "Exists" => found.is_some(),
                    "DoesNotExist" => found.is_none(),
                    _ => false,
                }
            })
}

/// What is wrong with a selector; one that is not set is good.
pub(crate) fn validate(selector: &Value, path: &Path<'_>, errors: &mut Errors) {
    labels(&selector["matchLabels"], &path.child("matchLabels"), errors);
    let expressions = path.child("matchExpressions");
    for (i, expression) in list(&selector["matchExpressions"]).iter().enumerate() {
        let path = expressions.index(i);
        operator(expression, &path, errors);
        let key = text(&expression["key"]);
        errors.each(&path.child("key"), key, format::label_key(key));
        let values = path.child("values");
        for (j, value) in list(&expression["values"]).iter().enumerate() {
            let value = text(value);
            errors.each(&values.index(j), value, format::label_value(value));
        }
    }
}

fn operator(expression: &Value, path: &Path<'_>, errors: &mut Errors) {
    let count = len(&expression["values"]);
    match text(&expression["operator"]) {
        "In" | "NotIn" if count == 0 => errors.required(
            &path.child("values"),
            "must be specified when `operator` is 'In' or 'NotIn'",
        ),
        "Exists" | "DoesNotExist" if count > 0 => errors.forbidden(
            &path.child("values"),
            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        ),
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        other => errors.invalid(
            &path.child("operator"),
            other,
            "not a valid selector operator",
        ),
    }
}

/// What is wrong with a map of labels.
pub(crate) fn labels(labels: &Value, path: &Path<'_>, errors: &mut Errors) {
    for (key, value) in entries(labels) {
        errors.each(path, key, format::label_key(key));
        let value = text(value);
        errors.each(path, value, format::label_value(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_selector_is_shown_in_the_order_of_its_keys() {
        let selector = json!({
            "matchLabels": {"b": "1"},
            "matchExpressions": [
                {"key": "c", "operator": "NotIn", "values": ["z", "y"]},
                {"key": "a", "operator": "Exists"},
                {"key": "d", "operator": "DoesNotExist"},
            ],
        });
        assert_eq!(show(&selector), "a,b=1,c notin (y,z),!d");
        assert_eq!(show(&json!({})), "<none>");
        assert_eq!(show(&Value::Null), "<none>");
        assert_eq!(
            show(&json!({"matchExpressions": [{"key": "a"}]})),
            "<error>"
        );
    }

    #[test]
    fn a_selector_that_is_not_set_picks_nothing_and_an_empty_one_everything() {
        assert!(!matches(&Value::Null, &json!({"a": "b"})));
        assert!(matches(&json!({}), &json!({"a": "b"})));
        assert!(matches(
            &json!({"matchLabels": {"a": "b"}}),
            &json!({"a": "b", "c": "d"})
        ));
        assert!(!matches(
            &json!({"matchLabels": {"a": "x"}}),
            &json!({"a": "b"})
        ));
    }
}
