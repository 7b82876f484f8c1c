//! `FieldsV1`: a set as JSON.
//!
//! ```text
//! {"f:spec": {"f:ports": {".": {}, "k:{\"port\":80}": {".": {}, "f:name": {}}}}}
//! ```
//! A map without members below it is a member; one with some is a member where it has `.`.

use serde_json::{Map, Value};
use thiserror::Error;

use super::set::Node;
use super::{Element, Set};

/// Why something is no `FieldsV1`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum BadFields {
    #[error("parsing key as path element: {0:?}")]
    Element(String),
    #[error("expected a map of fields")]
    NotAMap,
}

impl Set {
    /// From `FieldsV1`.
    ///
    /// # Errors
    /// Where it is not of the form.
    pub fn from_fields_v1(fields: &Value) -> Result<Self, BadFields> {
        Ok(read(fields)?.0)
    }

    /// As `FieldsV1`.
    #[must_use]
    pub fn to_fields_v1(&self) -> Value {
        let fields = self.nodes.iter().map(|(element, node)| {
            let mut below = match node.below.to_fields_v1() {
                Value::Object(fields) => fields,
                _ => Map::new(),
            };
            if node.member && !below.is_empty() {
                below.insert(".".to_owned(), Value::Object(Map::new()));
            }
            (element.to_wire(), Value::Object(below))
        });
        Value::Object(fields.collect())
    }
}

/// What is below, and whether the map itself is a member.
fn read(fields: &Value) -> Result<(Set, bool), BadFields> {
    let fields = fields.as_object().ok_or(BadFields::NotAMap)?;
    let mut set = Set::default();
    let mut member = false;
    for (key, fields) in fields {
        if key == "." {
            member = true;
            continue;
        }
        let Some(element) = Element::parse(key)? else {
            continue;
        };
        let (below, is_member) = read(fields)?;
        let node: &mut Node = set.nodes.entry(element).or_default();
        node.member |= is_member;
        node.below = std::mem::take(&mut node.below).union(below);
    }
    let member = member || set.is_empty();
    Ok((set, member))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let fields = json!({
            "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
            "f:spec": {
                "f:ports": {
                    "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}},
                    "k:{\"port\":443}": {},
                },
                "f:set": {"v:\"x\"": {}, "v:1": {}},
                "f:list": {"i:0": {}},
            },
        });
        let set = Set::from_fields_v1(&fields).unwrap();
        assert_eq!(set.to_fields_v1(), fields);
        let paths = set.paths();
        let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
        assert_eq!(
            paths,
            [
                ".metadata.labels",
                ".metadata.labels.a",
                ".spec.list[0]",
                ".spec.ports[port=80,protocol=\"TCP\"]",
                ".spec.ports[port=443]",
                ".spec.ports[port=80,protocol=\"TCP\"].port",
                ".spec.set[=1]",
                ".spec.set[=\"x\"]",
            ]
        );
    }

    #[test]
    fn what_a_later_version_may_know_is_passed_over_and_what_is_wrong_is_refused() {
        let fields = json!({"f:a": {}, "x:b": {}});
        let set = Set::from_fields_v1(&fields).unwrap();
        assert_eq!(set.to_fields_v1(), json!({"f:a": {}}));
        for bad in [
            json!({"a": {}}),
            json!({"": {}}),
            json!({"k:5": {}}),
            json!({"k:{": {}}),
            json!({"v:": {}}),
            json!({"i:x": {}}),
            json!({"f:a": 5}),
            json!({"é:": {}}),
            json!([]),
            json!(null),
        ] {
            assert!(Set::from_fields_v1(&bad).is_err(), "{bad}");
        }
        assert!(Set::from_fields_v1(&json!({})).unwrap().is_empty());
    }
}
