//! `cel.lib.ext.strings`, version 2: strings cut, searched, joined and formatted. Indices count
//! code points.

use super::call::{REFUSED, function, int, plain, strings, text};
use super::formatting;
use super::price::{
    self, TRANSFORM, TRAVERSAL, TWICE, WALK, join_estimate, node_size, replace_estimate, size,
};
use crate::cost::Size;
use crate::env::Version;
use crate::error::Error;
use crate::function::{Cost, Function, Library};
use crate::limits::{LIST_ITEMS_MAX, STRING_BYTES_MAX};
use crate::run::factor;
use crate::value::Value;

pub(super) const LIBRARY: Library = Library {
    name: "cel.lib.ext.strings",
    since: Version(1, 0),
    until: None,
    functions: TABLE,
    types: &[],
};

const REPLACE: Cost = Cost::Of {
    run: |args, _| Some(factor(size(args, 0), TWICE)),
    estimate: |target, args| match args {
        [old, new, ..] => replace_estimate(
            target?.size_or_unknown(),
            old.size_or_unknown(),
            new.size_or_unknown(),
        ),
        _ => None,
    },
};

const SPLIT: Cost = Cost::Of {
    run: |args, _| Some(factor(size(args, 0), TWICE)),
    estimate: |target, args| {
        let size = target?.size_or_unknown();
        let limit = args.get(1).and_then(|limit| limit.number);
        let max = limit.map_or(size.max, i64::cast_unsigned);
        price::sized(size.cost(TWICE), Size { min: 0, max })
    },
};

const JOIN: Cost = Cost::Of {
    run: |_, result| Some(factor(result.cost_size(), TWICE)),
    estimate: join_estimate,
};

const TABLE: &[Function] = &[
    plain(
        "string_char_at_int",
        "(string).charAt(int): string",
        |args| {
            let (text, index) = (text(args, 0)?, int(args, 1)?);
            let at = offset(text, index).ok_or_else(|| out_of_range(index))?;
            Ok(Value::string(
                text[at..]
                    .chars()
                    .next()
                    .map_or_else(String::new, String::from),
            ))
        },
    ),
    function(
        "string_index_of_string",
        "(string).indexOf(string): int",
        |args| index_of(text(args, 0)?, text(args, 1)?, 0),
        WALK,
    ),
    function(
        "string_index_of_string_int",
        "(string).indexOf(string, int): int",
        |args| index_of(text(args, 0)?, text(args, 1)?, int(args, 2)?),
        WALK,
    ),
    function(
        "string_last_index_of_string",
        "(string).lastIndexOf(string): int",
        |args| last_index_of(text(args, 0)?, text(args, 1)?, None),
        WALK,
    ),
    function(
        "string_last_index_of_string_int",
        "(string).lastIndexOf(string, int): int",
        |args| last_index_of(text(args, 0)?, text(args, 1)?, Some(int(args, 2)?)),
        WALK,
    ),
    function(
        "string_lower_ascii",
        "(string).lowerAscii(): string",
        |args| Ok(Value::string(text(args, 0)?.to_ascii_lowercase())),
        TRANSFORM,
    ),
    function(
        "string_upper_ascii",
        "(string).upperAscii(): string",
        |args| Ok(Value::string(text(args, 0)?.to_ascii_uppercase())),
        TRANSFORM,
    ),
    function(
        "string_replace_string_string",
        "(string).replace(string, string): string",
        |args| replace(text(args, 0)?, text(args, 1)?, text(args, 2)?, -1),
        REPLACE,
    ),
    function(
        "string_replace_string_string_int",
        "(string).replace(string, string, int): string",
        |args| {
            replace(
                text(args, 0)?,
                text(args, 1)?,
                text(args, 2)?,
                int(args, 3)?,
            )
        },
        REPLACE,
    ),
    function(
        "string_split_string",
        "(string).split(string): list(string)",
        |args| split(text(args, 0)?, text(args, 1)?, -1),
        SPLIT,
    ),
    function(
        "string_split_string_int",
        "(string).split(string, int): list(string)",
        |args| split(text(args, 0)?, text(args, 1)?, int(args, 2)?),
        SPLIT,
    ),
    function(
        "string_substring_int",
        "(string).substring(int): string",
        |args| {
            let (text, start) = (text(args, 0)?, int(args, 1)?);
            let from = offset(text, start).ok_or_else(|| out_of_range(start))?;
            Ok(Value::string(&text[from..]))
        },
        TRANSFORM,
    ),
    function(
        "string_substring_int_int",
        "(string).substring(int, int): string",
        |args| {
            let (text, start, end) = (text(args, 0)?, int(args, 1)?, int(args, 2)?);
            if start > end {
                return Err(Error::new(format!(
                    "invalid substring range. start: {start}, end: {end}"
                )));
            }
            let from = offset(text, start).ok_or_else(|| out_of_range(start))?;
            let to = offset(text, end).ok_or_else(|| out_of_range(end))?;
            Ok(Value::string(&text[from..to]))
        },
        TRANSFORM,
    ),
    function(
        "string_trim",
        "(string).trim(): string",
        |args| Ok(Value::string(text(args, 0)?.trim())),
        TRANSFORM,
    ),
    function(
        "list_join",
        "(list(string)).join(): string",
        |args| join(args, ""),
        JOIN,
    ),
    function(
        "list_join_string",
        "(list(string)).join(string): string",
        |args| join(args, text(args, 1)?),
        JOIN,
    ),
    function(
        "string_format",
        "(string).format(list(dyn)): string",
        |args| match args {
            [Value::String(text), Value::List(values)] => {
                formatting::format(text, values).map(Value::string)
            }
            _ => Err(REFUSED),
        },
        Cost::Of {
            run: |args, _| Some(factor(size(args, 0), TRAVERSAL)),
            estimate: |target, _| price::plain(target?.size_or_unknown().cost(TRAVERSAL)),
        },
    ),
    function(
        "strings_quote",
        "strings.quote(string): string",
        |args| checked(quote(text(args, 0)?)),
        Cost::Of {
            run: |args, _| Some(factor(size(args, 0), TRAVERSAL)),
            estimate: |_, args| {
                let size = node_size(args.first());
                let result = size.times(Size { min: 1, max: 2 }).plus(Size::fixed(2));
                price::sized(size.cost(TRAVERSAL), result)
            },
        },
    ),
];

