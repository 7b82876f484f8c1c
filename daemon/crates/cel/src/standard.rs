//! The standard functions: operators, conversions, strings, sizes.
//!
//! Knows nothing about the checker. Each function decides by the values it is given, since
//! operands may be `dyn`; logic, equality, indexing and selection are the evaluator's own.
//! Invariant: whatever the values, the answer is a value or an error with cel-go's text.

use crate::equality::{compare, equal};
use crate::error::Error;
use crate::function::{Cost, Function, Implementation};
use crate::value::{List, Str, Value};
use std::cmp::Ordering;
use std::sync::Arc;

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

macro_rules! comparisons {
    ($name:literal, $word:literal, $call:expr) => {
        &[
            plain(
                concat!($word, "_bool"),
                concat!($name, "(bool, bool): bool"),
                $call,
            ),
            plain(
                concat!($word, "_int64"),
                concat!($name, "(int, int): bool"),
                $call,
            ),
            plain(
                concat!($word, "_int64_double"),
                concat!($name, "(int, double): bool"),
                $call,
            ),
            plain(
                concat!($word, "_int64_uint64"),
                concat!($name, "(int, uint): bool"),
                $call,
            ),
            plain(
                concat!($word, "_uint64"),
                concat!($name, "(uint, uint): bool"),
                $call,
            ),
            plain(
                concat!($word, "_uint64_double"),
                concat!($name, "(uint, double): bool"),
                $call,
            ),
            plain(
                concat!($word, "_uint64_int64"),
                concat!($name, "(uint, int): bool"),
                $call,
            ),
            plain(
                concat!($word, "_double"),
                concat!($name, "(double, double): bool"),
                $call,
            ),
            plain(
                concat!($word, "_double_int64"),
                concat!($name, "(double, int): bool"),
                $call,
            ),
            plain(
                concat!($word, "_double_uint64"),
                concat!($name, "(double, uint): bool"),
                $call,
            ),
            plain(
                concat!($word, "_string"),
                concat!($name, "(string, string): bool"),
                $call,
            ),
            plain(
                concat!($word, "_bytes"),
                concat!($name, "(bytes, bytes): bool"),
                $call,
            ),
            plain(
                concat!($word, "_timestamp"),
                concat!($name, "(timestamp, timestamp): bool"),
                $call,
            ),
            plain(
                concat!($word, "_duration"),
                concat!($name, "(duration, duration): bool"),
                $call,
            ),
        ]
    };
}

pub(crate) const TABLES: &[&[Function]] = &[
    LOGIC,
    comparisons!("_<_", "less", |args| ordered(args, Ordering::is_lt)),
    comparisons!("_<=_", "less_equals", |args| ordered(args, Ordering::is_le)),
    comparisons!("_>_", "greater", |args| ordered(args, Ordering::is_gt)),
    comparisons!("_>=_", "greater_equals", |args| ordered(
        args,
        Ordering::is_ge
    )),
    ARITHMETIC,
    CONTAINERS,
    crate::convert::TABLE,
    crate::calendar::TABLE,
    crate::calendar::DURATIONS,
    crate::optional::TABLE,
    crate::comprehension::TABLE,
];

const LOGIC: &[Function] = &[
    plain("conditional", "_?_:_(bool, A, A): A", by_evaluator),
    plain("logical_and", "_&&_(bool, bool): bool", by_evaluator),
    plain("logical_or", "_||_(bool, bool): bool", by_evaluator),
    plain("logical_not", "!_(bool): bool", not),
    plain(
        "not_strictly_false",
        "@not_strictly_false(bool): bool",
        by_evaluator,
    ),
    plain("equals", "_==_(A, A): bool", by_evaluator),
    plain("not_equals", "_!=_(A, A): bool", by_evaluator),
];

