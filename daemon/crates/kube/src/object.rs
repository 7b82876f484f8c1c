//! An object's metadata, whatever its kind.
//!
//! Pure but for names and ids, which are random. Types are never relied upon: a field of another
//! type than it should have reads as missing. Invariant: what [`shaped`] has let through has
//! `metadata` that is an object.

use std::sync::LazyLock;

use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Map, Value, map::Entry};

use crate::error::ApiError;

/// The letters of made-up names: no vowels, and nothing that looks like something else.
const NAME_LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// How many of them a made-up name ends with.
const NAME_SUFFIX_LETTERS: usize = 5;
/// A made-up name is no longer than this.
const NAME_BYTES_MAX: usize = 63;

static EMPTY: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

/// Makes sure of an object with metadata.
pub(crate) fn shaped(object: &mut Value) -> Result<(), ApiError> {
    let Value::Object(fields) = object else {
        return Err(ApiError::bad_request(
            "the body of the request is not an object",
        ));
    };
    match fields.entry("metadata") {
        Entry::Vacant(place) => {
            place.insert(Value::Object(Map::new()));
        }
        Entry::Occupied(mut place) => match place.get() {
            Value::Object(_) => {}
            Value::Null => {
                place.insert(Value::Object(Map::new()));
            }
            _ => return Err(ApiError::bad_request("metadata is not an object")),
        },
    }
    Ok(())
}

pub(crate) fn metadata(object: &Value) -> &Map<String, Value> {
    object
        .get("metadata")
        .and_then(Value::as_object)
        .unwrap_or(&EMPTY)
}

/// For objects that are [`shaped`]; others get metadata.
pub(crate) fn metadata_mut(object: &mut Value) -> &mut Map<String, Value> {
    fields_of(object, "metadata")
}

/// The object in a field, made where it is not there.
pub(crate) fn fields_of<'o>(object: &'o mut Value, field: &str) -> &'o mut Map<String, Value> {
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let fields = &mut object[field];
    if !fields.is_object() {
        *fields = Value::Object(Map::new());
    }
    fields
        .as_object_mut()
        .expect("it was made an object just now")
}

/// A text of the metadata; empty where it is missing.
pub(crate) fn text<'o>(object: &'o Value, field: &str) -> &'o str {
    metadata(object)
        .get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

pub(crate) fn name(object: &Value) -> &str {
    text(object, "name")
}

pub(crate) fn namespace(object: &Value) -> &str {
    text(object, "namespace")
}

pub(crate) fn uid(object: &Value) -> &str {
    text(object, "uid")
}

pub(crate) fn is_terminating(object: &Value) -> bool {
    metadata(object)
        .get("deletionTimestamp")
        .is_some_and(|time| !time.is_null())
}

pub(crate) fn finalizers(object: &Value) -> Vec<String> {
    let list = metadata(object).get("finalizers").and_then(Value::as_array);
    let texts = list.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

pub(crate) fn set_finalizers(object: &mut Value, finalizers: Vec<String>) {
    let metadata = metadata_mut(object);
    match finalizers.is_empty() {
        true => _ = metadata.remove("finalizers"),
        false => _ = metadata.insert("finalizers".into(), finalizers.into()),
    }
}

/// The resourceVersion that a client has sent: 0 where it has not.
pub(crate) fn resource_version(object: &Value) -> Result<i64, ApiError> {
    match text(object, "resourceVersion") {
        "" => Ok(0),
        text => parse_resource_version(text),
    }
}

pub(crate) fn parse_resource_version(text: &str) -> Result<i64, ApiError> {
    text.parse::<i64>()
        .ok()
        .filter(|revision| *revision >= 0)
        .ok_or_else(|| {
            ApiError::bad_request(format!(
                "Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax"
            ))
        })
}

pub(crate) fn set_resource_version(object: &mut Value, revision: i64) {
    metadata_mut(object).insert("resourceVersion".into(), revision.to_string().into());
}

/// What the object is counted up to with each change of what its user wants.
pub(crate) fn generation(object: &Value) -> i64 {
    metadata(object)
        .get("generation")
        .and_then(Value::as_i64)
        .unwrap_or(0)
}

/// A random (version 4) UUID.
pub(crate) fn new_uid() -> String {
    let mut bytes = random::<16>();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}

/// A name that starts with `base` and ends with letters of its own.
pub(crate) fn generated_name(base: &str) -> String {
    let mut kept = base.len().min(NAME_BYTES_MAX - NAME_SUFFIX_LETTERS);
    while !base.is_char_boundary(kept) {
        kept -= 1;
    }
    let letters = random::<NAME_SUFFIX_LETTERS>();
    let letter = |byte: &u8| char::from(NAME_LETTERS[usize::from(*byte) % NAME_LETTERS.len()]);
    let suffix: String = letters.iter().map(letter).collect();
    format!("{}{suffix}", &base[..kept])
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system gives random bytes once it has started");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metadata_is_made_where_it_is_missing_and_refused_where_it_is_none() {
        let mut object = json!({});
        shaped(&mut object).unwrap();
        assert_eq!(object, json!({"metadata": {}}));
        assert!(shaped(&mut json!({"metadata": 5})).is_err());
        assert!(shaped(&mut json!([])).is_err());
    }

    #[test]
    fn generated_names_and_ids_have_their_form() {
        let name = generated_name(&"x".repeat(100));
        assert_eq!(name.len(), 63);
        assert!(generated_name("ä".repeat(40).as_str()).len() <= 63);
        let uid = new_uid();
        assert_eq!((uid.len(), uid.as_bytes()[14]), (36, b'4'));
    }
}
