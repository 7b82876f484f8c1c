//! `kubernetes.quantity`: quantities parsed, compared, added and turned into numbers.

use super::call::{REFUSED, int, library_type, plain, text};
use super::price;
use super::quantity::Quantity;
use crate::env::Version;
use crate::error::Error;
use crate::function::{Function, Library};
use crate::value::Value;
use std::cmp::Ordering;

library_type!(Quantity, "kubernetes.Quantity");

pub(super) const LIBRARY: Library = Library {
    name: "kubernetes.quantity",
    since: Version(1, 28),
    until: None,
    functions: TABLE,
    types: &[],
};

const TABLE: &[Function] = &[
    super::call::function(
        "string_to_quantity",
        "quantity(string): kubernetes.Quantity",
        |args| made(Quantity::parse(text(args, 0)?)),
        price::PARSE,
    ),
    super::call::function(
        "is_quantity_string",
        "isQuantity(string): bool",
        |args| Ok(Value::Bool(Quantity::parse(text(args, 0)?).is_ok())),
        price::PARSE,
    ),
    // Upstream declares it as a global function, whatever its documentation says.
    plain("quantity_sign", "sign(kubernetes.Quantity): int", |args| {
        Ok(Value::Int(of(args, 0)?.sign()))
    }),
    plain(
        "quantity_is_greater_than",
        "(kubernetes.Quantity).isGreaterThan(kubernetes.Quantity): bool",
        |args| Ok(Value::Bool(of(args, 0)? > of(args, 1)?)),
    ),
    plain(
        "quantity_is_less_than",
        "(kubernetes.Quantity).isLessThan(kubernetes.Quantity): bool",
        |args| Ok(Value::Bool(of(args, 0)? < of(args, 1)?)),
    ),
    plain(
        "quantity_compare_to",
        "(kubernetes.Quantity).compareTo(kubernetes.Quantity): int",
        |args| Ok(order(of(args, 0)?.cmp(of(args, 1)?))),
    ),
    plain(
        "quantity_get_float",
        "(kubernetes.Quantity).asApproximateFloat(): double",
        |args| Ok(Value::Double(of(args, 0)?.approximate())),
    ),
    plain(
        "quantity_get_int",
        "(kubernetes.Quantity).asInteger(): int",
        |args| match of(args, 0)?.as_integer() {
            Some(number) => Ok(Value::Int(number)),
            None => Err(Error::text("cannot convert value to integer")),
        },
    ),
    plain(
        "quantity_is_integer",
        "(kubernetes.Quantity).isInteger(): bool",
        |args| Ok(Value::Bool(of(args, 0)?.as_integer().is_some())),
    ),
    plain(
        "quantity_add",
        "(kubernetes.Quantity).add(kubernetes.Quantity): kubernetes.Quantity",
        |args| made(of(args, 0)?.plus(of(args, 1)?)),
    ),
    plain(
        "quantity_add_int",
        "(kubernetes.Quantity).add(int): kubernetes.Quantity",
        |args| made(of(args, 0)?.plus(&Quantity::whole(int(args, 1)?))),
    ),
    plain(
        "quantity_sub",
        "(kubernetes.Quantity).sub(kubernetes.Quantity): kubernetes.Quantity",
        |args| made(of(args, 0)?.minus(of(args, 1)?)),
    ),
    plain(
        "quantity_sub_int",
        "(kubernetes.Quantity).sub(int): kubernetes.Quantity",
        |args| made(of(args, 0)?.minus(&Quantity::whole(int(args, 1)?))),
    ),
];

fn of<'v>(args: &'v [Value<'_>], index: usize) -> Result<&'v Quantity, Error> {
    super::call::opaque(args, index).map_err(|_| REFUSED)
}

fn made<'a>(quantity: Result<Quantity, &'static str>) -> Result<Value<'a>, Error> {
    quantity.map(Value::opaque).map_err(Error::text)
}

/// -1, 0 or 1.
pub(super) fn order<'a>(order: Ordering) -> Value<'a> {
    Value::Int(order as i64)
}
