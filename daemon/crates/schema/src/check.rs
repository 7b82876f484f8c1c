//! Checks a value against its type: unknown fields, wrong types, nulls.
//!
//! Speaks as upstream's decoder does, whose texts clients see. Knows nothing about validation:
//! whether a name is well formed or a number in range for its field is for others. Invariant:
//! after `prune` a value has no field that its type has not.

use std::fmt;

use serde_json::Value;

use crate::limits::{DEPTH_MAX, UNKNOWN_FIELDS_MAX};
use crate::scalar::wrong_scalar;
use crate::types::{Object, Shape, Type, Types};

/// A field that the type does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// `spec.containers[0].imagee`.
    pub path: String,
}

impl fmt::Display for Unknown {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "unknown field \"{}\"", self.path)
    }
}

/// A value that the type cannot hold, with upstream's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongType {
    /// The JSON is of another kind than the field.
    #[error(
        "json: cannot unmarshal {found} into Go struct field {structure}.{field} of type {wanted}"
    )]
    Field {
        /// `string`, `number`, `number 1.5`, `bool`, `array`, `object`.
        found: String,
        /// The type that has the field: `PodSpec`.
        structure: String,
        /// From the top: `spec.containers`.
        field: String,
        /// The Go type: `int32`, `[]v1.Container`.
        wanted: String,
    },
    /// The JSON as a whole is not an object.
    #[error("json: cannot unmarshal {found} into Go value of type {wanted}")]
    Whole {
        /// `string`, `number`, `bool`, `array`.
        found: String,
        /// The Go type: `v1.Pod`.
        wanted: String,
    },
    /// The string does not read as what it should hold.
    #[error("{text}")]
    Content {
        /// The field, for whoever wants to say where; upstream does not.
        field: String,
        /// `quantities must match the regular expression ...`.
        text: String,
    },
}

/// What strict decoding says of these fields, in one line.
#[must_use]
pub fn strict_error(unknown: &[Unknown]) -> String {
    let all: Vec<String> = unknown.iter().map(Unknown::to_string).collect();
    format!("strict decoding error: {}", all.join(", "))
}

/// The fields of `value` that `of` does not have, in order of their names, at most
/// `UNKNOWN_FIELDS_MAX`; or the first value that its field cannot hold.
pub fn check(value: &Value, of: Type<'_>) -> Result<Vec<Unknown>, WrongType> {
    let mut checking = Checking {
        types: of.types,
        path: Vec::new(),
        structure: None,
        unknown: Vec::new(),
    };
    checking.value(value, of)?;
    Ok(checking.unknown)
}

/// Takes out of `value` the fields that `of` does not have.
pub fn prune(value: &mut Value, of: Type<'_>) {
    visit(value, of, DEPTH_MAX, &mut |fields, object| {
        if !object.keeps_unknown {
            fields.retain(|name, _| object.field(name).is_some());
        }
    });
}

/// Takes out of `value` the fields of `of` that are null: upstream's decoder takes them for
/// missing (`creationTimestamp: null`). For built-in types only: a custom one may want its nulls.
pub fn drop_nulls(value: &mut Value, of: Type<'_>) {
    visit(value, of, DEPTH_MAX, &mut |fields, object| {
        fields.retain(|name, value| !value.is_null() || object.field(name).is_none());
    });
}

fn visit(
    value: &mut Value,
    of: Type<'_>,
    depth: usize,
    at: &mut impl FnMut(&mut serde_json::Map<String, Value>, Object<'_>),
) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    match (of.shape(), value) {
        (Shape::Object(object), Value::Object(fields)) => {
            at(fields, object);
            for (name, value) in fields {
                if let Some(field) = object.field(name) {
                    visit(value, field.of, depth, at);
                }
            }
        }
        (Shape::Map(map), Value::Object(entries)) => {
            for value in entries.values_mut() {
                visit(value, map.element, depth, at);
            }
        }
        (Shape::List(list), Value::Array(elements)) => {
            for value in elements {
                visit(value, list.element, depth, at);
            }
        }
        _ => {}
    }
}

enum Step {
    Name(String),
    Key(String),
    Place(usize),
}

struct Checking<'t> {
    types: &'t Types,
    path: Vec<Step>,
    /// The type that has the innermost field.
    structure: Option<Type<'t>>,
    unknown: Vec<Unknown>,
}

