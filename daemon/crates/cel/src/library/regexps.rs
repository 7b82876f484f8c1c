//! `kubernetes.regex`: what of a string matches a pattern.

use super::call::{function, int, strings, text};
use super::price::{self, PATTERN, TRAVERSAL, node_size, size};
use crate::cost::{CallEstimate, Node, Size};
use crate::env::Version;
use crate::error::Error;
use crate::function::{Cost, Function, Library};
use crate::pattern;
use crate::regexp::Pattern;
use crate::run::factor;
use crate::value::Value;
use std::borrow::Cow;

pub(super) const LIBRARY: Library = Library {
    name: "kubernetes.regex",
    since: Version(1, 0),
    until: None,
    functions: TABLE,
    types: &[],
};

const FIND: Cost = Cost::Of {
    run: |args, _| {
        let text = factor(size(args, 0) + 1, TRAVERSAL);
        Some(text.saturating_mul(factor(size(args, 1), PATTERN)))
    },
    estimate,
};

const TABLE: &[Function] = &[
    function(
        "string_find_string",
        "(string).find(string): string",
        |args| {
            let text = text(args, 0)?;
            let found = pattern_of(args)?.find(text);
            Ok(Value::string(
                found.map_or("", |(start, end)| &text[start..end]),
            ))
        },
        FIND,
    ),
    function(
        "string_find_all_string",
        "(string).findAll(string): list(string)",
        |args| find_all(args, None),
        FIND,
    ),
    function(
        "string_find_all_string_int",
        "(string).findAll(string, int): list(string)",
        // A negative limit is none.
        |args| find_all(args, usize::try_from(int(args, 2)?).ok()),
        FIND,
    ),
];

fn pattern_of<'v>(args: &'v [Value<'_>]) -> Result<Cow<'v, Pattern>, Error> {
    let operand = args.get(1).ok_or_else(Error::no_such_overload)?;
    pattern::of(operand).map_err(|error| {
        if error == Error::no_such_overload() {
            error
        } else {
            Error::new(format!("Illegal regex: {error}"))
        }
    })
}

fn find_all<'a>(args: &[Value<'a>], limit: Option<usize>) -> Result<Value<'a>, Error> {
    let text = text(args, 0)?;
    let pattern = pattern_of(args)?;
    let most = crate::limits::LIST_ITEMS_MAX;
    let found = pattern.find_all(text, Some(limit.unwrap_or(most + 1).min(most + 1)));
    if found.len() > most {
        return Err(Error::CostExceeded);
    }
    Ok(strings(found.into_iter().map(str::to_owned)))
}

fn estimate(target: Option<&Node<'_>>, args: &[Node<'_>]) -> Option<CallEstimate> {
    let size = target?.size_or_unknown();
    let text = size.plus(Size::fixed(1)).cost(TRAVERSAL);
    let pattern = node_size(args.first()).cost(PATTERN);
    let found = Size {
        min: 0,
        max: size.max,
    };
    price::sized(text.times(pattern), found)
}
