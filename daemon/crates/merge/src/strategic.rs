//! Strategic merge patch: a merge patch that knows from the types which lists merge, and by which
//! key, and that has directives (`$patch`, `$retainKeys`, `$deleteFromPrimitiveList/...`,
//! `$setElementOrder/...`).
//!
//! Knows nothing about kinds. What comes out may hold nulls and directives where upstream leaves
//! them too (in what is new to the object); whoever calls prunes it by its type.

mod list;
mod order;

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use skerry_schema::{Patch, Shape, Type};

use crate::error::PatchError;
use crate::go;

type Fields = Map<String, Value>;

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM_PRIMITIVE_LIST: &str = "$deleteFromPrimitiveList";
const SET_ELEMENT_ORDER: &str = "$setElementOrder";

/// The object, which is of the type `of`, with the strategic merge patch applied.
///
/// # Errors
/// Where `patch` is not an object, or a directive or a list in it fits neither the type nor the
/// object.
pub fn strategic(object: &Value, patch: &Value, of: Type<'_>) -> Result<Value, PatchError> {
    if !matches!(of.shape(), Shape::Object(_)) {
        return Err(PatchError::NotStrategic);
    }
    let Value::Object(patch) = patch else {
        return Err(PatchError::Undecodable(format!(
            "json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
            go::json_name(patch)
        )));
    };
    let fields = object.as_object().cloned().unwrap_or_default();
    let merged = merge_maps(fields, patch.clone(), Level::Of(of))?;
    Ok(Value::Object(merged))
}

/// What is known of the place that is being merged.
#[derive(Clone, Copy)]
enum Level<'t> {
    Of(Type<'t>),
    Unknown,
}

/// What is known of a field there.
struct Known<'t> {
    level: Level<'t>,
    /// What its elements are, where it is a list.
    element: Level<'t>,
    merges: bool,
    replaces: bool,
    merge_key: Option<&'t str>,
}

impl<'t> Level<'t> {
    fn field(self, key: &str) -> Result<Known<'t>, PatchError> {
        let unknown = Known {
            level: Level::Unknown,
            element: Level::Unknown,
            merges: false,
            replaces: false,
            merge_key: None,
        };
        let Self::Of(of) = self else {
            return Ok(unknown);
        };
        let object = match of.shape() {
            Shape::Object(object) => object,
            Shape::Any => return Ok(unknown),
            shape => {
                return Err(PatchError::Mismatch(format!(
                    "merging an object in json but data type is not struct, instead is: {}",
                    go_kind(shape)
                )));
            }
        };
        match object.field(key) {
            Some(field) => {
                let Patch {
                    merges,
                    replaces,
                    merge_key,
                    ..
                } = field.patch;
                Ok(Known {
                    level: Level::Of(field.of),
                    element: match field.of.shape() {
                        Shape::List(list) => Level::Of(list.element),
                        _ => Level::Unknown,
                    },
                    merges,
                    replaces,
                    merge_key,
                })
            }
            None if object.keeps_unknown => Ok(unknown),
            None => {
                let name = of.name().unwrap_or_default();
                let name = name.rsplit('.').next().unwrap_or_default();
                Err(PatchError::Mismatch(format!(
                    "unable to find api field in struct {name} for the json field {}",
                    go::quoted(key)
                )))
            }
        }
    }
}

