//! What calls of the libraries cost: kube-apiserver's estimator, and what cel-go's extensions say.
//!
//! Knows nothing about what functions do. As upstream, functions of one name have one way of
//! reckoning, which tells overloads apart by the operands.

use crate::cost::{CallEstimate, Estimate, Node, Size};
use crate::error::Error;
use crate::function::Cost;
use crate::limits::PER_CALL_COST_MAX;
use crate::run::factor;
use crate::types::Type;
use crate::value::Value;

/// For each code point of a string that is walked.
pub(super) const TRAVERSAL: f64 = 0.1;
/// For each of one that is walked and made anew.
pub(super) const TWICE: f64 = 2.0 * TRAVERSAL;
/// For each code point of a pattern.
pub(super) const PATTERN: f64 = 0.25;
/// For making a list.
pub(super) const LIST: u64 = 10;
/// For making a struct.
pub(super) const STRUCT: u64 = 40;
/// For the call itself, where cel-go's extensions count it.
const CALL: u64 = 1;

pub(super) fn size(args: &[Value<'_>], index: usize) -> u64 {
    args.get(index).map_or(1, Value::cost_size)
}

pub(super) fn node_size(node: Option<&Node<'_>>) -> Size {
    node.map_or(Size::UNKNOWN, Node::size_or_unknown)
}

// What every estimate function answers.
#[allow(clippy::unnecessary_wraps)]
pub(super) const fn plain(cost: Estimate) -> Option<CallEstimate> {
    Some(CallEstimate { cost, result: None })
}

#[allow(clippy::unnecessary_wraps)]
pub(super) const fn sized(cost: Estimate, result: Size) -> Option<CallEstimate> {
    Some(CallEstimate {
        cost,
        result: Some(result),
    })
}

/// Refuses work that would cost more than any evaluation may, before it is done.
pub(super) fn afford(cost: u64) -> Result<(), Error> {
    if cost > PER_CALL_COST_MAX {
        Err(Error::CostExceeded)
    } else {
        Ok(())
    }
}

/// Walks the first operand, a string that is no receiver, and makes nothing of its size.
pub(super) const PARSE: Cost = Cost::Of {
    run: |args, _| Some(factor(size(args, 0), TRAVERSAL)),
    estimate: |_, args| plain(node_size(args.first()).cost(TRAVERSAL)),
};

/// Walks the first operand and makes something as large.
pub(super) const CONVERT: Cost = Cost::Of {
    run: |args, _| Some(factor(size(args, 0), TRAVERSAL)),
    estimate: |_, args| {
        let size = node_size(args.first());
        sized(size.cost(TRAVERSAL), size)
    },
};

/// Walks the receiver and makes a string no larger.
pub(super) const TRANSFORM: Cost = Cost::Of {
    run: |args, _| Some(factor(size(args, 0), TRAVERSAL)),
    estimate: |target, _| {
        let size = target?.size_or_unknown();
        sized(size.cost(TRAVERSAL), size)
    },
};

/// `isSorted`, `sum`, `max`, `min`, `indexOf`, `lastIndexOf`: a walk of all that the first operand
/// holds.
pub(super) const WALK: Cost = Cost::Of {
    run: |args, _| args.first().map(|value| traversal(value, 0)),
    estimate: |target, _| {
        let target = target?;
        let size = target.size_or_unknown();
        let Type::List(item) = target.kind else {
            return plain(size.cost(TRAVERSAL));
        };
        let mut each = Estimate::fixed(1);
        if matches!(**item, Type::String | Type::Bytes) {
            let item = target.items.unwrap_or(Size::UNKNOWN);
            each = each.plus(item.cost(TRAVERSAL));
        }
        plain(size.cost_each(each))
    },
};

/// What comparing two values of one library's type costs; `None` for other types.
pub(crate) fn equality(left: &Node<'_>, right: &Node<'_>) -> Option<Estimate> {
    let (Type::Opaque(name), Type::Opaque(other)) = (left.kind, right.kind) else {
        return None;
    };
    if name != other {
        return None;
    }
    Some(match &**name {
        // By the longest name of a format.
        "kubernetes.NamedFormat" => Size { min: 1, max: 64 }.cost(TRAVERSAL),
        "kubernetes.URL" => {
            let max = right.size.map_or(1, |size| size.max);
            Size { min: 1, max }.cost(TRAVERSAL)
        }
        _ => Estimate::fixed(1),
    })
}

/// Deepest nesting that is walked; JSON from outside is not deeper.
const DEPTH_MAX: usize = 200;

/// What walking a value costs: a tenth for each byte of text, rounded down, 1 for a scalar.
fn traversal(value: &Value<'_>, depth: usize) -> u64 {
    if depth > DEPTH_MAX {
        return 1;
    }
    match value {
        Value::String(text) => text.len() as u64 / 10,
        Value::Bytes(bytes) => bytes.len() as u64 / 10,
        Value::List(list) => list.iter().fold(0, |sum: u64, item| {
            sum.saturating_add(item.map_or(0, |item| traversal(&item, depth + 1)))
        }),
        Value::Map(map) => map.iter().fold(0, |sum: u64, entry| {
            let cost = entry.map_or(0, |(key, value)| {
                traversal(&key, depth + 1).saturating_add(traversal(&value, depth + 1))
            });
            sum.saturating_add(cost)
        }),
        _ => 1,
    }
}

/// A list made by cel-go's extension: so much for each unit of a size.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
pub(super) fn made_list(each: f64, units: u64) -> u64 {
    ((units as f64 * each) as u64).saturating_add(CALL + LIST)
}

/// The estimate of the same.
pub(super) fn made_list_estimate(each: f64, units: Size) -> Option<CallEstimate> {
    let cost = units.cost(each).plus(Estimate::fixed(CALL + LIST));
    sized(cost, units)
}

/// Two lists compared item by item, so many times over.
pub(super) fn compared(args: &[Value<'_>], times: u64) -> u64 {
    let pairs = size(args, 0).saturating_mul(size(args, 1));
    pairs.saturating_mul(times).saturating_add(CALL)
}

/// The estimate of the same.
pub(super) fn compared_estimate(args: &[Node<'_>], times: f64) -> Option<CallEstimate> {
    let [left, right] = args else { return None };
    let pairs = left.size_or_unknown().times(right.size_or_unknown());
    plain(pairs.cost(times).plus(Estimate::fixed(CALL)))
}

/// How large the result can be, by how often what could be replaced by what.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
pub(super) fn replace_estimate(text: Size, old: Size, new: Size) -> Option<CallEstimate> {
    let times = |length: u64, of: u64| (length as f64 / of as f64).ceil() as u64;
    let (count_max, kept_max) = if old.min == 0 {
        (text.max.saturating_add(1), text.max)
    } else if new.max <= old.min {
        (0, text.max)
    } else {
        (times(text.max, old.min), 0)
    };
    let (count_min, kept_min) = if old.max == 0 {
        (text.min.saturating_add(1), text.min)
    } else if old.max <= new.min {
        (0, text.min)
    } else {
        (times(text.min, old.max), 0)
    };
    let count = Size {
        min: count_min,
        max: count_max,
    };
    let kept = Size {
        min: kept_min,
        max: kept_max,
    };
    sized(text.cost(TWICE), count.times(new).plus(kept))
}

/// The estimate of strings joined, by how many there are and how long each can be.
pub(super) fn join_estimate(target: Option<&Node<'_>>, args: &[Node<'_>]) -> Option<CallEstimate> {
    let list = target?;
    let count = list.size_or_unknown();
    let mut size = Size { min: 0, max: 0 };
    if matches!(list.kind, Type::List(_)) {
        size = count.times(list.items.unwrap_or(Size::UNKNOWN));
    }
    if let Some(separator) = args.first() {
        let between = Size {
            min: count.min.saturating_sub(1),
            max: count.max.saturating_sub(1),
        };
        size = size.plus(separator.size_or_unknown().times(between));
    }
    let cost: Estimate = size.cost(TRAVERSAL);
    sized(cost, size)
}
