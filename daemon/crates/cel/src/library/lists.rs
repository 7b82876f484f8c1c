//! `cel.lib.ext.lists`: lists cut, joined, sorted and made.
//!
//! What would cost more than an evaluation may is refused before it is done; upstream does it first.

use super::call::{REFUSED, function, int};
use super::price::{afford, made_list, made_list_estimate, node_size, size};
use super::sequences::{is_ordered, list};
use crate::cost::{CallEstimate, Node, Size};
use crate::env::Version;
use crate::error::Error;
use crate::function::{Cost, Function, Library};
use crate::limits::LIST_ITEMS_MAX;
use crate::value::{List, Value};
use std::cmp::Ordering;

pub(super) const LIBRARY: Library = Library {
    name: "cel.lib.ext.lists",
    since: Version(1, 34),
    until: None,
    functions: TABLE,
    types: &[],
};

macro_rules! sort {
    ($kind:literal, $name:literal) => {
        function(
            concat!("list_", $name, "_sort"),
            concat!("(list(", $kind, ")).sort(): list(", $kind, ")"),
            |args| sorted(list(args)?, list(args)?),
            Cost::Of {
                run: |args, _| Some(squared(args.first()?)),
                estimate: |target, _| sort_estimate(target?),
            },
        )
    };
}

macro_rules! sort_by {
    ($kind:literal, $name:literal) => {
        function(
            concat!("list_", $name, "_sortByAssociatedKeys"),
            concat!(
                "(list(T)).@sortByAssociatedKeys(list(",
                $kind,
                ")): list(T)"
            ),
            |args| match args {
                [Value::List(items), Value::List(keys)] => sorted(items, keys),
                _ => Err(REFUSED),
            },
            Cost::Of {
                run: |args, _| Some(squared(args.get(1)?)),
                estimate: |_, args| sort_estimate(args.first()?),
            },
        )
    };
}

const FLATTEN: Cost = Cost::Of {
    run: |args, _| {
        let depth = match args.get(1) {
            Some(Value::Int(depth)) => *depth,
            _ => 1,
        };
        // Depths beyond what doubles hold exactly cost too much anyway.
        #[allow(clippy::cast_precision_loss)]
        let depth = depth.max(0) as f64;
        Some(made_list(depth, size(args, 0)))
    },
    estimate: |target, args| {
        #[allow(clippy::cast_precision_loss)]
        let depth = args.first().map_or(1, |depth| number(depth, u64::MAX)) as f64;
        made_list_estimate(depth, target?.size_or_unknown())
    },
};

const OUTPUT: Cost = Cost::Of {
    run: |_, result| Some(made_list(1.0, result.cost_size())),
    estimate: |target, args| match (target, args) {
        (Some(list), [start, end]) => {
            let end = number(end, list.size_or_unknown().max);
            made_list_estimate(1.0, Size::fixed(end.wrapping_sub(number(start, 0))))
        }
        (Some(list), _) => made_list_estimate(1.0, list.size_or_unknown()),
        (None, [count, ..]) => made_list_estimate(1.0, Size::fixed(number(count, u64::MAX))),
        (None, []) => None,
    },
};

const TABLE: &[Function] = &[
    function(
        "list_slice",
        "(list(T)).slice(int, int): list(T)",
        slice,
        OUTPUT,
    ),
    function(
        "list_flatten",
        "(list(list(T))).flatten(): list(T)",
        |args| flattened(list(args)?, 1),
        FLATTEN,
    ),
    function(
        "list_flatten_int",
        "(list(dyn)).flatten(int): list(dyn)",
        |args| flattened(list(args)?, int(args, 1)?),
        FLATTEN,
    ),
    sort!("int", "int"),
    sort!("uint", "uint"),
    sort!("double", "double"),
    sort!("bool", "bool"),
    sort!("duration", "google.protobuf.Duration"),
    sort!("timestamp", "google.protobuf.Timestamp"),
    sort!("string", "string"),
    sort!("bytes", "bytes"),
    sort_by!("int", "int"),
    sort_by!("uint", "uint"),
    sort_by!("double", "double"),
    sort_by!("bool", "bool"),
    sort_by!("duration", "google.protobuf.Duration"),
    sort_by!("timestamp", "google.protobuf.Timestamp"),
    sort_by!("string", "string"),
    sort_by!("bytes", "bytes"),
    function(
        "lists_range",
        "lists.range(int): list(int)",
        |args| {
            let count = int(args, 0)?.max(0);
            if usize::try_from(count).map_or(true, |count| count > LIST_ITEMS_MAX) {
                return Err(Error::CostExceeded);
            }
            Ok(Value::list((0..count).map(Value::Int).collect()))
        },
        OUTPUT,
    ),
    function(
        "list_reverse",
        "(list(T)).reverse(): list(T)",
        |args| {
            let mut items = list(args)?.iter().collect::<Result<Vec<_>, _>>()?;
            items.reverse();
            Ok(Value::list(items))
        },
        OUTPUT,
    ),
    function(
        "list_distinct",
        "(list(T)).distinct(): list(T)",
        distinct,
        Cost::Of {
            run: |args, _| Some(squared(args.first()?)),
            estimate: |target, _| {
                let size = target?.size_or_unknown();
                made_list_estimate(2.0, size.times(size))
            },
        },
    ),
];

