//! Lists that merge: scalars as sets, maps by their merge key.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::order::{enforce, identity};
use super::{Fields, Known, PATCH, merge_maps, unknown_patch_type};
use crate::error::PatchError;
use crate::go;

/// Both lists in one, in the order that is due.
pub(super) fn merge(
    original: Vec<Value>,
    patch: Vec<Value>,
    known: &Known<'_>,
) -> Result<Vec<Value>, PatchError> {
    if original.is_empty() && patch.is_empty() {
        return Ok(original);
    }
    if !holds_maps(&[&original, &patch])? {
        let mut seen = BTreeSet::new();
        let both = original.iter().chain(&patch);
        let merged = both.filter(|item| seen.insert(item.to_string()));
        let merged = merged.cloned().collect();
        return enforce(merged, &patch, &original, None, false);
    }
    let merge_key = known.merge_key.ok_or_else(no_merge_key)?;
    let (original, patch) = carry_out_directives(original, patch, merge_key)?;
    let merged = merge_by_key(original.clone(), patch.clone(), merge_key, known)?;
    enforce(merged, &patch, &original, Some(merge_key), true)
}

/// `original` without the scalars in `gone`.
pub(super) fn delete(
    original: Vec<Value>,
    gone: Vec<Value>,
    known: &Known<'_>,
) -> Result<Vec<Value>, PatchError> {
    if original.is_empty() && gone.is_empty() {
        return Ok(original);
    }
    if holds_maps(&[&original, &gone])? {
        return merge(original, gone, known);
    }
    let gone: BTreeSet<String> = gone.iter().map(Value::to_string).collect();
    let left = original.into_iter();
    Ok(left
        .filter(|item| !gone.contains(&item.to_string()))
        .collect())
}

fn no_merge_key() -> PatchError {
    PatchError::Mismatch("cannot merge lists without merge key for struct".to_owned())
}

/// Whether the elements of these lists are maps. All must be of one type.
pub(super) fn holds_maps(lists: &[&[Value]]) -> Result<bool, PatchError> {
    let mut items = lists.iter().copied().flatten();
    let first = items
        .next()
        .ok_or_else(|| PatchError::Mismatch("no elements in any of the given slices".to_owned()))?;
    if first.is_array() {
        return Err(PatchError::ListOfLists);
    }
    if first.is_null() || items.any(|item| go::type_name(item) != go::type_name(first)) {
        let lists = lists.iter().map(|list| Value::from(list.to_vec()));
        return Err(PatchError::Mismatch(format!(
            "list element types are not identical: {}",
            go::plain(&lists.collect())
        )));
    }
    Ok(first.is_object())
}

/// Both lists after the elements with `$patch` have had their say.
fn carry_out_directives(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    merge_key: &str,
) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
    let mut plain = Vec::new();
    let mut gone = BTreeSet::new();
    let mut replaces = false;
    for item in patch {
        let Some(directive) = item.get(PATCH) else {
            plain.push(item);
            continue;
        };
        match directive.as_str() {
            Some("delete") => _ = gone.insert(identity(&item, Some(merge_key))?),
            Some("replace") => replaces = true,
            Some("merge") => {
                return Err(PatchError::Mismatch(
                    "merging lists cannot yet be specified in the patch".to_owned(),
                ));
            }
            _ => {
                let fields = item.as_object().cloned().unwrap_or_default();
                return Err(unknown_patch_type(directive, &fields));
            }
        }
    }
    if replaces {
        return Ok((plain, Vec::new()));
    }
    original.retain(|item| {
        let value = item.get(merge_key);
        !value.is_some_and(|value| gone.contains(&value.to_string()))
    });
    Ok((original, plain))
}

/// The order of the server's list that `$setElementOrder` goes by. Upstream deletes and appends in
/// place: the places of what is deleted are taken by what is new.
pub(super) fn order_on_server(
    original: &[Value],
    patch: &[Value],
    merge_key: &str,
) -> Result<Vec<Value>, PatchError> {
    if patch.iter().any(|item| item[PATCH] == "replace") {
        return Ok(original.to_vec());
    }
    let (mut order, plain) = carry_out_directives(original.to_vec(), patch.to_vec(), merge_key)?;
    let known = order.iter().filter_map(|item| item.get(merge_key));
    let mut known: BTreeSet<String> = known.map(Value::to_string).collect();
    for item in plain {
        if known.insert(identity(&item, Some(merge_key))?) {
            order.push(item);
        }
    }
    order.truncate(original.len());
    Ok(order)
}

fn merge_by_key(
    mut merged: Vec<Value>,
    patch: Vec<Value>,
    merge_key: &str,
    known: &Known<'_>,
) -> Result<Vec<Value>, PatchError> {
    let mut places = BTreeMap::new();
    for (place, item) in merged.iter().enumerate() {
        if let Some(value) = item.get(merge_key) {
            places.entry(value.to_string()).or_insert(place);
        }
    }
    for change in patch {
        let identity = identity(&change, Some(merge_key))?;
        match places.get(&identity) {
            Some(place) => {
                let fields = fields(merged[*place].take());
                let fields = merge_maps(fields, self::fields(change), known.element)?;
                merged[*place] = Value::Object(fields);
            }
            None => {
                places.insert(identity, merged.len());
                merged.push(change);
            }
        }
    }
    Ok(merged)
}

fn fields(item: Value) -> Fields {
    match item {
        Value::Object(fields) => fields,
        _ => Fields::new(),
    }
}
