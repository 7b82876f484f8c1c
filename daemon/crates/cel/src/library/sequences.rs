//! `kubernetes.lists`: sums, bounds and places in lists.

use super::call::{REFUSED, function};
use super::price::WALK;
use crate::env::Version;
use crate::error::Error;
use crate::function::{Function, Library};
use crate::standard::add;
use crate::value::{Duration, List, Value};
use std::cmp::Ordering;

pub(super) const LIBRARY: Library = Library {
    name: "kubernetes.lists",
    since: Version(1, 0),
    until: None,
    functions: TABLE,
    types: &[],
};

macro_rules! is_sorted {
    ($kind:literal) => {
        function(
            concat!("list_", $kind, "_is_sorted_bool"),
            concat!("(list(", $kind, ")).isSorted(): bool"),
            is_sorted,
            WALK,
        )
    };
}

macro_rules! extreme {
    ($name:literal, $kind:literal, $call:expr) => {
        function(
            concat!("list_", $kind, "_", $name, "_", $kind),
            concat!("(list(", $kind, ")).", $name, "(): ", $kind),
            $call,
            WALK,
        )
    };
}

const TABLE: &[Function] = &[
    is_sorted!("int"),
    is_sorted!("uint"),
    is_sorted!("double"),
    is_sorted!("bool"),
    is_sorted!("duration"),
    is_sorted!("timestamp"),
    is_sorted!("string"),
    is_sorted!("bytes"),
    extreme!("sum", "int", |args| sum(args, Value::Int(0))),
    extreme!("sum", "uint", |args| sum(args, Value::Uint(0))),
    extreme!("sum", "double", |args| sum(args, Value::Double(0.0))),
    extreme!("sum", "duration", |args| sum(
        args,
        Value::Duration(Duration { nanos: 0 })
    )),
    extreme!("max", "int", max),
    extreme!("max", "uint", max),
    extreme!("max", "double", max),
    extreme!("max", "bool", max),
    extreme!("max", "duration", max),
    extreme!("max", "timestamp", max),
    extreme!("max", "string", max),
    extreme!("max", "bytes", max),
    extreme!("min", "int", min),
    extreme!("min", "uint", min),
    extreme!("min", "double", min),
    extreme!("min", "bool", min),
    extreme!("min", "duration", min),
    extreme!("min", "timestamp", min),
    extreme!("min", "string", min),
    extreme!("min", "bytes", min),
    function(
        "list_a_index_of_int",
        "(list(A)).indexOf(A): int",
        |args| {
            let (list, wanted) = search(args)?;
            place(list, wanted, &mut (0..list.len()))
        },
        WALK,
    ),
    function(
        "list_a_last_index_of_int",
        "(list(A)).lastIndexOf(A): int",
        |args| {
            let (list, wanted) = search(args)?;
            place(list, wanted, &mut (0..list.len()).rev())
        },
        WALK,
    ),
];

pub(super) fn list<'v, 'a>(args: &'v [Value<'a>]) -> Result<&'v List<'a>, Error> {
    match args.first() {
        Some(Value::List(list)) => Ok(list),
        _ => Err(REFUSED),
    }
}

/// Whether values of the type have an order.
pub(super) const fn is_ordered(value: &Value<'_>) -> bool {
    matches!(
        value,
        Value::Bool(_)
            | Value::Int(_)
            | Value::Uint(_)
            | Value::Double(_)
            | Value::String(_)
            | Value::Bytes(_)
            | Value::Duration(_)
            | Value::Timestamp(_)
    )
}

fn is_sorted<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let mut last: Option<Value<'a>> = None;
    for item in list(args)?.iter() {
        let item = item?;
        if !is_ordered(&item) {
            return Err(REFUSED);
        }
        // What has no order with its neighbour is not out of order.
        if last.is_some_and(|last| last.compare(&item) == Ok(Ordering::Greater)) {
            return Ok(Value::Bool(false));
        }
        last = Some(item);
    }
    Ok(Value::Bool(true))
}

/// Where the items' type is not known beforehand, the first item decides which sum it is.
fn sum<'a>(args: &[Value<'a>], zero: Value<'a>) -> Result<Value<'a>, Error> {
    let list = list(args)?;
    if let Some(first) = list.get(0)?
        && first.kind() != zero.kind()
    {
        return Err(REFUSED);
    }
    list.iter().try_fold(zero, |sum, item| add(&[sum, item?]))
}

fn max<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    extreme(args, "max", Ordering::Less)
}

fn min<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    extreme(args, "min", Ordering::Greater)
}

fn extreme<'a>(args: &[Value<'a>], name: &str, gives_way: Ordering) -> Result<Value<'a>, Error> {
    let mut best: Option<Value<'a>> = None;
    for item in list(args)?.iter() {
        let item = item?;
        if !is_ordered(&item) {
            return Err(REFUSED);
        }
        best = match best {
            Some(best) if best.compare(&item) != Ok(gives_way) => Some(best),
            _ => Some(item),
        };
    }
    best.ok_or_else(|| Error::new(format!("{name} called on empty list")))
}

fn search<'v, 'a>(args: &'v [Value<'a>]) -> Result<(&'v List<'a>, &'v Value<'a>), Error> {
    match args {
        [Value::List(list), wanted] => Ok((list, wanted)),
        _ => Err(REFUSED),
    }
}

fn place<'a>(
    list: &List<'a>,
    wanted: &Value<'a>,
    places: &mut dyn Iterator<Item = usize>,
) -> Result<Value<'a>, Error> {
    for place in places {
        if let Some(item) = list.get(place)?
            && item.equals(wanted)?
        {
            return Ok(Value::Int(i64::try_from(place).unwrap_or(i64::MAX)));
        }
    }
    Ok(Value::Int(-1))
}
