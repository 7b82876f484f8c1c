//! Conversions between types: `int()`, `string()`, `timestamp()`, `type()`, `dyn()` and the rest.
//!
//! Knows nothing about expressions. Invariant: a conversion that cannot be exact within its type's
//! range is an error, as in cel-go.

use crate::error::Error;
use crate::format;
use crate::function::{Cost, Function, Implementation};
use crate::standard::shared;
use crate::time::TIMESTAMP_OVERFLOW;
use crate::value::{Blob, Duration, Str, Timestamp, Value};

const fn plain(id: &'static str, signature: &'static str, call: Implementation) -> Function {
    Function {
        id,
        signature,
        call,
        cost: Cost::One,
    }
}

pub(crate) const TABLE: &[Function] = &[
    plain("type", "type(A): type(A)", |args| match args {
        [value] => Ok(Value::Type(value.kind())),
        _ => Err(Error::no_such_overload()),
    }),
    plain("to_dyn", "dyn(A): dyn", |args| match args {
        [value] => Ok(value.clone()),
        _ => Err(Error::no_such_overload()),
    }),
    plain("bool_to_bool", "bool(bool): bool", to_bool),
    plain("string_to_bool", "bool(string): bool", to_bool),
    plain("bytes_to_bytes", "bytes(bytes): bytes", to_bytes),
    plain("string_to_bytes", "bytes(string): bytes", to_bytes),
    plain("double_to_double", "double(double): double", to_double),
    plain("int64_to_double", "double(int): double", to_double),
    plain("string_to_double", "double(string): double", to_double),
    plain("uint64_to_double", "double(uint): double", to_double),
    plain(
        "duration_to_duration",
        "duration(duration): duration",
        to_duration,
    ),
    plain(
        "string_to_duration",
        "duration(string): duration",
        to_duration,
    ),
    plain("int64_to_int64", "int(int): int", to_int),
    plain("double_to_int64", "int(double): int", to_int),
    plain("duration_to_int64", "int(duration): int", to_int),
    plain("string_to_int64", "int(string): int", to_int),
    plain("timestamp_to_int64", "int(timestamp): int", to_int),
    plain("uint64_to_int64", "int(uint): int", to_int),
    plain("string_to_string", "string(string): string", to_string),
    plain("bool_to_string", "string(bool): string", to_string),
    plain("bytes_to_string", "string(bytes): string", to_string),
    plain("double_to_string", "string(double): string", to_string),
    plain("duration_to_string", "string(duration): string", to_string),
    plain("int64_to_string", "string(int): string", to_string),
    plain(
        "timestamp_to_string",
        "string(timestamp): string",
        to_string,
    ),
    plain("uint64_to_string", "string(uint): string", to_string),
    plain(
        "timestamp_to_timestamp",
        "timestamp(timestamp): timestamp",
        to_timestamp,
    ),
    plain(
        "int64_to_timestamp",
        "timestamp(int): timestamp",
        to_timestamp,
    ),
    plain(
        "string_to_timestamp",
        "timestamp(string): timestamp",
        to_timestamp,
    ),
    plain("uint64_to_uint64", "uint(uint): uint", to_uint),
    plain("double_to_uint64", "uint(double): uint", to_uint),
    plain("int64_to_uint64", "uint(int): uint", to_uint),
    plain("string_to_uint64", "uint(string): uint", to_uint),
];

/// The conversions by the names that upstream folds when their operand is a literal.
pub(crate) const NAMES: &[&str] = &[
    "bool",
    "bytes",
    "double",
    "duration",
    "dyn",
    "int",
    "string",
    "timestamp",
    "type",
    "uint",
];

fn unfit(value: &Value<'_>, to: &str) -> Error {
    let from = value.kind();
    Error::new(format!(
        "type conversion error from '{}' to '{to}'",
        from.runtime_name()
    ))
}

/// A text that does not say what it should, or a value of no fitting type.
fn refused<'a>(args: &[Value<'a>], name: &str, to: &str) -> Result<Value<'a>, Error> {
    match args {
        [value @ Value::String(_)] => Err(unfit(value, to)),
        [value] => {
            let kind = value.kind();
            Err(Error::new(format!(
                "no such overload: {name}({})",
                kind.runtime_name()
            )))
        }
        _ => Err(Error::no_such_overload()),
    }
}

fn to_bool<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [Value::Bool(value)] => Ok(Value::Bool(*value)),
        [Value::String(text)] => match &**text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            _ => Err(unfit(&args[0], "bool")),
        },
        _ => refused(args, "bool", "bool"),
    }
}

fn to_bytes<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [value @ Value::Bytes(_)] => Ok(value.clone()),
        [Value::String(Str::Borrowed(text))] => Ok(Value::Bytes(Blob::Borrowed(text.as_bytes()))),
        [Value::String(Str::Shared(text))] => Ok(Value::bytes(text.as_bytes())),
        _ => refused(args, "bytes", "bytes"),
    }
}