impl<'t> Checking<'t> {
    fn value(&mut self, value: &Value, of: Type<'t>) -> Result<(), WrongType> {
        if self.path.len() >= DEPTH_MAX {
            return Ok(());
        }
        match (of.shape(), value) {
            (Shape::Any, _) | (_, Value::Null) => Ok(()),
            // Holds any JSON, an object or not.
            (Shape::Object(object), _) if object.keeps_unknown && object.fields().len() == 0 => {
                Ok(())
            }
            (Shape::Object(object), Value::Object(fields)) => {
                let outer = self.structure.replace(of);
                for (name, value) in fields {
                    match object.field(name) {
                        Some(field) => {
                            self.within(Step::Name(name.clone()), value, field.of)?;
                        }
                        None if object.keeps_unknown => {}
                        None => self.unknown(name),
                    }
                }
                self.structure = outer;
                Ok(())
            }
            (Shape::Map(map), Value::Object(entries)) => {
                for (name, value) in entries {
                    self.within(Step::Key(name.clone()), value, map.element)?;
                }
                Ok(())
            }
            (Shape::List(list), Value::Array(elements)) => {
                for (place, value) in elements.iter().enumerate() {
                    self.within(Step::Place(place), value, list.element)?;
                }
                Ok(())
            }
            (shape @ (Shape::Object(_) | Shape::Map(_) | Shape::List(_)), _) => {
                let wanted = self.go_type(of, shape);
                Err(self.wrong(kind_of(value), wanted))
            }
            (shape, _) => match wrong_scalar(value, shape) {
                None => Ok(()),
                Some(Ok((found, wanted))) => Err(self.wrong(&found, wanted.to_owned())),
                Some(Err(text)) => Err(WrongType::Content {
                    field: self.fields(),
                    text,
                }),
            },
        }
    }

    fn within(&mut self, step: Step, value: &Value, of: Type<'t>) -> Result<(), WrongType> {
        self.path.push(step);
        self.value(value, of)?;
        self.path.pop();
        Ok(())
    }

    fn unknown(&mut self, name: &str) {
        if self.unknown.len() >= UNKNOWN_FIELDS_MAX {
            return;
        }
        let mut path = String::new();
        for step in &self.path {
            match step {
                Step::Name(name) | Step::Key(name) => path.push_str(name),
                Step::Place(place) => {
                    path.truncate(path.strip_suffix('.').map_or(path.len(), str::len));
                    path.push_str(&format!("[{place}]"));
                }
            }
            path.push('.');
        }
        path.push_str(name);
        self.unknown.push(Unknown { path });
    }

    fn wrong(&self, found: &str, wanted: String) -> WrongType {
        let found = found.to_owned();
        match self.structure {
            None => WrongType::Whole { found, wanted },
            Some(of) => WrongType::Field {
                found,
                structure: self.name(of).map_or("", last).to_owned(),
                field: self.fields(),
                wanted,
            },
        }
    }

    /// The names on the path: upstream leaves out places in lists and keys of maps here.
    fn fields(&self) -> String {
        let names = self.path.iter().filter_map(|step| match step {
            Step::Name(name) => Some(name.as_str()),
            Step::Key(_) | Step::Place(_) => None,
        });
        names.collect::<Vec<_>>().join(".")
    }

    fn name(&self, of: Type<'t>) -> Option<&'t str> {
        let mut definitions = self.types.definitions();
        definitions
            .find(|(_, one)| one.id() == of.id())
            .map(|(name, _)| name)
    }

    fn go_type(&self, of: Type<'t>, shape: Shape<'t>) -> String {
        match shape {
            Shape::List(list) => {
                let element = list.element;
                format!("[]{}", self.go_type(element, element.shape()))
            }
            Shape::Map(map) => {
                let element = map.element;
                format!("map[string]{}", self.go_type(element, element.shape()))
            }
            Shape::Object(_) => self.name(of).map_or_else(|| "struct".to_owned(), package),
            scalar => crate::scalar::go_type(scalar).to_owned(),
        }
    }
}

fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// `v1.Pod` of `io.k8s.api.core.v1.Pod`.
fn package(name: &str) -> String {
    let mut parts = name.rsplitn(3, '.');
    match (parts.next(), parts.next()) {
        (Some(kind), Some(package)) => format!("{package}.{kind}"),
        _ => name.to_owned(),
    }
}

/// What Go's decoder calls a JSON value.
pub(crate) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
