//! The order that a merged list has: what the patch names stands in the patch's order, what only
//! the server has stands in the server's, and the two are woven together by the server's.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{PATCH, not_a_map};
use crate::error::PatchError;
use crate::go;

/// What tells the elements of a list apart: their merge key's value, or all of them.
pub(super) fn identity(item: &Value, merge_key: Option<&str>) -> Result<String, PatchError> {
    let Some(merge_key) = merge_key else {
        return Ok(item.to_string());
    };
    let fields = item.as_object().ok_or_else(|| not_a_map(item))?;
    let value = fields.get(merge_key).ok_or_else(|| {
        PatchError::Mismatch(format!(
            "map: {} does not contain declared merge key: {merge_key}",
            go::plain(item)
        ))
    })?;
    Ok(value.to_string())
}

/// The first place of each element.
fn places(items: &[Value], merge_key: Option<&str>) -> Result<BTreeMap<String, usize>, PatchError> {
    let mut places = BTreeMap::new();
    for (place, item) in items.iter().enumerate() {
        places.entry(identity(item, merge_key)?).or_insert(place);
    }
    Ok(places)
}

/// `merged`, ordered. `maps`: it holds maps, which must have the merge key.
pub(super) fn enforce(
    merged: Vec<Value>,
    patch_order: &[Value],
    server_order: &[Value],
    merge_key: Option<&str>,
    maps: bool,
) -> Result<Vec<Value>, PatchError> {
    // A list of maps that no key tells apart has no order to enforce.
    let merge_key = if maps && merge_key.is_none() {
        Some("")
    } else {
        merge_key
    };
    let patch_places = places(patch_order, merge_key)?;
    let server_places = places(server_order, merge_key)?;
    let mut named = Vec::new();
    let mut others = Vec::new();
    for item in merged {
        let identity = identity(&item, merge_key)?;
        let on_server = server_places.get(&identity).copied();
        match patch_places.get(&identity) {
            Some(place) => named.push((*place, on_server, item)),
            None => others.push((on_server.unwrap_or(usize::MAX), on_server, item)),
        }
    }
    named.sort_by_key(|(place, ..)| *place);
    others.sort_by_key(|(place, ..)| *place);
    Ok(weave(others, named))
}

type Placed = (usize, Option<usize>, Value);

/// Each of `others` stands before the first of `named` that the server has behind it.
fn weave(others: Vec<Placed>, named: Vec<Placed>) -> Vec<Value> {
    let mut woven = Vec::with_capacity(others.len() + named.len());
    let mut others = others.into_iter().peekable();
    for (_, named_place, item) in named {
        let stands_before = |other: &Placed| match (other.1, named_place) {
            (Some(other), Some(named)) => other < named,
            _ => false,
        };
        while let Some((.., other)) = others.next_if(stands_before) {
            woven.push(other);
        }
        woven.push(item);
    }
    woven.extend(others.map(|(.., item)| item));
    woven
}

/// That the patch's list is in the order that the directive asks for, and within it.
pub(super) fn validate(
    patch: &[Value],
    order: &[Value],
    merge_key: Option<&str>,
) -> Result<(), PatchError> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    if let Some(item) = patch.iter().find(|item| !item.is_object())
        && merge_key.is_some()
    {
        return Err(not_a_map(item));
    }
    // As upstream has it, a directive passes only while some of the order is left, but for those
    // that delete by key.
    let deletes = |item: &&Value| merge_key.is_some() && item[PATCH] == "delete";
    let mut patch_left = patch.iter().filter(|item| !deletes(item)).peekable();
    let mut order_left = order.iter().peekable();
    while let (Some(item), Some(next)) = (patch_left.peek(), order_left.peek()) {
        if item.get(PATCH).is_some() {
            patch_left.next();
            continue;
        }
        if identity(item, merge_key)? == identity(next, merge_key)? {
            patch_left.next();
        }
        order_left.next();
    }
    if patch_left.peek().is_none() {
        return Ok(());
    }
    Err(PatchError::Mismatch(format!(
        "The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n",
        go::plain(&Value::from(patch.to_vec())),
        go::plain(&Value::from(order.to_vec()))
    )))
}
