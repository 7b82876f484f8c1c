//! `cel.lib.ext.sets`: lists compared as sets.

use super::call::{REFUSED, function};
use super::price::{afford, compared, compared_estimate};
use crate::env::Version;
use crate::error::Error;
use crate::function::{Cost, Function, Library};
use crate::value::{List, Value};

pub(super) const LIBRARY: Library = Library {
    name: "cel.lib.ext.sets",
    since: Version(1, 29),
    until: None,
    functions: TABLE,
    types: &[],
};

const ONCE: Cost = Cost::Of {
    run: |args, _| Some(compared(args, 1)),
    estimate: |_, args| compared_estimate(args, 1.0),
};

const TABLE: &[Function] = &[
    function(
        "list_sets_contains_list",
        "sets.contains(list(T), list(T)): bool",
        |args| {
            let (list, part) = both(args)?;
            contains(list, part).map(Value::Bool)
        },
        ONCE,
    ),
    function(
        "list_sets_equivalent_list",
        "sets.equivalent(list(T), list(T)): bool",
        |args| {
            let (left, right) = both(args)?;
            Ok(Value::Bool(
                contains(left, right)? && contains(right, left)?,
            ))
        },
        Cost::Of {
            run: |args, _| Some(compared(args, 2)),
            estimate: |_, args| compared_estimate(args, 2.0),
        },
    ),
    function(
        "list_sets_intersects_list",
        "sets.intersects(list(T), list(T)): bool",
        |args| {
            let (left, right) = both(args)?;
            for item in left.iter() {
                if has(right, &item?)? {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        },
        ONCE,
    ),
];

fn both<'v, 'a>(args: &'v [Value<'a>]) -> Result<(&'v List<'a>, &'v List<'a>), Error> {
    let [Value::List(left), Value::List(right)] = args else {
        return Err(REFUSED);
    };
    afford(compared(args, 1))?;
    Ok((left, right))
}

fn has<'a>(list: &List<'a>, wanted: &Value<'a>) -> Result<bool, Error> {
    for item in list.iter() {
        if item?.equals(wanted)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn contains<'a>(list: &List<'a>, part: &List<'a>) -> Result<bool, Error> {
    for item in part.iter() {
        if !has(list, &item?)? {
            return Ok(false);
        }
    }
    Ok(true)
}
