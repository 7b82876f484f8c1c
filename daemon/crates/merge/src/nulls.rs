//! Nulls as upstream's own kinds read them: a field that is null is not there, and an element or a
//! value of a map that is null is an empty one of its type.

use serde_json::{Map, Value};
use skerry_schema::{Shape, Type};

/// `value`, which is of the type `of`, without nulls. What no type describes keeps its own.
#[must_use]
pub fn without_nulls(value: Value, of: Type<'_>) -> Value {
    match (value, of.shape()) {
        (Value::Object(fields), Shape::Object(object)) => {
            let fields = fields.into_iter().filter_map(|(key, field)| {
                let Some(known) = object.field(&key) else {
                    return Some((key, field));
                };
                let any = matches!(known.of.shape(), Shape::Any);
                (any || !field.is_null()).then(|| (key, without_nulls(field, known.of)))
            });
            Value::Object(fields.collect())
        }
        (Value::Object(fields), Shape::Map(map)) => {
            let fields = fields.into_iter();
            Value::Object(
                fields
                    .map(|(key, field)| (key, filled(field, map.element)))
                    .collect(),
            )
        }
        (Value::Array(items), Shape::List(list)) => {
            let items = items.into_iter();
            items.map(|item| filled(item, list.element)).collect()
        }
        (other, _) => other,
    }
}

fn filled(value: Value, of: Type<'_>) -> Value {
    if !value.is_null() {
        return without_nulls(value, of);
    }
    match of.shape() {
        Shape::String(_) => Value::from(""),
        Shape::Integer(_) | Shape::Number | Shape::IntOrString => Value::from(0),
        Shape::Boolean => Value::from(false),
        Shape::Object(_) => Value::Object(Map::new()),
        Shape::Any | Shape::List(_) | Shape::Map(_) => Value::Null,
    }
}