fn go_kind(shape: Shape<'_>) -> &'static str {
    match shape {
        Shape::Map(_) => "map",
        Shape::List(_) => "slice",
        Shape::String(_) => "string",
        Shape::Integer(_) => "int64",
        Shape::Number => "float64",
        Shape::Boolean => "bool",
        Shape::Any | Shape::Object(_) | Shape::IntOrString => "struct",
    }
}

fn merge_maps(
    mut original: Fields,
    mut patch: Fields,
    level: Level<'_>,
) -> Result<Fields, PatchError> {
    if let Some(directive) = patch.get(PATCH) {
        match directive.as_str() {
            Some("replace") => {
                patch.remove(PATCH);
                return Ok(patch);
            }
            Some("delete") => return Ok(Fields::new()),
            _ => return Err(unknown_patch_type(directive, &patch)),
        }
    }
    retain_keys(&mut original, &mut patch)?;
    set_element_orders(&mut original, &mut patch, level)?;
    for (key, change) in patch {
        if key.starts_with(DELETE_FROM_PRIMITIVE_LIST) {
            let key = directed_key(&key, DELETE_FROM_PRIMITIVE_LIST, "primitive list")?;
            delete_from_list(&mut original, key, change, level)?;
        } else {
            merge_field(&mut original, key, change, level)?;
        }
    }
    Ok(original)
}

fn merge_field(
    original: &mut Fields,
    key: String,
    change: Value,
    level: Level<'_>,
) -> Result<(), PatchError> {
    let merged = match (original.remove(&key), change) {
        (_, Value::Null) => None,
        (Some(Value::Object(fields)), Value::Object(change)) => {
            let known = level.field(&key)?;
            Some(Value::Object(if known.replaces {
                change
            } else {
                merge_maps(fields, change, known.level)?
            }))
        }
        (Some(Value::Array(items)), Value::Array(change)) => {
            let known = level.field(&key)?;
            Some(Value::Array(if known.merges {
                list::merge(items, change, &known)?
            } else {
                change
            }))
        }
        (_, change) => without_directives(without_nulls(change)),
    };
    if let Some(merged) = merged {
        original.insert(key, merged);
    }
    Ok(())
}

fn delete_from_list(
    original: &mut Fields,
    key: &str,
    change: Value,
    level: Level<'_>,
) -> Result<(), PatchError> {
    if change.is_null() {
        original.remove(key);
        return Ok(());
    }
    if let (Some(Value::Array(items)), Value::Array(change)) = (original.get_mut(key), change) {
        let known = level.field(key)?;
        *items = list::delete(std::mem::take(items), change, &known)?;
    }
    Ok(())
}

/// `$retainKeys`: what it does not name goes, and the patch may not name what goes.
fn retain_keys(original: &mut Fields, patch: &mut Fields) -> Result<(), PatchError> {
    const BAD: PatchError = PatchError::BadDirective("retainKeys");
    let Some(retained) = patch.remove(RETAIN_KEYS) else {
        return Ok(());
    };
    let retained: BTreeSet<&str> = match &retained {
        Value::Array(keys) => keys.iter().filter_map(Value::as_str).collect(),
        _ => return Err(BAD),
    };
    for (key, change) in &*patch {
        let directive =
            key.starts_with(DELETE_FROM_PRIMITIVE_LIST) || key.starts_with(SET_ELEMENT_ORDER);
        if !directive && !change.is_null() && !retained.contains(key.as_str()) {
            return Err(BAD);
        }
    }
    original.retain(|key, _| retained.contains(key.as_str()));
    Ok(())
}

/// `$setElementOrder/x`: merges the list `x` of the patch, and orders what comes out.
fn set_element_orders(
    original: &mut Fields,
    patch: &mut Fields,
    level: Level<'_>,
) -> Result<(), PatchError> {
    let directives = patch
        .keys()
        .filter(|key| key.starts_with(SET_ELEMENT_ORDER));
    let directives: Vec<String> = directives.cloned().collect();
    for directive in directives {
        let order = match patch.remove(&directive) {
            Some(Value::Array(order)) => order,
            other => return Err(not_a_list(&other.unwrap_or_default())),
        };
        let key = directed_key(&directive, SET_ELEMENT_ORDER, "setElementOrder list")?;
        let existing = original.get(key).map(as_list).transpose()?;
        let change = patch.get(key).map(as_list).transpose()?;
        let known = level.field(key)?;
        order::validate(
            change.as_deref().unwrap_or_default(),
            &order,
            known.merge_key,
        )?;
        if existing.is_none() && change.is_none() {
            continue;
        }
        let mut server_order = existing.clone().unwrap_or_default();
        let maps = list::holds_maps(&[&server_order, change.as_deref().unwrap_or_default()])?;
        let merged = match (existing, change) {
            (Some(existing), Some(change)) if known.merges => {
                if let Some(merge_key) = known.merge_key.filter(|_| maps) {
                    server_order = list::order_on_server(&existing, &change, merge_key)?;
                }
                list::merge(existing, change, &known)?
            }
            (Some(_), Some(change)) => change,
            (Some(existing), None) => existing,
            (None, change) => change
                .unwrap_or_default()
                .into_iter()
                .filter_map(without_directives)
                .collect(),
        };
        let merged = order::enforce(merged, &order, &server_order, known.merge_key, maps)?;
        patch.remove(key);
        original.insert(key.to_owned(), Value::Array(merged));
    }
    Ok(())
}

fn directed_key<'k>(
    key: &'k str,
    prefix: &str,
    format: &'static str,
) -> Result<&'k str, PatchError> {
    match key.split_once('/') {
        Some((directive, key)) if directive == prefix => Ok(key),
        _ => Err(PatchError::BadDirective(format)),
    }
}

fn as_list(value: &Value) -> Result<Vec<Value>, PatchError> {
    match value {
        Value::Array(items) => Ok(items.clone()),
        other => Err(not_a_list(other)),
    }
}

fn not_a_list(value: &Value) -> PatchError {
    let received = match value {
        Value::Null => "%!s(<nil>)",
        other => go::type_name(other),
    };
    PatchError::Mismatch(format!(
        "expected a []interface {{}}, but received a {received}"
    ))
}

fn not_a_map(value: &Value) -> PatchError {
    PatchError::Mismatch(format!(
        "expected a map[string]interface {{}}, but received a {}",
        go::type_name(value)
    ))
}

fn unknown_patch_type(directive: &Value, patch: &Fields) -> PatchError {
    PatchError::Mismatch(format!(
        "unknown patch type: {} in map: {}",
        go::plain(directive),
        go::plain(&Value::Object(patch.clone()))
    ))
}

/// Without the null fields of its maps.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, field)| !field.is_null())
            .map(|(key, field)| (key, without_nulls(field)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        scalar => scalar,
    }
}

/// Without the maps in it that carry a `$patch`; nothing where it is such a map itself.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(fields) if fields.contains_key(PATCH) => None,
        Value::Object(fields) => Some(
            fields
                .into_iter()
                .filter_map(|(key, field)| Some((key, without_directives(field)?)))
                .collect(),
        ),
        Value::Array(items) => Some(items.into_iter().filter_map(without_directives).collect()),
        scalar => Some(scalar),
    }
}
