//! What the macros with two variables are expanded to: entries put into a map.
//!
//! Knows nothing about macros. Invariant: an entry never replaces another.

use crate::error::Error;
use crate::function::{Cost, Function};
use crate::map::Entries;
use crate::value::{Map, Value};
use std::sync::Arc;

/// The function that nobody can write in an expression.
pub(crate) const MAP_INSERT: &str = "cel.@mapInsert";

pub(crate) const TABLE: &[Function] = &[
    Function {
        id: "@mapInsert_map_key_value",
        signature: "cel.@mapInsert(map(K, V), K, V): map(K, V)",
        call: |args| match args {
            [Value::Map(map), key, value] => {
                let mut entries = copy(map)?;
                insert(&mut entries, key.clone(), value.clone())?;
                Ok(Value::Map(Map::Made(Arc::new(entries))))
            }
            _ => Err(Error::no_such_overload()),
        },
        cost: Cost::One,
    },
    Function {
        id: "@mapInsert_map_map",
        signature: "cel.@mapInsert(map(K, V), map(K, V)): map(K, V)",
        call: |args| match args {
            [Value::Map(map), Value::Map(other)] => {
                let mut entries = copy(map)?;
                insert_all(&mut entries, other)?;
                Ok(Value::Map(Map::Made(Arc::new(entries))))
            }
            _ => Err(Error::no_such_overload()),
        },
        cost: Cost::One,
    },
];

fn copy<'a>(map: &Map<'a>) -> Result<Entries<'a>, Error> {
    let mut entries = Entries::default();
    for entry in map.iter() {
        let (key, value) = entry?;
        entries.put(key, value)?;
    }
    Ok(entries)
}

/// Puts an entry in that must not be there yet.
pub(crate) fn insert<'a>(
    entries: &mut Entries<'a>,
    key: Value<'a>,
    value: Value<'a>,
) -> Result<(), Error> {
    let shown = key.clone();
    if entries.put(key, value)? {
        return Ok(());
    }
    Err(Error::new(format!(
        "insert failed: key {shown} already exists"
    )))
}

pub(crate) fn insert_all<'a>(entries: &mut Entries<'a>, other: &Map<'a>) -> Result<(), Error> {
    for entry in other.iter() {
        let (key, value) = entry?;
        insert(entries, key, value)?;
    }
    Ok(())
}
