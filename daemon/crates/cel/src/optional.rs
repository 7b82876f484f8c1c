//! Functions of optional values; `or`, `orValue` and optional selection are the evaluator's own.
//!
//! Knows nothing about expressions.

use crate::error::Error;
use crate::function::{Cost, Function, Implementation};
use crate::value::Value;

const fn plain(id: &'static str, signature: &'static str, call: Implementation) -> Function {
    Function {
        id,
        signature,
        call,
        cost: Cost::One,
    }
}

/// What the evaluator does itself is never called by way of the table.
fn by_evaluator<'a>(_: &[Value<'a>]) -> Result<Value<'a>, Error> {
    Err(Error::no_such_overload())
}

pub(crate) const TABLE: &[Function] = &[
    plain(
        "optional_of",
        "optional.of(V): optional_type(V)",
        |args| match args {
            [value] => Ok(Value::some(value.clone())),
            _ => Err(Error::no_such_overload()),
        },
    ),
    plain(
        "optional_ofNonZeroValue",
        "optional.ofNonZeroValue(V): optional_type(V)",
        non_zero,
    ),
    plain("optional_none", "optional.none(): optional_type(V)", |_| {
        Ok(Value::none())
    }),
    plain(
        "optional_value",
        "(optional_type(V)).value(): V",
        |args| match args {
            [Value::Optional(Some(inner))] => Ok((**inner).clone()),
            [Value::Optional(None)] => Err(Error::text("optional.none() dereference")),
            _ => Err(Error::no_such_overload()),
        },
    ),
    plain(
        "optional_hasValue",
        "(optional_type(V)).hasValue(): bool",
        |args| match args {
            [Value::Optional(inner)] => Ok(Value::Bool(inner.is_some())),
            _ => Err(Error::no_such_overload()),
        },
    ),
    plain(
        "optional_or_optional",
        "(optional_type(V)).or(optional_type(V)): optional_type(V)",
        by_evaluator,
    ),
    plain(
        "optional_orValue_value",
        "(optional_type(V)).orValue(V): V",
        by_evaluator,
    ),
    plain(
        "select_optional_field",
        "_?._(dyn, string): optional_type(V)",
        by_evaluator,
    ),
    plain(
        "list_optindex_optional_int",
        "_[?_](list(V), int): optional_type(V)",
        by_evaluator,
    ),
    plain(
        "optional_list_optindex_optional_int",
        "_[?_](optional_type(list(V)), int): optional_type(V)",
        by_evaluator,
    ),
    plain(
        "map_optindex_optional_value",
        "_[?_](map(K, V), K): optional_type(V)",
        by_evaluator,
    ),
    plain(
        "optional_map_optindex_optional_value",
        "_[?_](optional_type(map(K, V)), K): optional_type(V)",
        by_evaluator,
    ),
    plain(
        "optional_list_index_int",
        "_[_](optional_type(list(V)), int): optional_type(V)",
        by_evaluator,
    ),
    plain(
        "optional_map_index_value",
        "_[_](optional_type(map(K, V)), K): optional_type(V)",
        by_evaluator,
    ),
    plain(
        "list_last",
        "(list(V)).last(): optional_type(V)",
        |args| match args {
            [Value::List(list)] => optional(list.get(list.len().wrapping_sub(1))),
            _ => Err(Error::no_such_overload()),
        },
    ),
    plain(
        "list_first",
        "(list(V)).first(): optional_type(V)",
        |args| match args {
            [Value::List(list)] => optional(list.get(0)),
            _ => Err(Error::no_such_overload()),
        },
    ),
    plain(
        "optional_unwrap",
        "optional.unwrap(list(optional_type(V))): list(V)",
        unwrap,
    ),
    plain(
        "optional_unwrapOpt",
        "(list(optional_type(V))).unwrapOpt(): list(V)",
        unwrap,
    ),
];

fn optional<'a>(item: Result<Option<Value<'a>>, Error>) -> Result<Value<'a>, Error> {
    Ok(item?.map_or_else(Value::none, Value::some))
}

/// Whether a value is what its type begins with: false, 0, empty, null.
fn is_zero(value: &Value<'_>) -> bool {
    match value {
        Value::Null | Value::Optional(None) => true,
        Value::Bool(value) => !value,
        Value::Int(number) => *number == 0,
        Value::Uint(number) => *number == 0,
        Value::Double(number) => *number == 0.0,
        Value::String(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::Duration(span) => span.nanos == 0,
        // Go's zero time is the first second of the year 1.
        Value::Timestamp(time) => time.seconds == -62_135_596_800 && time.nanos == 0,
        Value::List(list) => list.is_empty(),
        Value::Map(map) => map.is_empty(),
        Value::Optional(Some(_)) | Value::Type(_) | Value::Opaque(_) | Value::Preserved(_) => false,
    }
}

fn non_zero<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [value] if is_zero(value) => Ok(Value::none()),
        [value] => Ok(Value::some(value.clone())),
        _ => Err(Error::no_such_overload()),
    }
}

fn unwrap<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let [Value::List(list)] = args else {
        return Err(Error::no_such_overload());
    };
    let mut items = Vec::new();
    for item in list.iter() {
        match item? {
            Value::Optional(Some(inner)) => items.push((*inner).clone()),
            Value::Optional(None) => {}
            other => return Err(Error::new(format!("value {other} is not optional"))),
        }
    }
    Ok(Value::list(items))
}
