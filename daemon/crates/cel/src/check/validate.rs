//! What kube-apiserver looks at once the types are right: literals that no function will take, and
//! lists and maps of mixed types.
//!
//! Knows nothing about the checker's ways.

use crate::check::Checked;
use crate::library::clauses;
use crate::pattern;
use crate::syntax::ast::{Expr, Id, Kind};
use crate::types::Type;
use crate::value::{Duration, Timestamp, Value};

/// Functions whose arguments may be lists of mixed types.
const EXEMPT: &[&str] = &["format"];

/// Tells what is wrong with a checked expression.
pub(super) fn validate(checked: &Checked, wrong: &mut dyn FnMut(Id, String)) {
    visit(checked, &checked.root, false, wrong);
}

fn visit(checked: &Checked, expr: &Expr, exempt: bool, wrong: &mut dyn FnMut(Id, String)) {
    let mut exempt = exempt;
    match &expr.kind {
        Kind::Call {
            function,
            target,
            args,
        } => {
            if let ("format", Some(target)) = (&**function, target) {
                formatted(checked, expr.id, target, args, wrong);
            }
            exempt = exempt || EXEMPT.contains(&&**function);
            if let Some(Expr {
                id,
                kind: Kind::Literal(value),
            }) = args.first()
                && !is_fit(function, value)
            {
                wrong(*id, format!("invalid {function} argument"));
            }
        }
        Kind::List { items, optional } if !exempt => {
            let mut element = None;
            for (item, optional) in items.iter().zip(optional) {
                let kind = inner(checked.kind(item), *optional);
                if let Some(mixed) = mixed(&mut element, kind) {
                    wrong(item.id, mixed);
                    break;
                }
            }
        }
        Kind::Map(entries) if !exempt => {
            let (mut key, mut value) = (None, None);
            for entry in entries {
                if let Some(mixed) = mixed(&mut key, checked.kind(&entry.key)) {
                    wrong(entry.key.id, mixed);
                }
                let kind = inner(checked.kind(&entry.value), entry.optional);
                if let Some(mixed) = mixed(&mut value, kind) {
                    wrong(entry.value.id, mixed);
                }
            }
        }
        _ => {}
    }
    expr.children(&mut |child| visit(checked, child, exempt, wrong));
}

/// A literal format must fit the literal list of its values.
fn formatted(
    checked: &Checked,
    id: Id,
    target: &Expr,
    args: &[Expr],
    wrong: &mut dyn FnMut(Id, String),
) {
    let Kind::Literal(Value::String(format)) = &target.kind else {
        return;
    };
    let [
        Expr {
            kind: Kind::List { items, .. },
            ..
        },
    ] = args
    else {
        return;
    };
    let kinds: Vec<&Type> = items.iter().map(|item| checked.kind(item)).collect();
    if let Err((place, why)) = clauses::check(format, &kinds) {
        let item = place.and_then(|place| items.get(place));
        wrong(item.map_or(id, |item| item.id), why);
    }
}

fn inner(kind: &Type, optional: bool) -> &Type {
    match kind {
        Type::Optional(inner) if optional => inner,
        other => other,
    }
}

/// What to say when a type is not the first one's.
fn mixed<'t>(first: &mut Option<&'t Type>, kind: &'t Type) -> Option<String> {
    match *first {
        None => {
            *first = Some(kind);
            None
        }
        Some(first) if first == kind => None,
        Some(first) => Some(format!("expected type '{first}' but found '{kind}'")),
    }
}

fn is_fit(function: &str, value: &Value<'_>) -> bool {
    match (function, value) {
        ("duration", Value::String(text)) => Duration::parse(text).is_some(),
        ("timestamp", Value::String(text)) => Timestamp::parse(text)
            .is_some_and(|time| Timestamp::new(time.seconds, time.nanos).is_ok()),
        ("timestamp", Value::Int(seconds)) => Timestamp::new(*seconds, 0).is_ok(),
        ("matches", Value::String(pattern)) => pattern::compile(pattern).is_ok(),
        _ => true,
    }
}
