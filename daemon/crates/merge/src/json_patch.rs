//! JSON patch (RFC 6902), with the leniencies and the words of the library that upstream uses:
//! a negative index counts from the end, `replace` may make a field, `null` and a missing value
//! are the same, and what stands before the first `/` of a path is not looked at.
//!
//! Knows nothing about types. Invariant: while operations are carried out, the document never has
//! more levels than `NESTING_LEVELS_MAX`, nor copies more bytes than `JSON_PATCH_COPY_BYTES_MAX`.

use serde_json::{Map, Value};
use thiserror::Error;

use crate::error::PatchError;
use crate::go;
use crate::limits::{JSON_PATCH_COPY_BYTES_MAX, JSON_PATCH_OPERATIONS_MAX, NESTING_LEVELS_MAX};

/// Why an operation of a JSON patch does not fit the object.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs)]
#[non_exhaustive]
pub enum Inapplicable {
    #[error("{operation} operation failed to decode {member}: {cause}")]
    Member {
        operation: &'static str,
        member: &'static str,
        cause: String,
    },
    #[error("{operation} operation does not apply: {what}: missing value")]
    Missing {
        operation: &'static str,
        what: String,
    },
    #[error("error in {operation} for {member}: '{path}': {cause}")]
    At {
        operation: &'static str,
        member: &'static str,
        path: String,
        cause: BadPlace,
    },
    #[error("error while adding value during copy: {0}")]
    AtCopy(BadPlace),
    #[error("testing value {0} failed: test failed")]
    TestFailed(String),
    #[error("replace operation value must be object or array")]
    ScalarDocument,
    #[error(
        "Unable to complete the copy, the accumulated size increase of copy is {0}, exceeding the limit {JSON_PATCH_COPY_BYTES_MAX}"
    )]
    CopiesTooMuch(usize),
    #[error("{0} operation exceeded max depth {NESTING_LEVELS_MAX}")]
    TooDeep(&'static str),
    #[error("Unexpected kind: {0}")]
    UnknownOperation(String),
}

/// Why a key or an index does not lead anywhere.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum BadPlace {
    #[error("Unable to remove nonexistent key: {0}: missing value")]
    NoKey(String),
    #[error("Unable to access invalid index: {0}: invalid index referenced")]
    NoIndex(i64),
    #[error("strconv.Atoi: parsing {}: {problem}", go::quoted(.key))]
    NotAnIndex { key: String, problem: &'static str },
    #[error("value was not a proper array index: '{key}': {cause}")]
    NotAnIndexToAddAt { key: String, cause: Box<BadPlace> },
}

/// The object with the JSON patch `patch` applied.
///
/// # Errors
/// Where `patch` is no JSON patch, or one of its operations does not fit.
pub fn json_patch(object: &Value, patch: &[u8]) -> Result<Value, PatchError> {
    let operations = decode(patch)?;
    let mut document = object.clone();
    let mut copied = 0;
    for operation in &operations {
        Operation(operation).carry_out(&mut document, &mut copied)?;
    }
    Ok(document)
}

/// What strict field validation has against the JSON patch: members that no operation has.
/// Duplicate members are found by whoever reads the body.
#[must_use]
pub fn unknown_fields(patch: &[u8]) -> Vec<String> {
    let operations = decode(patch).unwrap_or_default();
    let mut unknown = Vec::new();
    for (place, operation) in operations.iter().enumerate() {
        for member in operation.keys() {
            if !matches!(member.as_str(), "op" | "path" | "from" | "value") {
                unknown.push(format!("json patch unknown field \"[{place}].{member}\""));
            }
        }
    }
    unknown
}

fn decode(patch: &[u8]) -> Result<Vec<Map<String, Value>>, PatchError> {
    let unwanted = |value: &Value, wanted: &str| {
        PatchError::Undecodable(format!(
            "json: cannot unmarshal {} into Go value of type {wanted}",
            go::json_name(value)
        ))
    };
    let patch: Value = serde_json::from_slice(patch)
        .map_err(|error| PatchError::Undecodable(error.to_string()))?;
    let operations = match patch {
        Value::Array(operations) => operations,
        Value::Null => Vec::new(),
        other => return Err(unwanted(&other, "[]handlers.jsonPatchOp")),
    };
    if operations.len() > JSON_PATCH_OPERATIONS_MAX {
        return Err(PatchError::TooManyOperations(operations.len()));
    }
    let operations = operations.into_iter().map(|operation| match operation {
        Value::Object(members) => Ok(members),
        Value::Null => Ok(Map::new()),
        other => Err(unwanted(&other, "handlers.jsonPatchOp")),
    });
    operations.collect()
}

struct Operation<'a>(&'a Map<String, Value>);

