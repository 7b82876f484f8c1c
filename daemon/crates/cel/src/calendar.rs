//! What timestamps and durations say of themselves: years, months, hours, with and without a zone.
//!
//! Knows nothing about expressions. Zones are UTC and fixed offsets (see [`crate::time`]).

use crate::error::Error;
use crate::function::{Cost, Function};
use crate::time::{Civil, zone_offset};
use crate::value::Value;

/// One accessor: its overloads for timestamps without and with a zone.
macro_rules! timestamp {
    ($name:literal, $id:literal, $zoned:literal, $part:expr) => {
        [
            Function {
                id: $id,
                signature: concat!("(timestamp).", $name, "(): int"),
                call: |args| part(args, $part),
                cost: Cost::One,
            },
            Function {
                id: $zoned,
                signature: concat!("(timestamp).", $name, "(string): int"),
                call: |args| part(args, $part),
                cost: Cost::One,
            },
        ]
    };
}

pub(crate) const TABLE: &[Function] = TABLES.as_flattened();

type Part = fn(&Civil, u32) -> i64;

const TABLES: &[[Function; 2]] = &[
    timestamp!(
        "getFullYear",
        "timestamp_to_year",
        "timestamp_to_year_with_tz",
        |at, _| at.year
    ),
    timestamp!(
        "getMonth",
        "timestamp_to_month",
        "timestamp_to_month_with_tz",
        |at, _| at.month - 1
    ),
    timestamp!(
        "getDayOfYear",
        "timestamp_to_day_of_year",
        "timestamp_to_day_of_year_with_tz",
        |at, _| at.day_of_year
    ),
    timestamp!(
        "getDayOfMonth",
        "timestamp_to_day_of_month",
        "timestamp_to_day_of_month_with_tz",
        |at, _| at.day - 1
    ),
    timestamp!(
        "getDate",
        "timestamp_to_day_of_month_1_based",
        "timestamp_to_day_of_month_1_based_with_tz",
        |at, _| at.day
    ),
    timestamp!(
        "getDayOfWeek",
        "timestamp_to_day_of_week",
        "timestamp_to_day_of_week_with_tz",
        |at, _| at.weekday
    ),
    timestamp!(
        "getHours",
        "timestamp_to_hours",
        "timestamp_to_hours_with_tz",
        |at, _| at.hour
    ),
    timestamp!(
        "getMinutes",
        "timestamp_to_minutes",
        "timestamp_to_minutes_with_tz",
        |at, _| at.minute
    ),
    timestamp!(
        "getSeconds",
        "timestamp_to_seconds",
        "timestamp_to_seconds_tz",
        |at, _| at.second
    ),
    timestamp!(
        "getMilliseconds",
        "timestamp_to_milliseconds",
        "timestamp_to_milliseconds_with_tz",
        |_, nanos| i64::from(nanos / 1_000_000)
    ),
];

const fn duration(
    id: &'static str,
    signature: &'static str,
    call: crate::function::Implementation,
) -> Function {
    Function {
        id,
        signature,
        call,
        cost: Cost::One,
    }
}

/// Durations count whole units.
pub(crate) const DURATIONS: &[Function] = &[
    duration("duration_to_hours", "(duration).getHours(): int", |args| {
        whole(args, 3_600_000_000_000)
    }),
    duration(
        "duration_to_minutes",
        "(duration).getMinutes(): int",
        |args| whole(args, 60_000_000_000),
    ),
    duration(
        "duration_to_seconds",
        "(duration).getSeconds(): int",
        |args| whole(args, 1_000_000_000),
    ),
    duration(
        "duration_to_milliseconds",
        "(duration).getMilliseconds(): int",
        |args| whole(args, 1_000_000),
    ),
];

fn whole<'a>(args: &[Value<'a>], unit: i64) -> Result<Value<'a>, Error> {
    match args {
        [Value::Duration(span)] => Ok(Value::Int(span.nanos / unit)),
        _ => Err(Error::no_such_overload()),
    }
}

fn part<'a>(args: &[Value<'a>], part: Part) -> Result<Value<'a>, Error> {
    let (time, offset) = match args {
        [Value::Timestamp(time)] => (time, 0),
        [Value::Timestamp(time), Value::String(zone)] => (time, zone_offset(zone)?),
        _ => return Err(Error::no_such_overload()),
    };
    Ok(Value::Int(part(
        &Civil::at(time.seconds + offset),
        time.nanos,
    )))
}
