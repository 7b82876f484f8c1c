//! Values as server-side apply compares them: by what they mean. Knows nothing about types.
//! Invariant: `order` is a total order, and one and 1.0 are the same.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use crate::go;

/// Numbers, texts, truths, lists, maps, null: in this order.
pub(crate) fn order(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => order_numbers(left, right),
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Array(left), Value::Array(right)) => {
            let pairs = left.iter().zip(right);
            let mut orders = pairs.map(|(left, right)| order(left, right));
            let first = orders.find(|order| order.is_ne());
            first.unwrap_or_else(|| left.len().cmp(&right.len()))
        }
        (Value::Object(left), Value::Object(right)) => {
            let pairs = left.iter().zip(right);
            let mut orders = pairs.map(|((left_key, left), (right_key, right))| {
                left_key.cmp(right_key).then_with(|| order(left, right))
            });
            let first = orders.find(|order| order.is_ne());
            first.unwrap_or_else(|| left.len().cmp(&right.len()))
        }
        _ => rank(left).cmp(&rank(right)),
    }
}

/// Whether they mean the same.
pub(crate) fn same(left: &Value, right: &Value) -> bool {
    order(left, right).is_eq()
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    }
}

fn order_numbers(left: &Number, right: &Number) -> Ordering {
    let float = |number: &Number| number.as_f64().unwrap_or_default();
    let rough = float(left).partial_cmp(&float(right));
    // Integers that are the same as floats may still differ.
    rough
        .unwrap_or(Ordering::Equal)
        .then_with(|| exact(left).cmp(&exact(right)))
}

#[allow(clippy::cast_possible_truncation)] // Saturates, and is asked of whole numbers only.
fn exact(number: &Number) -> i128 {
    let integer = number.as_i64().map(i128::from);
    integer
        .or_else(|| number.as_u64().map(i128::from))
        .unwrap_or_else(|| number.as_f64().unwrap_or_default() as i128)
}

/// A number as it is written: whole ones without a point.
pub(crate) fn canonical(value: &Value) -> Value {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    let whole = |number: f64| {
        let integer = number as i64;
        let fits = number.abs() < (1_i64 << 53) as f64 && integer as f64 == number;
        fits.then(|| Value::from(integer))
    };
    let float = value.as_f64().filter(|_| value.is_f64());
    float.and_then(whole).unwrap_or_else(|| value.clone())
}

/// As a part of a path: `"text"`, `80`.
pub(crate) fn printed(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => go::quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(printed).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(fields) => {
            let fields = fields.iter();
            fields
                .map(|(key, field)| format!("{key}={}", printed(field)))
                .collect()
        }
        scalar => canonical(scalar).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_the_same_by_what_they_mean_and_never_by_rounding() {
        assert!(same(&json!(1), &json!(1.0)));
        assert!(same(&json!({"a": [1]}), &json!({"a": [1.0]})));
        assert!(!same(
            &json!(9_007_199_254_740_993_i64),
            &json!(9_007_199_254_740_992.0)
        ));
        assert!(!same(
            &json!(9_223_372_036_854_775_807_i64),
            &json!(9_223_372_036_854_775_808_u64)
        ));
        assert!(!same(&json!("1"), &json!(1)));
        assert_eq!(canonical(&json!(2.0)).to_string(), "2");
        assert_eq!(canonical(&json!(2.5)).to_string(), "2.5");
        assert_eq!(canonical(&json!(1e300)), json!(1e300));
    }

    #[test]
    fn every_two_values_have_an_order() {
        let sorted = [
            json!(-1),
            json!(0.5),
            json!(80),
            json!(443),
            json!(""),
            json!("a"),
            json!(false),
            json!(true),
            json!([]),
            json!([1]),
            json!([1, 2]),
            json!({}),
            json!({"a": 1}),
            json!({"b": 0}),
            json!(null),
        ];
        for (left_place, left) in sorted.iter().enumerate() {
            for (right_place, right) in sorted.iter().enumerate() {
                assert_eq!(
                    order(left, right),
                    left_place.cmp(&right_place),
                    "{left} {right}"
                );
            }
        }
    }
}