impl Operation<'_> {
    fn carry_out(&self, document: &mut Value, copied: &mut usize) -> Result<(), Inapplicable> {
        match self.0.get("op").and_then(Value::as_str) {
            Some("add") => self.add(document),
            Some("remove") => self.remove(document),
            Some("replace") => self.replace(document),
            Some("move") => self.move_(document),
            Some("copy") => self.copy(document, copied),
            Some("test") => self.test(document),
            other => Err(Inapplicable::UnknownOperation(
                other.unwrap_or("unknown").to_owned(),
            )),
        }
    }

    fn add(&self, document: &mut Value) -> Result<(), Inapplicable> {
        let path = self.member("add", "path", false)?;
        let value = self.value();
        fits("add", path, &value)?;
        let (holder, key) = find(document, path).ok_or_else(|| Inapplicable::Missing {
            operation: "add",
            what: format!("doc is missing path: \"{path}\""),
        })?;
        insert(holder, key, value).map_err(|cause| at("add", "path", path, cause))
    }

    fn remove(&self, document: &mut Value) -> Result<(), Inapplicable> {
        let path = self.member("remove", "path", false)?;
        let (holder, key) = find(document, path).ok_or_else(|| Inapplicable::Missing {
            operation: "remove",
            what: format!("doc is missing path: \"{path}\""),
        })?;
        take(holder, &key).map_err(|cause| at("remove", "path", path, cause))?;
        Ok(())
    }

    fn replace(&self, document: &mut Value) -> Result<(), Inapplicable> {
        let path = self.member("replace", "path", true)?;
        let value = self.value();
        fits("replace", path, &value)?;
        if path.is_empty() {
            if !value.is_object() && !value.is_array() {
                return Err(Inapplicable::ScalarDocument);
            }
            *document = value;
            return Ok(());
        }
        let missing = |what: &str| Inapplicable::Missing {
            operation: "replace",
            what: format!("doc is missing {what}: {path}"),
        };
        let (holder, key) = find(document, path).ok_or_else(|| missing("path"))?;
        match holder {
            Value::Object(fields) => _ = fields.insert(key, value),
            Value::Array(items) => {
                let index = index_of(&key, items.len()).map_err(|_| missing("key"))?;
                items[index] = value;
            }
            _ => return Err(missing("path")),
        }
        Ok(())
    }

    fn move_(&self, document: &mut Value) -> Result<(), Inapplicable> {
        let from = self.member("move", "from", true)?;
        let (holder, key) = find(document, from).ok_or_else(|| Inapplicable::Missing {
            operation: "move",
            what: format!("doc is missing from path: {from}"),
        })?;
        let value = take(holder, &key).map_err(|cause| at("move", "path", &key, cause))?;
        let path = self.member("move", "path", true)?;
        fits("move", path, &value)?;
        let (holder, key) = find(document, path).ok_or_else(|| Inapplicable::Missing {
            operation: "move",
            what: format!("doc is missing destination path: {path}"),
        })?;
        insert(holder, key, value).map_err(|cause| at("move", "path", path, cause))
    }

    fn copy(&self, document: &mut Value, copied: &mut usize) -> Result<(), Inapplicable> {
        let from = self.member("copy", "from", true)?;
        let (holder, key) = find(document, from).ok_or_else(|| Inapplicable::Missing {
            operation: "copy",
            what: format!("doc is missing from path: {from}"),
        })?;
        let value = get(holder, &key)
            .map_err(|cause| at("copy", "from", from, cause))?
            .cloned();
        let path = self.member("copy", "path", false)?;
        let (holder, key) = find(document, path).ok_or_else(|| Inapplicable::Missing {
            operation: "copy",
            what: format!("doc is missing destination path: {path}"),
        })?;
        *copied += value.as_ref().map_or(0, |value| value.to_string().len());
        if *copied > JSON_PATCH_COPY_BYTES_MAX {
            return Err(Inapplicable::CopiesTooMuch(*copied));
        }
        let value = value.unwrap_or(Value::Null);
        fits("copy", path, &value)?;
        insert(holder, key, value).map_err(Inapplicable::AtCopy)
    }

    fn test(&self, document: &mut Value) -> Result<(), Inapplicable> {
        let path = self.member("test", "path", true)?;
        let expected = self.0.get("value").unwrap_or(&Value::Null);
        let found = if path.is_empty() {
            Some(&*document)
        } else {
            let (holder, key) = find(document, path).ok_or_else(|| Inapplicable::Missing {
                operation: "test",
                what: format!("is missing path: {path}"),
            })?;
            get(holder, &key).map_err(|cause| at("test", "path", path, cause))?
        };
        if found.unwrap_or(&Value::Null) == expected {
            Ok(())
        } else {
            Err(Inapplicable::TestFailed(path.to_owned()))
        }
    }

    fn value(&self) -> Value {
        self.0.get("value").cloned().unwrap_or_default()
    }

    /// `path` or `from`. `explained`: the message says more than that a value is missing.
    fn member(
        &self,
        operation: &'static str,
        member: &'static str,
        explained: bool,
    ) -> Result<&str, Inapplicable> {
        let cause = match self.0.get(member) {
            Some(Value::String(path)) => return Ok(path),
            _ if !explained => "missing value".to_owned(),
            None | Some(Value::Null) => {
                let comma = if member == "from" { "," } else { "" };
                format!("operation{comma} missing {member} field: missing value")
            }
            Some(other) => format!(
                "json: cannot unmarshal {} into Go value of type string",
                go::json_name(other)
            ),
        };
        Err(Inapplicable::Member {
            operation,
            member,
            cause,
        })
    }
}

