//! How deep an expression can nest the values it makes: a list of a list of what a name stands for.
//!
//! Knows nothing about types. Names of values (`optMap`) let a short expression nest without end
//! what comparing and dropping values goes through one in the other.

use crate::syntax::ast::{Expr, Kind};
use std::sync::Arc;

/// The deepest value that the expression can make, JSON aside.
pub(super) fn nesting(expr: &Expr) -> usize {
    of(expr, &mut Vec::new())
}

fn of(expr: &Expr, names: &mut Vec<(Arc<str>, usize)>) -> usize {
    match &expr.kind {
        Kind::Ident(name) => {
            let known = names.iter().rev().find(|(known, _)| known == name);
            known.map_or(0, |(_, depth)| *depth)
        }
        Kind::Fold(fold) => {
            let outside = names.len();
            let range = of(&fold.range, names);
            let initial = of(&fold.initial, names);
            names.push((fold.accumulator.clone(), initial));
            names.push((fold.variable.clone(), range));
            names.extend(fold.second.iter().map(|second| (second.clone(), range)));
            let step = of(&fold.step, names);
            names.truncate(outside);
            names.push((fold.accumulator.clone(), initial.max(step)));
            let result = of(&fold.result, names);
            names.truncate(outside);
            result
        }
        kind => {
            let mut deepest = 0;
            expr.children(&mut |child| deepest = deepest.max(of(child, names)));
            let wraps = match kind {
                Kind::List { .. } | Kind::Map(_) | Kind::Struct { .. } => true,
                // Operators give back what they are given; functions may wrap it.
                Kind::Call { function, .. } => {
                    !function.starts_with('_') || matches!(&**function, "_?._" | "_[?_]")
                }
                _ => false,
            };
            deepest + usize::from(wraps)
        }
    }
}