fn to_double<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    // Doubles round what they cannot hold, by definition.
    #[allow(clippy::cast_precision_loss)]
    match args {
        [Value::Double(number)] => Ok(Value::Double(*number)),
        [Value::Int(number)] => Ok(Value::Double(*number as f64)),
        [Value::Uint(number)] => Ok(Value::Double(*number as f64)),
        [Value::String(text)] => match parse_double(text) {
            Some(number) => Ok(Value::Double(number)),
            None => Err(unfit(&args[0], "double")),
        },
        _ => refused(args, "double", "double"),
    }
}

/// As Go's `ParseFloat`: also `inf`, `infinity` and `nan`, but nothing that overflows.
fn parse_double(text: &str) -> Option<f64> {
    let named = text
        .trim_start_matches(['+', '-'])
        .starts_with(|c: char| c.is_ascii_alphabetic());
    text.parse::<f64>()
        .ok()
        .filter(|number| named || number.is_finite())
}

fn to_duration<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [Value::Duration(span)] => Ok(Value::Duration(*span)),
        [Value::String(text)] => {
            let to = "google.protobuf.Duration";
            Duration::parse(text)
                .map(Value::Duration)
                .ok_or_else(|| unfit(&args[0], to))
        }
        _ => refused(args, "duration", "google.protobuf.Duration"),
    }
}

const INT_OVERFLOW: Error = Error::text("integer overflow");
const UINT_OVERFLOW: Error = Error::text("unsigned integer overflow");

fn to_int<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let number = match args {
        [Value::Int(number)] => *number,
        [Value::Uint(number)] => i64::try_from(*number).map_err(|_| INT_OVERFLOW)?,
        [Value::Double(number)] => {
            const LIMIT: f64 = 9_223_372_036_854_775_808.0;
            if number.is_nan() || *number <= -LIMIT || *number >= LIMIT {
                return Err(INT_OVERFLOW);
            }
            // Within the range; the fraction falls away as in Go.
            #[allow(clippy::cast_possible_truncation)]
            let whole = *number as i64;
            whole
        }
        [Value::Duration(span)] => span.nanos,
        [Value::Timestamp(time)] => time.seconds,
        [Value::String(text)] => text.parse().map_err(|_| unfit(&args[0], "int"))?,
        _ => return refused(args, "int", "int"),
    };
    Ok(Value::Int(number))
}

fn to_uint<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let number = match args {
        [Value::Uint(number)] => *number,
        [Value::Int(number)] => u64::try_from(*number).map_err(|_| UINT_OVERFLOW)?,
        [Value::Double(number)] => {
            if number.is_nan() || *number < 0.0 || *number >= 18_446_744_073_709_551_616.0 {
                return Err(UINT_OVERFLOW);
            }
            // Within the range; the fraction falls away as in Go.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let whole = *number as u64;
            whole
        }
        [Value::String(text)] if text.starts_with('+') => return Err(unfit(&args[0], "uint")),
        [Value::String(text)] => text.parse().map_err(|_| unfit(&args[0], "uint"))?,
        _ => return refused(args, "uint", "uint"),
    };
    Ok(Value::Uint(number))
}

pub(crate) fn to_string<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    Ok(match args {
        [value @ Value::String(_)] => value.clone(),
        [Value::Bool(value)] => Value::str(if *value { "true" } else { "false" }),
        [Value::Int(number)] => shared(number.to_string()),
        [Value::Uint(number)] => shared(number.to_string()),
        [Value::Double(number)] => shared(format::double(*number)),
        [Value::Duration(span)] => shared(span.to_string()),
        [Value::Timestamp(time)] => shared(time.to_string()),
        [Value::Bytes(bytes)] => match std::str::from_utf8(bytes) {
            Ok(text) => shared(text.to_owned()),
            Err(_) => {
                return Err(Error::text(
                    "invalid UTF-8 in bytes, cannot convert to string",
                ));
            }
        },
        _ => return refused(args, "string", "string"),
    })
}

fn to_timestamp<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [Value::Timestamp(time)] => Ok(Value::Timestamp(*time)),
        [Value::Int(seconds)] => Timestamp::new(*seconds, 0).map(Value::Timestamp),
        [Value::String(text)] => {
            let to = "google.protobuf.Timestamp";
            let time = Timestamp::parse(text).ok_or_else(|| unfit(&args[0], to))?;
            Timestamp::new(time.seconds, time.nanos)
                .map(Value::Timestamp)
                .map_err(|_| TIMESTAMP_OVERFLOW)
        }
        _ => refused(args, "timestamp", "google.protobuf.Timestamp"),
    }
}