fn at(operation: &'static str, member: &'static str, path: &str, cause: BadPlace) -> Inapplicable {
    Inapplicable::At {
        operation,
        member,
        path: path.to_owned(),
        cause,
    }
}

/// That the document stays as flat as it must, with `value` at `path`.
fn fits(operation: &'static str, path: &str, value: &Value) -> Result<(), Inapplicable> {
    let above = path.matches('/').count();
    if above + levels(value) > NESTING_LEVELS_MAX {
        return Err(Inapplicable::TooDeep(operation));
    }
    Ok(())
}

fn levels(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(levels).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(levels).max().unwrap_or(0),
        _ => 0,
    }
}

/// The list or map that holds what `path` names, and the key in it.
fn find<'d>(document: &'d mut Value, path: &str) -> Option<(&'d mut Value, String)> {
    let (_, path) = path.split_once('/')?;
    let (above, key) = path
        .rsplit_once('/')
        .map_or((None, path), |(above, key)| (Some(above), key));
    let mut holder = document;
    for key in above.into_iter().flat_map(|above| above.split('/')) {
        let key = unescaped(key);
        holder = match holder {
            Value::Object(fields) => fields.get_mut(&key)?,
            Value::Array(items) => {
                let index = index_of(&key, items.len()).ok()?;
                &mut items[index]
            }
            _ => return None,
        };
    }
    (holder.is_object() || holder.is_array()).then(|| (holder, unescaped(key)))
}

fn unescaped(key: &str) -> String {
    // In one pass: "~01" is "~1", not "/".
    let mut out = String::with_capacity(key.len());
    let mut rest = key;
    while let Some(tilde) = rest.find('~') {
        out.push_str(&rest[..tilde]);
        let (char, skipped) = match rest.as_bytes().get(tilde + 1) {
            Some(b'0') => ('~', 2),
            Some(b'1') => ('/', 2),
            _ => ('~', 1),
        };
        out.push(char);
        rest = &rest[tilde + skipped..];
    }
    out + rest
}

/// Nothing where the key is missing, or its value null.
fn get<'d>(holder: &'d Value, key: &str) -> Result<Option<&'d Value>, BadPlace> {
    let value = match holder {
        Value::Array(items) => Some(&items[index_of(key, items.len())?]),
        holder => holder.get(key),
    };
    Ok(value.filter(|value| !value.is_null()))
}

fn insert(holder: &mut Value, key: String, value: Value) -> Result<(), BadPlace> {
    match holder {
        Value::Object(fields) => _ = fields.insert(key, value),
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => {
            let index = index_of(&key, items.len() + 1).map_err(|cause| match cause {
                cause @ BadPlace::NotAnIndex { .. } => BadPlace::NotAnIndexToAddAt {
                    key,
                    cause: Box::new(cause),
                },
                cause => cause,
            })?;
            items.insert(index, value);
        }
        _ => return Err(BadPlace::NoKey(key)),
    }
    Ok(())
}

fn take(holder: &mut Value, key: &str) -> Result<Value, BadPlace> {
    match holder {
        Value::Array(items) => {
            let index = index_of(key, items.len())?;
            Ok(items.remove(index))
        }
        Value::Object(fields) => fields
            .remove(key)
            .ok_or_else(|| BadPlace::NoKey(key.to_owned())),
        _ => Err(BadPlace::NoKey(key.to_owned())),
    }
}

/// The index below `length` that `key` names; negative ones count from the end.
fn index_of(key: &str, length: usize) -> Result<usize, BadPlace> {
    let index: i64 = key.parse().map_err(|error: std::num::ParseIntError| {
        use std::num::IntErrorKind::{NegOverflow, PosOverflow};
        let problem = match error.kind() {
            PosOverflow | NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        let key = key.to_owned();
        BadPlace::NotAnIndex { key, problem }
    })?;
    let from_start = if index < 0 {
        i64::try_from(length)
            .ok()
            .and_then(|length| index.checked_add(length))
    } else {
        Some(index)
    };
    from_start
        .and_then(|index| usize::try_from(index).ok())
        .filter(|index| *index < length)
        .ok_or(BadPlace::NoIndex(index))
}
