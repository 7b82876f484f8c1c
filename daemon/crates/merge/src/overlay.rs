//! A configuration laid over an object, without owners: what mutating policies apply.

use std::fmt::Write as _;

use serde_json::Value;
use skerry_schema::{ListKind, Shape, Type};

use crate::typed::{self, Duplicates, Model};

/// The object with the configuration: nothing goes, and what both have is the configuration's.
/// Without a type lists are taken as a whole, and objects field by field.
///
/// # Errors
/// The configuration is not of the type, or changes what can only be replaced as a whole.
pub fn overlay(object: &Value, config: &Value, of: Option<Type<'_>>) -> Result<Value, String> {
    let model = of.map_or(Model::Deduced, Model::Of);
    typed::validate(model, config, Duplicates::Refused)
        .map_err(|wrong| format!("failed to convert patch object to typed object: {wrong}"))?;
    if let Some(of) = of {
        let mut found = Vec::new();
        atomics(of, config, &mut String::new(), &mut found);
        if !found.is_empty() {
            let all = found.join(", ");
            return Err(format!(
                "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {all}"
            ));
        }
    }
    Ok(typed::merge(model, object, config))
}

/// The places of a value that can only be replaced as a whole.
fn atomics(of: Type<'_>, value: &Value, path: &mut String, found: &mut Vec<String>) {
    let length = path.len();
    match (of.shape(), value) {
        (Shape::Object(object), Value::Object(fields)) => {
            if object.atomic {
                found.push(path.clone());
            }
            for (name, value) in fields {
                if let Some(field) = object.field(name) {
                    let _ = write!(path, ".{name}");
                    atomics(field.of, value, path, found);
                    path.truncate(length);
                }
            }
        }
        (Shape::Map(map), Value::Object(_)) if map.atomic => found.push(path.clone()),
        (Shape::List(list), Value::Array(items)) => {
            if matches!(list.kind, ListKind::Atomic) {
                found.push(path.clone());
            }
            for (index, item) in items.iter().enumerate() {
                let _ = write!(path, "[{index}]");
                atomics(list.element, item, path, found);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_told_apart_is_merged_and_what_is_not_is_refused() {
        let catalog = skerry_schema::built_in();
        let pod = catalog.types.definition("io.k8s.api.core.v1.Pod");
        let object = json!({"spec": {"containers": [{"name": "a", "image": "x"}]}});
        let config = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [
            {"name": "a", "tty": true}, {"name": "b"}]}});
        assert_eq!(
            overlay(&object, &config, pod).unwrap(),
            json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [
                {"name": "a", "image": "x", "tty": true}, {"name": "b"}]}})
        );
        let atomic = json!({"spec": {"containers": [{"name": "a", "args": ["b"]}]}});
        assert_eq!(
            overlay(&object, &atomic, pod).unwrap_err(),
            "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: \
             .spec.containers[0].args"
        );
        let wrong = json!({"spec": {"none": 1}});
        let refused = overlay(&object, &wrong, pod).unwrap_err();
        assert!(refused.starts_with("failed to convert patch object to typed object: "));
        let free = overlay(
            &json!({"a": {"b": [1]}}),
            &json!({"a": {"b": [2], "c": 3}}),
            None,
        );
        assert_eq!(free.unwrap(), json!({"a": {"b": [2], "c": 3}}));
    }
}