fn out_of_range(index: i64) -> Error {
    Error::new(format!("index out of range: {index}"))
}

const TOO_LONG: Error = Error::text("string is too long");

pub(super) fn checked<'a>(text: String) -> Result<Value<'a>, Error> {
    if text.len() > STRING_BYTES_MAX {
        Err(TOO_LONG)
    } else {
        Ok(Value::string(text))
    }
}

/// The byte at which a code point begins, or the end; `None` beyond.
fn offset(text: &str, index: i64) -> Option<usize> {
    let index = usize::try_from(index).ok()?;
    let mut places = text
        .char_indices()
        .map(|(place, _)| place)
        .chain([text.len()]);
    places.nth(index)
}

/// How many code points there are before a byte.
fn points(text: &str, place: usize) -> i64 {
    i64::try_from(text[..place].chars().count()).unwrap_or(i64::MAX)
}

fn index_of<'a>(text: &str, part: &str, from: i64) -> Result<Value<'a>, Error> {
    if from < 0 {
        return Err(out_of_range(from));
    }
    let Some(start) = offset(text, from) else {
        // The empty string is found at the end, no other.
        let found = if part.is_empty() {
            points(text, text.len())
        } else {
            -1
        };
        return Ok(Value::Int(found));
    };
    let found = text[start..].find(part);
    Ok(Value::Int(
        found.map_or(-1, |place| points(text, start + place)),
    ))
}

fn last_index_of<'a>(text: &str, part: &str, from: Option<i64>) -> Result<Value<'a>, Error> {
    let found = match from {
        None => text.rfind(part),
        Some(from) if from < 0 => return Err(out_of_range(from)),
        Some(from) => match offset(text, from) {
            None if part.is_empty() => Some(text.len()),
            None => None,
            Some(start) if part.is_empty() => Some(start),
            Some(start) if start == text.len() => None,
            Some(start) => {
                let end = text.len().min(start + part.len());
                let end = (end..=text.len()).find(|end| text.is_char_boundary(*end));
                text[..end.unwrap_or(text.len())]
                    .rmatch_indices(part)
                    .map(|(place, _)| place)
                    .find(|place| *place <= start)
            }
        },
    };
    Ok(Value::Int(found.map_or(-1, |place| points(text, place))))
}

fn replace<'a>(text: &str, old: &str, new: &str, limit: i64) -> Result<Value<'a>, Error> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let count = text.matches(old).take(limit).count();
    let added = new.len().saturating_sub(old.len()).saturating_mul(count);
    if text.len().saturating_add(added) > STRING_BYTES_MAX {
        return Err(TOO_LONG);
    }
    Ok(Value::string(text.replacen(old, new, limit)))
}

fn split<'a>(text: &str, separator: &str, limit: i64) -> Result<Value<'a>, Error> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let most = limit.min(LIST_ITEMS_MAX + 1);
    let parts: Vec<&str> = if separator.is_empty() && limit > 0 {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if parts.len() + 1 == most {
                parts.push(rest);
                break;
            }
            let (first, others) = rest.split_at(c.len_utf8());
            parts.push(first);
            rest = others;
        }
        parts
    } else {
        text.splitn(most, separator).collect()
    };
    if parts.len() > LIST_ITEMS_MAX {
        return Err(Error::CostExceeded);
    }
    Ok(strings(parts.into_iter().map(str::to_owned)))
}

fn join<'a>(args: &[Value<'a>], separator: &str) -> Result<Value<'a>, Error> {
    let Some(Value::List(list)) = args.first() else {
        return Err(REFUSED);
    };
    let mut joined = String::new();
    for (index, item) in list.iter().enumerate() {
        let item = item?;
        let Some(text) = item.as_str() else {
            return Err(Error::new(format!("join: invalid input: {item}")));
        };
        if index > 0 {
            joined.push_str(separator);
        }
        joined.push_str(text);
        if joined.len() > STRING_BYTES_MAX {
            return Err(TOO_LONG);
        }
    }
    Ok(Value::string(joined))
}

fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