const ARITHMETIC: &[Function] = &[
    plain("add_bytes", "_+_(bytes, bytes): bytes", add),
    plain("add_double", "_+_(double, double): double", add),
    plain(
        "add_duration_duration",
        "_+_(duration, duration): duration",
        add,
    ),
    plain(
        "add_duration_timestamp",
        "_+_(duration, timestamp): timestamp",
        add,
    ),
    plain(
        "add_timestamp_duration",
        "_+_(timestamp, duration): timestamp",
        add,
    ),
    plain("add_int64", "_+_(int, int): int", add),
    plain("add_list", "_+_(list(A), list(A)): list(A)", add),
    plain("add_string", "_+_(string, string): string", add),
    plain("add_uint64", "_+_(uint, uint): uint", add),
    plain("divide_double", "_/_(double, double): double", divide),
    plain("divide_int64", "_/_(int, int): int", divide),
    plain("divide_uint64", "_/_(uint, uint): uint", divide),
    plain("modulo_int64", "_%_(int, int): int", modulo),
    plain("modulo_uint64", "_%_(uint, uint): uint", modulo),
    plain("multiply_double", "_*_(double, double): double", multiply),
    plain("multiply_int64", "_*_(int, int): int", multiply),
    plain("multiply_uint64", "_*_(uint, uint): uint", multiply),
    plain("negate_double", "-_(double): double", negate),
    plain("negate_int64", "-_(int): int", negate),
    plain("subtract_double", "_-_(double, double): double", subtract),
    plain(
        "subtract_duration_duration",
        "_-_(duration, duration): duration",
        subtract,
    ),
    plain("subtract_int64", "_-_(int, int): int", subtract),
    plain(
        "subtract_timestamp_duration",
        "_-_(timestamp, duration): timestamp",
        subtract,
    ),
    plain(
        "subtract_timestamp_timestamp",
        "_-_(timestamp, timestamp): duration",
        subtract,
    ),
    plain("subtract_uint64", "_-_(uint, uint): uint", subtract),
];

const CONTAINERS: &[Function] = &[
    plain("index_list", "_[_](list(A), int): A", by_evaluator),
    plain("index_map", "_[_](map(A, B), A): B", by_evaluator),
    plain("in_list", "@in(A, list(A)): bool", within),
    plain("in_map", "@in(A, map(A, B)): bool", within),
    plain("size_bytes", "size(bytes): int", size),
    plain("bytes_size", "(bytes).size(): int", size),
    plain("size_list", "size(list(A)): int", size),
    plain("list_size", "(list(A)).size(): int", size),
    plain("size_map", "size(map(A, B)): int", size),
    plain("map_size", "(map(A, B)).size(): int", size),
    plain("size_string", "size(string): int", size),
    plain("string_size", "(string).size(): int", size),
    plain(
        "contains_string",
        "(string).contains(string): bool",
        |args| texts(args, |text, part| text.contains(part)),
    ),
    plain(
        "ends_with_string",
        "(string).endsWith(string): bool",
        |args| texts(args, |text, part| text.ends_with(part)),
    ),
    plain(
        "starts_with_string",
        "(string).startsWith(string): bool",
        |args| texts(args, |text, part| text.starts_with(part)),
    ),
    plain("matches", "matches(string, string): bool", matches),
    plain("matches_string", "(string).matches(string): bool", matches),
];

fn ordered<'a>(args: &[Value<'a>], holds: fn(Ordering) -> bool) -> Result<Value<'a>, Error> {
    let [left, right] = args else {
        return Err(Error::no_such_overload());
    };
    compare(left, right).map(|order| Value::Bool(holds(order)))
}

fn not<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [Value::Bool(value)] => Ok(Value::Bool(!value)),
        _ => Err(Error::no_such_overload()),
    }
}

const INT_OVERFLOW: Error = Error::text("integer overflow");
const UINT_OVERFLOW: Error = Error::text("unsigned integer overflow");

fn int<'a>(result: Option<i64>) -> Result<Value<'a>, Error> {
    result.map(Value::Int).ok_or(INT_OVERFLOW)
}

fn uint<'a>(result: Option<u64>) -> Result<Value<'a>, Error> {
    result.map(Value::Uint).ok_or(UINT_OVERFLOW)
}

/// `+`; the evaluator adds to lists that nobody else holds without copying them.
pub(crate) fn add<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let [left, right] = args else {
        return Err(Error::no_such_overload());
    };
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => int(left.checked_add(*right)),
        (Value::Uint(left), Value::Uint(right)) => uint(left.checked_add(*right)),
        (Value::Double(left), Value::Double(right)) => Ok(Value::Double(left + right)),
        (Value::String(left), Value::String(right)) => {
            let mut text = String::with_capacity(left.len() + right.len());
            text.push_str(left);
            text.push_str(right);
            Ok(Value::String(Str::Shared(text.into())))
        }
        (Value::Bytes(left), Value::Bytes(right)) => Ok(Value::bytes([&**left, &**right].concat())),
        (Value::Duration(left), Value::Duration(right)) => left.add(*right).map(Value::Duration),
        (Value::Timestamp(time), Value::Duration(span))
        | (Value::Duration(span), Value::Timestamp(time)) => time.add(*span).map(Value::Timestamp),
        (Value::List(left), Value::List(right)) => crate::lists::join(left, right).map(Value::List),
        _ => Err(Error::no_such_overload()),
    }
}