/// A literal, or what is taken in its place; negative ones are nothing.
fn number(node: &Node<'_>, otherwise: u64) -> u64 {
    node.number
        .map_or(otherwise, |number| u64::try_from(number).unwrap_or(0))
}

/// Every item compared with every other, strings and bytes at a tenth more.
fn squared(list: &Value<'_>) -> u64 {
    let Value::List(items) = list else { return 1 };
    let size = list.cost_size();
    let first = items.get(0).ok().flatten();
    made_list(
        each(first.as_ref().map(Value::kind).as_ref()),
        size.saturating_mul(size),
    )
}

fn each(kind: Option<&crate::types::Type>) -> f64 {
    use crate::types::Type;
    match kind {
        Some(Type::String | Type::Bytes) => 2.1,
        _ => 2.0,
    }
}

fn sort_estimate(keys: &Node<'_>) -> Option<CallEstimate> {
    let item = match keys.kind {
        crate::types::Type::List(item) => Some(&**item),
        _ => None,
    };
    let size = node_size(Some(keys));
    made_list_estimate(each(item), size.times(size))
}

fn slice<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let (items, start, end) = (list(args)?, int(args, 1)?, int(args, 2)?);
    let refuse = |why: String| Err(Error::new(format!("cannot slice({start}, {end}), {why}")));
    let (Ok(from), Ok(to)) = (usize::try_from(start), usize::try_from(end)) else {
        return refuse("negative indexes not supported".to_owned());
    };
    if from > to {
        return refuse("start index must be less than or equal to end index".to_owned());
    }
    if items.len() < to {
        return refuse(format!("list is length {}", items.len()));
    }
    let mut cut = Vec::with_capacity(to - from);
    for index in from..to {
        cut.extend(items.get(index)?);
    }
    Ok(Value::list(cut))
}

fn flattened<'a>(items: &List<'a>, depth: i64) -> Result<Value<'a>, Error> {
    if depth < 0 {
        return Err(Error::text("level must be non-negative"));
    }
    let mut flat = Vec::new();
    flatten(items, depth, &mut flat, 0)?;
    Ok(Value::list(flat))
}

/// Deepest nesting that is flattened: deeper lists can only be made on purpose.
const DEPTH_MAX: usize = 250;

fn flatten<'a>(
    items: &List<'a>,
    depth: i64,
    flat: &mut Vec<Value<'a>>,
    level: usize,
) -> Result<(), Error> {
    if level > DEPTH_MAX {
        return Err(Error::CostExceeded);
    }
    for item in items.iter() {
        match item? {
            Value::List(inner) if depth > 0 => flatten(&inner, depth - 1, flat, level + 1)?,
            item => flat.push(item),
        }
        if flat.len() > LIST_ITEMS_MAX {
            return Err(Error::CostExceeded);
        }
    }
    Ok(())
}

fn sorted<'a>(items: &List<'a>, keys: &List<'a>) -> Result<Value<'a>, Error> {
    if items.len() != keys.len() {
        return Err(Error::new(format!(
            "@sortByAssociatedKeys() expected a list of the same size as the associated keys list, \
             but got {} and {} elements respectively",
            items.len(),
            keys.len()
        )));
    }
    afford(squared(&Value::List(keys.clone())))?;
    let mut pairs = Vec::with_capacity(items.len());
    for (key, item) in keys.iter().zip(items.iter()) {
        pairs.push((key?, item?));
    }
    let Some(kind) = pairs.first().map(|(key, _)| key.kind()) else {
        return Ok(Value::List(items.clone()));
    };
    if pairs.first().is_some_and(|(key, _)| !is_ordered(key)) {
        return Err(Error::text("list elements must be comparable"));
    }
    if pairs.iter().any(|(key, _)| key.kind() != kind) {
        return Err(Error::text("list elements must have the same type"));
    }
    // Doubles that have no order are last.
    let is_nan = |key: &Value<'_>| matches!(key, Value::Double(number) if number.is_nan());
    pairs.sort_by(|(left, _), (right, _)| {
        let order = left.compare(right).unwrap_or(Ordering::Equal);
        is_nan(left).cmp(&is_nan(right)).then(order)
    });
    Ok(Value::list(
        pairs.into_iter().map(|(_, item)| item).collect(),
    ))
}

fn distinct<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let list = list(args)?;
    afford(squared(&args[0]))?;
    let mut known: Vec<Value<'a>> = Vec::new();
    'items: for item in list.iter() {
        let item = item?;
        for other in &known {
            if item.equals(other)? {
                continue 'items;
            }
        }
        known.push(item);
    }
    Ok(Value::list(known))
}
