//! Lists joined: end to end, or as their schema says, by set or by key.
//!
//! Knows nothing about expressions.

use crate::equality::{item_key, kind_of_list};
use crate::error::Error;
use crate::schema::ListKind;
use crate::value::{List, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// `left + right`: a set takes in what it lacks; a list that is a map has the values of its own
/// keys replaced; the left list's schema decides.
pub(crate) fn join<'a>(left: &List<'a>, right: &List<'a>) -> Result<List<'a>, Error> {
    let mut items: Vec<Value<'a>> = Vec::with_capacity(left.len() + right.len());
    for item in left.iter() {
        items.push(item?);
    }
    extend(left, &mut items, right)?;
    Ok(List::Made(Arc::new(items)))
}

/// Adds the right list's items to the left's.
pub(crate) fn extend<'a>(
    left: &List<'a>,
    items: &mut Vec<Value<'a>>,
    right: &List<'a>,
) -> Result<(), Error> {
    if kind_of_list(left) == ListKind::Atomic {
        for item in right.iter() {
            items.push(item?);
        }
        return Ok(());
    }
    let mut places: BTreeMap<_, _> = items
        .iter()
        .enumerate()
        .map(|(place, item)| (item_key(left, item), place))
        .collect();
    for item in right.iter() {
        let item = item?;
        let key = item_key(left, &item);
        if let Some(place) = places.get(&key) {
            items[*place] = item;
        } else {
            places.insert(key, items.len());
            items.push(item);
        }
    }
    Ok(())
}
