//! When two values are equal, and which of two is less: across types as cel-go, lists that are
//! sets or maps as kube-apiserver.
//!
//! Knows nothing about expressions. Invariant: equality is symmetric but for JSON with a schema,
//! whose left side decides how lists are compared, as upstream.

use crate::error::Error;
use crate::run::work;
use crate::schema::{Form, ListKind};
use crate::value::{Json, List, Map, Value};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Whether two values are equal.
///
/// # Errors
/// JSON is not of the form that its schema has, or is compared with what the schema rules out.
pub(crate) fn equal<'a>(left: &Value<'a>, right: &Value<'a>) -> Result<bool, Error> {
    work::spend(1)?;
    Ok(match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::String(left), Value::String(right)) => **left == **right,
        (Value::Bytes(left), Value::Bytes(right)) => **left == **right,
        (Value::Duration(left), Value::Duration(right)) => left == right,
        (Value::Timestamp(left), Value::Timestamp(right)) => left == right,
        (Value::Type(left), Value::Type(right)) => left.runtime_name() == right.runtime_name(),
        (Value::Opaque(left), Value::Opaque(right)) => left.equals(&**right),
        (Value::Preserved(left), Value::Preserved(right)) => left == right,
        (Value::Optional(None), Value::Optional(None)) => true,
        (Value::Optional(Some(left)), Value::Optional(Some(right))) => equal(left, right)?,
        (Value::List(left), Value::List(right)) => lists(left, right)?,
        (Value::Map(left), Value::Map(right)) => maps(left, right)?,
        (left, right) => numbers(left, right) == Some(Ordering::Equal),
    })
}

/// The order of two values of one type, or of two numbers.
///
/// # Errors
/// `no such overload`, and `NaN values cannot be ordered`.
pub(crate) fn compare(left: &Value<'_>, right: &Value<'_>) -> Result<Ordering, Error> {
    Ok(match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::String(left), Value::String(right)) => (**left).cmp(&**right),
        (Value::Bytes(left), Value::Bytes(right)) => (**left).cmp(&**right),
        (Value::Duration(left), Value::Duration(right)) => left.cmp(right),
        (Value::Timestamp(left), Value::Timestamp(right)) => left.cmp(right),
        (left, right) => {
            let number = |value: &Value<'_>| {
                matches!(value, Value::Int(_) | Value::Uint(_) | Value::Double(_))
            };
            if !number(left) || !number(right) {
                return Err(Error::no_such_overload());
            }
            return numbers(left, right).ok_or(Error::text("NaN values cannot be ordered"));
        }
    })
}

/// The order of two numbers of any type; `None` when one is none, or not a number.
pub(crate) fn numbers(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Uint(left), Value::Uint(right)) => Some(left.cmp(right)),
        (Value::Double(left), Value::Double(right)) => left.partial_cmp(right),
        (Value::Int(left), Value::Uint(right)) => Some(i128::from(*left).cmp(&i128::from(*right))),
        (Value::Uint(left), Value::Int(right)) => Some(i128::from(*left).cmp(&i128::from(*right))),
        (Value::Double(left), Value::Int(right)) => compare_double(*left, i128::from(*right), INTS),
        (Value::Double(left), Value::Uint(right)) => {
            compare_double(*left, i128::from(*right), UINTS)
        }
        (Value::Int(left), Value::Double(right)) => {
            compare_double(*right, i128::from(*left), INTS).map(Ordering::reverse)
        }
        (Value::Uint(left), Value::Double(right)) => {
            compare_double(*right, i128::from(*left), UINTS).map(Ordering::reverse)
        }
        _ => None,
    }
}

/// As cel-go: beyond all ints a double is more or less than any, else both are doubles.
fn compare_double(left: f64, right: i128, beyond: (f64, f64)) -> Option<Ordering> {
    if left < beyond.0 {
        return Some(Ordering::Less);
    }
    if left > beyond.1 {
        return Some(Ordering::Greater);
    }
    // Doubles round what they cannot hold, as cel-go's comparison does.
    #[allow(clippy::cast_precision_loss)]
    left.partial_cmp(&(right as f64))
}

