//! A list of plain objects as YAML.
//!
//! Every text is quoted as JSON quotes it, which YAML reads alike.

use std::fmt::Write as _;

use serde_json::Value;

/// The objects under a name; fields in lower case, as Go's encoder writes them.
pub(super) fn list(name: &str, objects: &Value) -> String {
    let mut text = format!("{name}:\n");
    for object in objects.as_array().into_iter().flatten() {
        let mut mark = "-";
        for (field, value) in object.as_object().into_iter().flatten() {
            let _ = writeln!(text, "{mark} {}: {value}", field.to_lowercase());
            mark = " ";
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_lists_and_numbers_stand_each_on_a_line() {
        let objects = json!([{"A": "x: y", "Bc": ["u", "v"], "D": 3}, {"A": null}]);
        assert_eq!(
            list("all", &objects),
            "all:\n- a: \"x: y\"\n  bc: [\"u\",\"v\"]\n  d: 3\n- a: null\n"
        );
    }
}
