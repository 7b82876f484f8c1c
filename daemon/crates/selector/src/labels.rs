//! Label selectors: requirements that must all hold.
//!
//! Knows nothing of text (`grammar`) or of LabelSelector objects
//! (`object`). A [`Requirement`] that exists is valid.

mod grammar;
mod object;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

pub use grammar::ParseError;
pub use object::ObjectError;

use crate::{name, quote::quoted};

/// How a requirement relates a key to its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// The key has one of the values.
    In,
    /// The key is absent or has none of the values.
    NotIn,
    /// `=`
    Equals,
    /// `==`: the same as `=`, printed as it was written.
    DoubleEquals,
    /// The key is absent or has another value.
    NotEquals,
    /// The key is present.
    Exists,
    /// The key is absent.
    DoesNotExist,
    /// The key's value is a larger integer.
    GreaterThan,
    /// The key's value is a smaller integer.
    LessThan,
}

/// One complaint about a requirement, printed as upstream's field errors are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: Invalid value: {value}: {detail}")]
pub struct Violation {
    /// Path within the requirement: `key`, `values`, `values[0][app]`.
    pub field: String,
    /// The bad value, as JSON.
    pub value: String,
    /// What is wrong with it.
    pub detail: String,
}

/// All complaints about one requirement; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Violations(pub Vec<Violation>);

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [one] = self.0.as_slice() {
            return one.fmt(f);
        }
        let texts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        write!(f, "[{}]", texts.join(", "))
    }
}

/// One condition on a set of labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    key: String,
    operator: Operator,
    /// Sorted.
    values: Vec<String>,
}

impl Requirement {
    /// A requirement, or everything that is wrong with it.
    pub fn new(key: &str, operator: Operator, mut values: Vec<String>) -> Result<Self, Violations> {
        let mut violations = Vec::new();
        let mut complain = |field: String, value: String, detail: String| {
            violations.push(Violation {
                field,
                value,
                detail,
            });
        };
        let complaints = name::label_key(key);
        if !complaints.is_empty() {
            complain("key".to_owned(), quoted(key), complaints.join("; "));
        }
        let count = match operator {
            Operator::In | Operator::NotIn if values.is_empty() => {
                Some("for 'in', 'notin' operators, values set can't be empty")
            }
            Operator::Equals | Operator::DoubleEquals | Operator::NotEquals
                if values.len() != 1 =>
            {
                Some("exact-match compatibility requires one single value")
            }
            Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
                Some("values set must be empty for exists and does not exist")
            }
            Operator::GreaterThan | Operator::LessThan if values.len() != 1 => {
                Some("for 'Gt', 'Lt' operators, exactly one value is required")
            }
            _ => None,
        };
        if let Some(detail) = count {
            complain("values".to_owned(), json(&values), detail.to_owned());
        }
        if matches!(operator, Operator::GreaterThan | Operator::LessThan) {
            for (index, value) in values.iter().enumerate() {
                if value.parse::<i64>().is_err() {
                    complain(
                        format!("values[{index}]"),
                        quoted(value),
                        "for 'Gt', 'Lt' operators, the value must be an integer".to_owned(),
                    );
                }
            }
        }
        for (index, value) in values.iter().enumerate() {
            let complaints = name::label_value(value);
            if !complaints.is_empty() {
                complain(
                    format!("values[{index}][{key}]"),
                    quoted(value),
                    complaints.join("; "),
                );
            }
        }
        if !violations.is_empty() {
            return Err(Violations(violations));
        }
        values.sort_unstable();
        Ok(Self {
            key: key.to_owned(),
            operator,
            values,
        })
    }

    /// The label's key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// How key and values relate.
    #[must_use]
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The values, sorted.
    #[must_use]
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// Whether labels in which this requirement's key has `value` satisfy it.
    #[must_use]
    pub fn matches(&self, value: Option<&str>) -> bool {
        let listed = |value: &str| {
            self.values
                .binary_search_by(|wanted| wanted.as_str().cmp(value))
                .is_ok()
        };
        match self.operator {
            Operator::In | Operator::Equals | Operator::DoubleEquals => value.is_some_and(listed),
            Operator::NotIn | Operator::NotEquals => !value.is_some_and(listed),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan | Operator::LessThan => {
                let number = |text: &str| text.parse::<i64>().ok();
                let bound = self.values.first().and_then(|text| number(text));
                let (Some(have), Some(bound)) = (value.and_then(number), bound) else {
                    return false;
                };
                if self.operator == Operator::GreaterThan {
                    have > bound
                } else {
                    have < bound
                }
            }
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, values) = (&self.key, self.values.join(","));
        match self.operator {
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::Exists => write!(f, "{key}"),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}

/// A set of labels that can be asked for one.
pub trait Labels {
    /// The value of `key`, if the label is there.
    fn value(&self, key: &str) -> Option<&str>;
}

impl Labels for Map<String, Value> {
    fn value(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str)
    }
}