const INTS: (f64, f64) = (-9_223_372_036_854_775_808.0, 9_223_372_036_854_775_807.0);
const UINTS: (f64, f64) = (0.0, 18_446_744_073_709_551_615.0);

/// How a list is compared and joined.
pub(crate) fn kind_of_list(list: &List<'_>) -> ListKind {
    if let List::Json(Json {
        shape: Some(shape), ..
    }) = list
        && let Form::List { kind, .. } = shape.schema.form(shape.node)
    {
        return kind;
    }
    ListKind::Atomic
}

fn lists<'a>(left: &List<'a>, right: &List<'a>) -> Result<bool, Error> {
    if left.len() != right.len() {
        return Ok(false);
    }
    match (kind_of_list(left), kind_of_list(right)) {
        (ListKind::Atomic, ListKind::Atomic) => {
            for (left, right) in left.iter().zip(right.iter()) {
                if !equal(&left?, &right?)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (ListKind::Atomic, _) => unordered(right, left),
        _ => unordered(left, right),
    }
}

/// A text that two items share exactly when the list takes them for one: a set's items are whole,
/// a map's are known by their keys.
pub(crate) fn item_key(list: &List<'_>, item: &Value<'_>) -> Option<String> {
    let List::Json(Json {
        shape: Some(shape), ..
    }) = list
    else {
        return None;
    };
    let Form::List {
        kind: ListKind::Map,
        ..
    } = shape.schema.form(shape.node)
    else {
        return Some(key_text(item));
    };
    let Value::Map(map) = item else { return None };
    let mut key = String::new();
    for name in shape.schema.map_keys(shape.node) {
        let name = crate::escape::escape(&name).unwrap_or(name);
        if let Ok(Some(part)) = map.get_str(&name) {
            key.push_str(&key_text(&part));
        }
        key.push('\0');
    }
    Some(key)
}

fn key_text(value: &Value<'_>) -> String {
    let mut text = value.kind().runtime_name().to_owned();
    text.push(':');
    text.push_str(&crate::format::display(value));
    text
}

fn unordered<'a>(left: &List<'a>, right: &List<'a>) -> Result<bool, Error> {
    let mut known = BTreeMap::new();
    for item in left.iter() {
        let item = item?;
        known.insert(item_key(left, &item), item);
    }
    let mut seen = std::collections::BTreeSet::new();
    for item in right.iter() {
        let item = item?;
        let key = item_key(left, &item);
        match known.get(&key) {
            Some(mine) if equal(mine, &item)? => seen.insert(key),
            _ => return Ok(false),
        };
    }
    Ok(seen.len() == known.len())
}

fn maps<'a>(left: &Map<'a>, right: &Map<'a>) -> Result<bool, Error> {
    if let (Map::Scope(left), Map::Scope(right)) = (left, right) {
        return Ok(**left == **right);
    }
    if left.len() != right.len() {
        return Ok(false);
    }
    for entry in left.iter() {
        let (key, value) = entry?;
        match right.get(&key)? {
            Some(other) if equal(&value, &other)? => {}
            _ => return Ok(false),
        }
    }
    Ok(undeclared_equal(left, right))
}

/// Fields that neither side declares are compared as JSON, where both have them.
fn undeclared_equal(left: &Map<'_>, right: &Map<'_>) -> bool {
    let (Map::Json(left), Map::Json(right)) = (left, right) else {
        return true;
    };
    let Some(shape) = left.shape else { return true };
    if shape.schema.form(shape.node) != Form::Object {
        return true;
    }
    let (Some(left), Some(right)) = (left.value.as_object(), right.value.as_object()) else {
        return true;
    };
    let mut undeclared = left
        .iter()
        .filter(|(name, _)| shape.schema.field(shape.node, name).is_none());
    undeclared.all(|(name, value)| right.get(name).is_none_or(|other| other == value))
}