fn subtract<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [Value::Int(left), Value::Int(right)] => int(left.checked_sub(*right)),
        [Value::Uint(left), Value::Uint(right)] => uint(left.checked_sub(*right)),
        [Value::Double(left), Value::Double(right)] => Ok(Value::Double(left - right)),
        [Value::Duration(left), Value::Duration(right)] => {
            left.subtract(*right).map(Value::Duration)
        }
        [Value::Timestamp(time), Value::Duration(span)] => span
            .negate()
            .and_then(|span| time.add(span))
            .map(Value::Timestamp),
        [Value::Timestamp(left), Value::Timestamp(right)] => {
            left.since(*right).map(Value::Duration)
        }
        _ => Err(Error::no_such_overload()),
    }
}

fn multiply<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [Value::Int(left), Value::Int(right)] => int(left.checked_mul(*right)),
        [Value::Uint(left), Value::Uint(right)] => uint(left.checked_mul(*right)),
        [Value::Double(left), Value::Double(right)] => Ok(Value::Double(left * right)),
        _ => Err(Error::no_such_overload()),
    }
}

fn divide<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [Value::Int(_), Value::Int(0)] | [Value::Uint(_), Value::Uint(0)] => {
            Err(Error::text("division by zero"))
        }
        [Value::Int(left), Value::Int(right)] => int(left.checked_div(*right)),
        [Value::Uint(left), Value::Uint(right)] => Ok(Value::Uint(left / right)),
        [Value::Double(left), Value::Double(right)] => Ok(Value::Double(left / right)),
        _ => Err(Error::no_such_overload()),
    }
}

fn modulo<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [Value::Int(_), Value::Int(0)] | [Value::Uint(_), Value::Uint(0)] => {
            Err(Error::text("modulus by zero"))
        }
        [Value::Int(left), Value::Int(right)] => int(left.checked_rem(*right)),
        [Value::Uint(left), Value::Uint(right)] => Ok(Value::Uint(left % right)),
        _ => Err(Error::no_such_overload()),
    }
}

fn negate<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [Value::Int(number)] => int(number.checked_neg()),
        [Value::Double(number)] => Ok(Value::Double(-number)),
        [Value::Duration(span)] => span.negate().map(Value::Duration),
        _ => Err(Error::no_such_overload()),
    }
}

fn within<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [wanted, Value::List(list)] => contains(list, wanted).map(Value::Bool),
        [key, Value::Map(map)] => map.get(key).map(|found| Value::Bool(found.is_some())),
        _ => Err(Error::no_such_overload()),
    }
}

/// Whether a list has an item: the first error counts only when no item is equal.
fn contains<'a>(list: &List<'a>, wanted: &Value<'a>) -> Result<bool, Error> {
    let mut failed = None;
    for item in list.iter() {
        match item.and_then(|item| equal(&item, wanted)) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(false), Err)
}

fn size<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let size = args
        .first()
        .and_then(Value::size)
        .ok_or(Error::no_such_overload())?;
    int(i64::try_from(size).ok())
}

fn texts<'a>(args: &[Value<'a>], holds: fn(&str, &str) -> bool) -> Result<Value<'a>, Error> {
    match args {
        [Value::String(text), Value::String(part)] => Ok(Value::Bool(holds(text, part))),
        _ => Err(Error::no_such_overload()),
    }
}

fn matches<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [Value::String(text), pattern] => {
            let pattern = crate::pattern::of(pattern)?;
            Ok(Value::Bool(pattern.is_match(text)))
        }
        _ => Err(Error::no_such_overload()),
    }
}

/// A type as a value, shared with the other tables.
pub(crate) fn shared<'a>(text: String) -> Value<'a> {
    Value::String(Str::Shared(Arc::from(text)))
}
