//! What calls of standard functions can cost.
//!
//! Knows nothing about the walk. The factors are cel-go's: a tenth for each code point, a quarter
//! for each of a pattern.

use crate::cost::estimator::Estimator;
use crate::cost::{CallEstimate, Estimate, Node, Size};
use crate::library::equality;
use crate::syntax::ast::Expr;

/// What a call is made with.
pub(super) struct Operands<'o, 'e> {
    pub(super) expr: &'e Expr,
    pub(super) target: Option<&'o Node<'e>>,
    pub(super) args: &'e [Expr],
    pub(super) nodes: &'o [Node<'e>],
    pub(super) costs: &'o [Estimate],
}

impl Operands<'_, '_> {
    /// A cost with those of the arguments.
    pub(super) fn with_args(&self, cost: Estimate) -> Estimate {
        self.costs.iter().fold(cost, |sum, arg| sum.plus(*arg))
    }

    fn call(&self, cost: Estimate, result: Option<Size>) -> CallEstimate {
        CallEstimate {
            cost: self.with_args(cost),
            result,
        }
    }

    fn size(&self, index: usize) -> Size {
        self.nodes
            .get(index)
            .map_or(Size::UNKNOWN, Node::size_or_unknown)
    }
}

const TRAVERSAL: f64 = 0.1;
const PATTERN: f64 = 0.25;

/// What a call of an overload costs.
pub(super) fn standard(
    estimator: &mut Estimator<'_>,
    overload: &str,
    operands: &Operands<'_, '_>,
) -> CallEstimate {
    let size = |index| operands.size(index);
    let target = operands.target.map_or(Size::UNKNOWN, Node::size_or_unknown);
    if overload == "equals"
        && let [left, right] = operands.nodes
        && let Some(cost) = equality(left, right)
    {
        return operands.call(cost, None);
    }
    match overload {
        "string_to_bytes" => {
            let Size { min, max } = size(0);
            let result = Size {
                min,
                max: max.wrapping_mul(4),
            };
            operands.call(size(0).cost(TRAVERSAL), Some(result))
        }
        "bytes_to_string" => {
            let Size { min, max } = size(0);
            operands.call(size(0).cost(TRAVERSAL), Some(Size { min: min / 4, max }))
        }
        "starts_with_string" | "ends_with_string" => operands.call(size(0).cost(TRAVERSAL), None),
        "in_list" => operands.call(size(1).cost(1.0), None),
        "matches_string" => {
            let text = target.plus(Size::fixed(1)).cost(TRAVERSAL);
            operands.call(text.times(size(0).cost(PATTERN)), None)
        }
        "contains_string" => {
            operands.call(target.cost(TRAVERSAL).times(size(0).cost(TRAVERSAL)), None)
        }
        "logical_or" | "logical_and" => match operands.costs {
            [left, right] => {
                let cost = Estimate {
                    min: left.min,
                    max: left.plus(*right).max,
                };
                CallEstimate { cost, result: None }
            }
            _ => operands.call(Estimate::fixed(1), None),
        },
        "conditional" => conditional(estimator, operands),
        "add_string" | "add_bytes" | "add_list" => concatenation(estimator, overload, operands),
        "less_string"
        | "greater_string"
        | "less_equals_string"
        | "greater_equals_string"
        | "less_bytes"
        | "greater_bytes"
        | "less_equals_bytes"
        | "greater_equals_bytes"
        | "equals"
        | "not_equals" => {
            let max = size(0).max.min(size(1).max);
            let compared = Size {
                min: max.min(1),
                max,
            };
            operands.call(compared.cost(TRAVERSAL), None)
        }
        _ => operands.call(Estimate::fixed(1), None),
    }
}

fn conditional(estimator: &mut Estimator<'_>, operands: &Operands<'_, '_>) -> CallEstimate {
    let ([_, then, otherwise], [condition, yes, no]) = (operands.args, operands.costs) else {
        return operands.call(Estimate::fixed(1), None);
    };
    let entries = match (estimator.entries_of(then), estimator.entries_of(otherwise)) {
        (Some(then), Some(otherwise)) => Some(then.union(otherwise)),
        _ => None,
    };
    estimator.set_entries(operands.expr.id, entries);
    let result = Some(operands.size(1).union(operands.size(2)));
    CallEstimate {
        cost: condition.plus(yes.union(*no)),
        result,
    }
}

fn concatenation(
    estimator: &mut Estimator<'_>,
    overload: &str,
    operands: &Operands<'_, '_>,
) -> CallEstimate {
    let size = operands.size(0).plus(operands.size(1));
    if let [left, right] = operands.args
        && let (Some(left), Some(right)) = (estimator.entries_of(left), estimator.entries_of(right))
    {
        estimator.set_entries(operands.expr.id, Some(left.union(right)));
    }
    let cost = if overload == "add_list" {
        Estimate::fixed(1)
    } else {
        size.cost(TRAVERSAL)
    };
    operands.call(cost, Some(size))
}
