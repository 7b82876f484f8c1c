//! That an object is of its type: no fields that are not declared, values of the right sort,
//! elements of lists that can be told apart.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::atom::{Atom, List, Listing, Map, Model, Scalar};
use crate::fields::Element;
use crate::go;
use crate::limits::INVALID_FAULTS_MAX;

/// Whether lists may hold two elements that cannot be told apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duplicates {
    Allowed,
    Refused,
}

/// All that is wrong with an object: where, and what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invalid(pub Vec<(String, String)>);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |f: &mut fmt::Formatter<'_>, (path, text): &(String, String)| {
            let colon = if path.is_empty() { "" } else { ": " };
            write!(f, "{path}{colon}{text}")
        };
        if let [only] = self.0.as_slice() {
            return one(f, only);
        }
        f.write_str("errors:")?;
        for error in &self.0 {
            f.write_str("\n  ")?;
            one(f, error)?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}

pub(crate) fn validate(
    model: Model<'_>,
    value: &Value,
    duplicates: Duplicates,
) -> Result<(), Invalid> {
    let mut walk = Walk {
        duplicates,
        path: Vec::new(),
        errors: Invalid::default(),
    };
    walk.place(model, value);
    if walk.errors.0.is_empty() {
        Ok(())
    } else {
        Err(walk.errors)
    }
}

struct Walk {
    duplicates: Duplicates,
    path: Vec<Element>,
    errors: Invalid,
}

impl Walk {
    fn error(&mut self, text: String) {
        if self.errors.0.len() < INVALID_FAULTS_MAX {
            let path = self.path.iter().map(ToString::to_string).collect();
            self.errors.0.push((path, text));
        }
    }

    fn place(&mut self, model: Model<'_>, value: &Value) {
        if self.errors.0.len() >= INVALID_FAULTS_MAX {
            return;
        }
        match model.atom_of(Some(value)) {
            Atom::Scalar(scalar) => self.scalar(scalar, value),
            Atom::List(list) => match value {
                Value::Null => {}
                Value::Array(items) => self.list(list, items),
                other => {
                    self.error(format!("expected list, got &{{{}}}", go::plain(other)));
                }
            },
            Atom::Map(map) | Atom::Untyped(_, map) => match value {
                Value::Null => {}
                Value::Object(fields) => self.map(map, fields),
                other => self.error(format!("expected map, got &{{{}}}", go::plain(other))),
            },
        }
    }

    fn scalar(&mut self, scalar: Scalar, value: &Value) {
        let text = match (scalar, value) {
            (_, Value::Null)
            | (Scalar::Number, Value::Number(_))
            | (Scalar::String, Value::String(_))
            | (Scalar::Boolean, Value::Bool(_))
            | (Scalar::Any, Value::Number(_) | Value::String(_) | Value::Bool(_)) => return,
            (Scalar::Number, other) => format!(
                "expected numeric (int or float), got {}",
                go::type_name(other)
            ),
            (Scalar::String, other) => format!(
                "expected string, got &value.valueUnstructured{{Value:{}}}",
                go::syntax(other)
            ),
            (Scalar::Boolean, other) => {
                format!("expected boolean, got &{{{}}}", go::plain(other))
            }
            (Scalar::Any, other) => {
                format!("expected any scalar, got &{{{}}}", go::plain(other))
            }
        };
        self.error(text);
    }

    fn list(&mut self, list: List<'_>, items: &[Value]) {
        let mut seen = BTreeSet::new();
        for (place, item) in items.iter().enumerate() {
            let element = if matches!(list.kind, Listing::Atomic) {
                Element::Index(i64::try_from(place).unwrap_or(i64::MAX))
            } else {
                match list.element_of(item) {
                    Ok(element) => element,
                    Err(text) => {
                        self.error(format!("element {place}: {text}"));
                        return;
                    }
                }
            };
            if !matches!(list.kind, Listing::Atomic)
                && !seen.insert(element.clone())
                && self.duplicates == Duplicates::Refused
            {
                self.error(format!("duplicate entries for key {element}"));
            }
            self.path.push(element);
            self.place(list.element, item);
            self.path.pop();
        }
    }

    fn map(&mut self, map: Map<'_>, fields: &serde_json::Map<String, Value>) {
        for (key, field) in fields {
            self.path.push(Element::Field(key.clone()));
            let declared = map.declared(key);
            match declared {
                Some(model) => self.place(model, field),
                None => self.error("field not declared in schema".to_owned()),
            }
            self.path.pop();
            if declared.is_none() {
                return;
            }
        }
    }
}
