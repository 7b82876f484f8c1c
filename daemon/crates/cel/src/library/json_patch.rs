//! `kubernetes.jsonpatch`, for mutating policies: keys escaped, and the operations of a patch.
//!
//! Knows nothing about applying patches.

use super::call::{function, text};
use super::price::CONVERT;
use crate::env::Version;
use crate::error::Error;
use crate::function::{Function, Library};
use crate::types::Type;
use crate::value::Value;
use std::sync::Arc;

/// The library, which [`crate::Env::with_library`] adds: it is not in the base environment.
pub static JSON_PATCH: Library = Library {
    name: "kubernetes.jsonpatch",
    since: Version(1, 0),
    until: None,
    functions: TABLE,
    types: &[],
};

const TABLE: &[Function] = &[function(
    "string_jsonpatch_escapeKey_string",
    "jsonpatch.escapeKey(string): string",
    |args| {
        let key = text(args, 0)?;
        let mut escaped = String::with_capacity(key.len());
        for c in key.chars() {
            match c {
                '/' => escaped.push_str("~1"),
                '~' => escaped.push_str("~0"),
                c => escaped.push(c),
            }
        }
        Ok(Value::string(escaped))
    },
    CONVERT,
)];

/// The name of the type of operations, for [`crate::Constructors::find`].
pub const JSON_PATCH_TYPE: &str = "JSONPatch";

/// The type of a field of an operation, for [`crate::Constructors::field`].
#[must_use]
pub fn json_patch_field(field: &str) -> Option<Type> {
    match field {
        "op" | "path" | "from" => Some(Type::String),
        "value" => Some(Type::Dyn),
        _ => None,
    }
}

/// An operation, for [`crate::Constructors::build`]: a map of the fields that were given.
///
/// # Errors
/// A field that operations do not have, or one of another type, in upstream's words.
pub fn json_patch<'a>(fields: Vec<(Arc<str>, Value<'a>)>) -> Result<Value<'a>, Error> {
    for (name, value) in &fields {
        match (json_patch_field(name), value) {
            (Some(Type::Dyn), _) | (Some(_), Value::String(_)) => {}
            (Some(_), value) => {
                let kind = value.kind();
                return Err(Error::new(format!(
                    "unexpected type {} for JSONPatchType '{name}' field",
                    kind.runtime_name()
                )));
            }
            (None, _) => {
                return Err(Error::new(format!(
                    "unexpected JSONPatchType field: {name}"
                )));
            }
        }
    }
    Value::map(
        fields
            .into_iter()
            .map(|(name, value)| (Value::string(name), value)),
    )
}