impl Labels for BTreeMap<String, String> {
    fn value(&self, key: &str) -> Option<&str> {
        self.get(key).map(String::as_str)
    }
}

impl<L: Labels> Labels for Option<&L> {
    fn value(&self, key: &str) -> Option<&str> {
        self.and_then(|labels| labels.value(key))
    }
}

/// Requirements that must all hold; with none, everything matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// Sorted by key; `None` matches nothing.
    requirements: Option<Vec<Requirement>>,
}

impl Selector {
    /// Matches every set of labels.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            requirements: Some(Vec::new()),
        }
    }

    /// Matches no set of labels.
    #[must_use]
    pub fn nothing() -> Self {
        Self { requirements: None }
    }

    /// All of `requirements` together.
    #[must_use]
    pub fn all(mut requirements: Vec<Requirement>) -> Self {
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Self {
            requirements: Some(requirements),
        }
    }

    /// Reads the text of a query's `labelSelector`: `a in (b,c),!d,e=f`.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        grammar::parse(text).map(Self::all)
    }

    /// Reads a LabelSelector object. An empty one matches everything, null
    /// nothing.
    pub fn from_object(object: &Value) -> Result<Self, ObjectError> {
        object::selector(object)
    }

    /// The exact `key: value` pairs of a plain map, as Service and
    /// ReplicationController select; not validated, as upstream does not.
    /// Values that are no strings match nothing.
    #[must_use]
    pub fn from_map(map: &Map<String, Value>) -> Self {
        let mut requirements = Vec::with_capacity(map.len());
        for (key, value) in map {
            let Some(value) = value.as_str() else {
                return Self::nothing();
            };
            requirements.push(Requirement {
                key: key.clone(),
                operator: Operator::Equals,
                values: vec![value.to_owned()],
            });
        }
        Self::all(requirements)
    }

    /// Whether nothing is excluded.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.requirements.as_ref().is_some_and(Vec::is_empty)
    }

    /// The requirements, sorted by key; `None` for the selector that matches
    /// nothing.
    #[must_use]
    pub fn requirements(&self) -> Option<&[Requirement]> {
        self.requirements.as_deref()
    }

    /// Whether `labels` satisfy every requirement.
    pub fn matches(&self, labels: &impl Labels) -> bool {
        self.requirements.as_ref().is_some_and(|requirements| {
            requirements
                .iter()
                .all(|requirement| requirement.matches(labels.value(&requirement.key)))
        })
    }

    /// Whether the labels in an object's metadata satisfy every requirement.
    #[must_use]
    pub fn matches_object(&self, object: &Value) -> bool {
        self.matches(
            &object
                .pointer("/metadata/labels")
                .and_then(Value::as_object),
        )
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements.iter().flatten().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

/// A list as Go's JSON shows it: an absent one is null.
fn json(values: &[String]) -> String {
    if values.is_empty() {
        "null".to_owned()
    } else {
        serde_json::json!(values).to_string()
    }
}
