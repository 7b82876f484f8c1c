//! What calls cost at run time: cel-go's tracker with kube-apiserver's options.
//!
//! Knows nothing about steps. Sizes are code points, bytes, items or entries; errors count as 1.

use crate::error::Error;
use crate::run::CallCost;
use crate::value::Value;

/// A value or the error in its place.
pub(super) type Outcome<'a> = Result<Value<'a>, Error>;

/// A tenth of a size, rounded up as doubles round.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
pub(crate) fn factor(size: u64, factor: f64) -> u64 {
    (size as f64 * factor).ceil() as u64
}

fn size(outcome: Option<&Outcome<'_>>) -> u64 {
    match outcome {
        Some(Ok(value)) => value.cost_size(),
        _ => 1,
    }
}

/// The overload ids whose cost is not 1, as cel-go's tracker has them.
pub(crate) fn standard(id: &str) -> CallCost {
    match id {
        "starts_with_string" | "ends_with_string" | "string_to_bytes" | "bytes_to_string"
        | "strings_quote" | "string_format" => CallCost::Traversal,
        "in_list" => CallCost::Container,
        "less_string"
        | "greater_string"
        | "less_equals_string"
        | "greater_equals_string"
        | "less_bytes"
        | "greater_bytes"
        | "less_equals_bytes"
        | "greater_equals_bytes"
        | "equals"
        | "not_equals" => CallCost::Comparison,
        "add_string" | "add_bytes" => CallCost::Concatenation,
        "matches_string" => CallCost::Matches,
        "contains_string" => CallCost::Contains,
        _ => CallCost::One,
    }
}

/// What a call costs that was made with these operands.
pub(super) fn call(cost: CallCost, args: &[Outcome<'_>], result: &Outcome<'_>) -> u64 {
    let first = || size(args.first());
    let second = || size(args.get(1));
    match cost {
        CallCost::One => 1,
        CallCost::Traversal => factor(first(), 0.1),
        CallCost::Container => second(),
        CallCost::Comparison => factor(first().min(second()), 0.1),
        CallCost::Concatenation => factor(first().saturating_add(second()), 0.1),
        CallCost::Matches => factor(first() + 1, 0.1).saturating_mul(factor(second(), 0.25)),
        CallCost::Contains => factor(first(), 0.1).saturating_mul(factor(second(), 0.1)),
        CallCost::Library(run) => {
            let values: Option<Vec<Value<'_>>> =
                args.iter().map(|arg| arg.as_ref().ok().cloned()).collect();
            match (values, result) {
                (Some(values), Ok(result)) => run(&values, result).unwrap_or(1),
                // What failed costs what the same call without a result does.
                (Some(values), Err(_)) => run(&values, &Value::Null).unwrap_or(1),
                (None, _) => 1,
            }
        }
    }
}
