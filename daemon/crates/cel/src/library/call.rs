//! Short ways to write the tables of functions.
//!
//! Knows nothing about any library.

use crate::error::Error;
use crate::function::{Cost, Function, Implementation};
use crate::value::Value;
use std::any::Any;

pub(super) const fn function(
    id: &'static str,
    signature: &'static str,
    call: Implementation,
    cost: Cost,
) -> Function {
    Function {
        id,
        signature,
        call,
        cost,
    }
}

/// A function that costs 1.
pub(super) const fn plain(
    id: &'static str,
    signature: &'static str,
    call: Implementation,
) -> Function {
    function(id, signature, call, Cost::One)
}

pub(super) const REFUSED: Error = Error::no_such_overload();

/// The operand as a string.
pub(super) fn text<'v>(args: &'v [Value<'_>], index: usize) -> Result<&'v str, Error> {
    args.get(index).and_then(Value::as_str).ok_or(REFUSED)
}

/// The operand as an int.
pub(super) fn int(args: &[Value<'_>], index: usize) -> Result<i64, Error> {
    match args.get(index) {
        Some(Value::Int(number)) => Ok(*number),
        _ => Err(REFUSED),
    }
}

/// The operand as a value of a library's type.
pub(super) fn opaque<'v, T: Any>(args: &'v [Value<'_>], index: usize) -> Result<&'v T, Error> {
    args.get(index).and_then(Value::as_opaque).ok_or(REFUSED)
}

/// Strings as a list.
pub(super) fn strings<'a>(items: impl IntoIterator<Item = String>) -> Value<'a> {
    Value::list(items.into_iter().map(Value::string).collect())
}

/// Gives a type that compares its own values to the language under a name.
macro_rules! library_type {
    ($type:ty, $name:literal) => {
        library_type!($type, $name, |_| 1);
    };
    ($type:ty, $name:literal, $size:expr) => {
        impl crate::value::Opaque for $type {
            fn type_name(&self) -> &'static str {
                $name
            }

            fn equals(&self, other: &dyn crate::value::Opaque) -> bool {
                other.as_any().downcast_ref::<Self>() == Some(self)
            }

            fn cost_size(&self) -> u64 {
                let size: fn(&Self) -> u64 = $size;
                size(self)
            }

            fn as_any(&self) -> &dyn std::any::Any {
                self
            }
        }
    };
}
pub(super) use library_type;
