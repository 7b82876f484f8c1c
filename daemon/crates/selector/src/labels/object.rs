//! LabelSelector objects: `matchLabels` and `matchExpressions`.
//!
//! Does not trust that the object has the schema's types; one that has not is
//! an error that names the place.

use serde_json::Value;

use super::{Operator, Requirement, Selector, Violations};
use crate::limits::{REQUIREMENTS_MAX, VALUES_MAX};
use crate::quote::quoted;

/// Why an object is no label selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// The name of an operator that there is not.
    #[error("{} is not a valid label selector operator", quoted(.0))]
    Operator(String),
    /// Bad key or values.
    #[error(transparent)]
    Invalid(#[from] Violations),
    /// A part that has not its schema's type.
    #[error("label selector has an unexpected type at {0}")]
    Malformed(&'static str),
    /// More requirements or values than are kept.
    #[error(
        "label selector must have at most {REQUIREMENTS_MAX} requirements of {VALUES_MAX} values"
    )]
    TooMany,
}

pub(super) fn selector(object: &Value) -> Result<Selector, ObjectError> {
    let fields = match object {
        Value::Null => return Ok(Selector::nothing()),
        Value::Object(fields) => fields,
        _ => return Err(ObjectError::Malformed("the selector")),
    };
    let mut requirements = Vec::new();
    match fields.get("matchLabels") {
        None | Some(Value::Null) => {}
        Some(Value::Object(labels)) => {
            if labels.len() > REQUIREMENTS_MAX {
                return Err(ObjectError::TooMany);
            }
            for (key, value) in labels {
                let value = value
                    .as_str()
                    .ok_or(ObjectError::Malformed("matchLabels"))?;
                requirements.push(Requirement::new(
                    key,
                    Operator::Equals,
                    vec![value.to_owned()],
                )?);
            }
        }
        Some(_) => return Err(ObjectError::Malformed("matchLabels")),
    }
    match fields.get("matchExpressions") {
        None | Some(Value::Null) => {}
        Some(Value::Array(expressions)) => {
            if requirements.len() + expressions.len() > REQUIREMENTS_MAX {
                return Err(ObjectError::TooMany);
            }
            for expression in expressions {
                requirements.push(requirement(expression)?);
            }
        }
        Some(_) => return Err(ObjectError::Malformed("matchExpressions")),
    }
    Ok(Selector::all(requirements))
}

fn requirement(expression: &Value) -> Result<Requirement, ObjectError> {
    let text = |name: &str, place| match expression.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(ObjectError::Malformed(place)),
    };
    let operator = match text("operator", "matchExpressions.operator")? {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        other => return Err(ObjectError::Operator(other.to_owned())),
    };
    let values = match expression.get("values") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(values)) if values.len() > VALUES_MAX => {
            return Err(ObjectError::TooMany);
        }
        Some(Value::Array(values)) => values
            .iter()
            .map(|value| value.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .ok_or(ObjectError::Malformed("matchExpressions.values"))?,
        Some(_) => return Err(ObjectError::Malformed("matchExpressions.values")),
    };
    Ok(Requirement::new(
        text("key", "matchExpressions.key")?,
        operator,
        values,
    )?)
}
