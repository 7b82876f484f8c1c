//! `kubernetes.Semver`: semantic versions parsed and compared.

use super::call::{REFUSED, function, library_type, plain, text};
use super::price::PARSE;
use super::quantities::order;
use super::semver::Version as Semver;
use crate::env::Version;
use crate::error::Error;
use crate::function::{Function, Library};
use crate::value::Value;

library_type!(Semver, "kubernetes.Semver");

pub(super) const LIBRARY: Library = Library {
    name: "kubernetes.Semver",
    since: Version(1, 33),
    until: None,
    functions: TABLE,
    types: &[],
};

const TABLE: &[Function] = &[
    function(
        "string_to_semver",
        "semver(string): kubernetes.Semver",
        made,
        PARSE,
    ),
    function(
        "string_bool_to_semver",
        "semver(string, bool): kubernetes.Semver",
        made,
        PARSE,
    ),
    function("is_semver_string", "isSemver(string): bool", is_one, PARSE),
    function(
        "is_semver_string_bool",
        "isSemver(string, bool): bool",
        is_one,
        PARSE,
    ),
    plain(
        "semver_is_greater_than",
        "(kubernetes.Semver).isGreaterThan(kubernetes.Semver): bool",
        |args| Ok(Value::Bool(of(args, 0)? > of(args, 1)?)),
    ),
    plain(
        "semver_is_less_than",
        "(kubernetes.Semver).isLessThan(kubernetes.Semver): bool",
        |args| Ok(Value::Bool(of(args, 0)? < of(args, 1)?)),
    ),
    plain(
        "semver_compare_to",
        "(kubernetes.Semver).compareTo(kubernetes.Semver): int",
        |args| Ok(order(of(args, 0)?.cmp(of(args, 1)?))),
    ),
    plain("semver_major", "(kubernetes.Semver).major(): int", |args| {
        number(args, |v| v.major)
    }),
    plain("semver_minor", "(kubernetes.Semver).minor(): int", |args| {
        number(args, |v| v.minor)
    }),
    plain("semver_patch", "(kubernetes.Semver).patch(): int", |args| {
        number(args, |v| v.patch)
    }),
];

fn of<'v>(args: &'v [Value<'_>], index: usize) -> Result<&'v Semver, Error> {
    super::call::opaque(args, index)
}

fn parse(args: &[Value<'_>]) -> Result<Result<Semver, String>, Error> {
    let given = text(args, 0)?;
    match args.get(1) {
        None | Some(Value::Bool(false)) => Ok(Semver::parse(given)),
        Some(Value::Bool(true)) => Ok(Semver::parse_normalized(given)),
        Some(_) => Err(REFUSED),
    }
}

fn made<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    parse(args)?.map(Value::opaque).map_err(Error::new)
}

fn is_one<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    Ok(Value::Bool(parse(args)?.is_ok()))
}

fn number<'a>(args: &[Value<'a>], get: fn(&Semver) -> u64) -> Result<Value<'a>, Error> {
    // Numbers beyond the largest int become negative, as upstream's.
    Ok(Value::Int(get(of(args, 0)?).cast_signed()))
}
