//! Any objects at all: made at random of the table, written, read, written again.

use serde_json::{Value, json};

use crate::sample::{Random, kinds, some};
use crate::{Limits, decode, encode, event};

/// Where the numbers begin; every failure names the object.
const SEED: u64 = 0x5eed_2026;

/// Objects of each kind.
const ROUNDS: usize = 12;

/// Bodies that are no objects, under the groups in which they come.
const BODIES: &[(&str, &str)] = &[
    ("v1", "Status"),
    ("v1", "DeleteOptions"),
    ("apps/v1", "DeleteOptions"),
    ("example.com/v1alpha1", "DeleteOptions"),
    ("meta.k8s.io/v1", "CreateOptions"),
    ("meta.k8s.io/v1", "UpdateOptions"),
    ("meta.k8s.io/v1", "PatchOptions"),
    ("v1", "ListOptions"),
    ("v1", "GetOptions"),
    ("v1", "APIGroup"),
    ("v1", "APIGroupList"),
    ("v1", "APIResourceList"),
    ("v1", "APIVersions"),
];

fn all() -> Vec<(String, String)> {
    let bodies = BODIES
        .iter()
        .map(|(version, kind)| ((*version).to_owned(), (*kind).to_owned()));
    kinds().into_iter().chain(bodies).collect()
}

/// Whatever a client left out or wrote as zero, reading once says it as upstream prints it; from
/// there on nothing changes any more.
fn survives(value: &Value, api_version: &str, kind: &str) -> Value {
    let told = || format!("{api_version} {kind} of seed {SEED:#x}: {value}");
    let bytes =
        encode(value, api_version, kind).unwrap_or_else(|error| panic!("{error} {}", told()));
    let read =
        decode(&bytes, Limits::default()).unwrap_or_else(|error| panic!("{error} {}", told()));
    let again = encode(&read.value, api_version, kind).unwrap();
    assert_eq!(again, bytes, "{}", told());
    let twice = decode(&again, Limits::default()).unwrap();
    assert_eq!(twice.value, read.value, "{}", told());
    contains(&read.value, value, &told);
    read.value
}

/// Everything that says something is still there, and says the same.
fn contains(all: &Value, part: &Value, told: &dyn Fn() -> String) {
    match (all, part) {
        (Value::Object(all), Value::Object(part)) => {
            for (name, value) in part.iter().filter(|(_, value)| !is_zero(value)) {
                let found = all
                    .get(name)
                    .unwrap_or_else(|| panic!("{name} is lost: {}", told()));
                contains(found, value, told);
            }
        }
        (Value::Array(all), Value::Array(part)) => {
            assert_eq!(all.len(), part.len(), "{}", told());
            all.iter()
                .zip(part)
                .for_each(|(all, part)| contains(all, part, told));
        }
        // Go's numbers have a point or none, as they need one.
        (Value::Number(one), Value::Number(other)) => {
            assert!(
                one == other || one.as_f64() == other.as_f64(),
                "{one} {other}: {}",
                told()
            );
        }
        (one, other) => assert!(one == other || is_zero(other), "{one} {other}: {}", told()),
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) => false,
    }
}

#[test]
fn any_object_list_or_body_of_every_kind_survives_and_is_written_the_same_again() {
    let mut random = Random(SEED);
    for (api_version, kind) in all() {
        for _ in 0..ROUNDS {
            let value = some(&api_version, &kind, &mut random, &|_, _| false);
            survives(&value, &api_version, &kind);
        }
    }
}

#[test]
fn any_event_of_a_watch_holds_its_object_as_it_was() {
    let mut random = Random(SEED);
    for (api_version, kind) in all() {
        let value = some(&api_version, &kind, &mut random, &|_, _| false);
        let value = survives(&value, &api_version, &kind);
        let types = ["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"];
        let wanted = types[random.next(types.len())];
        let frame = event(wanted, &value, &api_version, &kind).unwrap();
        let (length, raw) = frame.split_first_chunk().unwrap();
        assert_eq!(u32::from_be_bytes(*length) as usize, raw.len());
        // An event has no envelope of its own.
        let mut bytes = crate::envelope::head("v1", "WatchEvent", raw.len());
        bytes.extend_from_slice(raw);
        bytes.extend_from_slice(crate::envelope::TAIL);
        let read = decode(&bytes, Limits::default()).unwrap().value;
        assert_eq!(
            (&read["type"], &read["object"]),
            (&json!(wanted), &value),
            "{SEED:#x}"
        );
    }
}

#[test]
fn any_bytes_at_all_are_read_or_refused_and_hold_no_more_than_the_limits_let_them() {
    let mut random = Random(SEED);
    let kinds = all();
    let limits = Limits {
        values: 500,
        ..Limits::default()
    };
    let mut read = 0;
    for _ in 0..20_000 {
        let (api_version, kind) = &kinds[random.next(kinds.len())];
        let length = random.next(48);
        // Small numbers are the tags and lengths of most fields.
        let bytes = (0..length).map(|_| match random.next(3) {
            0 => u8::try_from(random.next(256)).unwrap(),
            _ => u8::try_from(random.next(32)).unwrap(),
        });
        let raw: Vec<u8> = bytes.collect();
        let mut bytes = crate::envelope::head(api_version, kind, raw.len());
        if random.next(8) == 0 {
            bytes.truncate(4 + random.next(bytes.len() - 3));
        }
        bytes.extend(raw);
        let found = decode(&bytes, limits);
        read += usize::from(found.is_ok());
        if let Ok(found) = found {
            let values = count(&found.value);
            assert!(
                values <= 500,
                "{values} values of seed {SEED:#x}: {bytes:?}"
            );
        }
    }
    assert!(read > 200, "{read}");
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}
