//! Whatever is sent, and whatever is stored: a value or an error comes back.

#[path = "stage/random.rs"]
mod random;
mod stage;

use random::Random;
use serde_json::{Value, json};
use skerry_merge::apply::{Write, apply, keep_times, update};
use skerry_merge::fields::Set;
use skerry_merge::{json_patch, merge_patch, strategic, unknown_fields};
use stage::{config, thing, types};

const WORDS: [&str; 30] = [
    "spec",
    "metadata",
    "text",
    "number",
    "map",
    "maps",
    "set",
    "numbers",
    "items",
    "ports",
    "name",
    "nested",
    "port",
    "protocol",
    "any",
    "free",
    "known",
    "pair",
    "whole",
    "atomicList",
    "atomicMap",
    "finalizers",
    "$patch",
    "delete",
    "replace",
    "merge",
    "$retainKeys",
    "$setElementOrder/finalizers",
    "$deleteFromPrimitiveList/finalizers",
    "managedFields",
];

#[test]
fn patches_never_panic() {
    let mut random = Random::new(0x5eed_0010);
    let types = types();
    let mut done = 0;
    for _ in 0..20_000 {
        let object = random.json(&WORDS, 5);
        let patch = random.json(&WORDS, 5);
        done += usize::from(strategic(&object, &patch, thing(&types)).is_ok());
        done += usize::from(merge_patch(&object, patch.to_string().as_bytes()).is_ok());
    }
    assert!(done > 1_000, "{done}");
}

#[test]
fn json_patches_never_panic() {
    let mut random = Random::new(0x5eed_0011);
    let mut done = 0;
    for _ in 0..10_000 {
        let object = random.json(&["a", "b", "0"], 4);
        let mut operations = Vec::new();
        for _ in 0..random.below(6) {
            let path = |random: &mut Random| {
                let mut path = String::new();
                for _ in 0..random.below(4) {
                    path += random.pick(&["/", "/a", "/b", "/0", "/-", "/-1", "/9", "a", "/~0~1~"]);
                }
                path
            };
            let mut operation = json!({
                "op": random.pick(&["add", "remove", "replace", "move", "copy", "test", "x"]),
                "path": path(&mut random),
                "from": path(&mut random),
                "value": random.json(&["a", "b"], 3),
            });
            if random.one_in(10) {
                let member = random.pick(&["op", "path", "from", "value"]);
                operation[member] = random.json(&["a"], 1);
            }
            operations.push(operation);
        }
        let patch = Value::from(operations).to_string();
        _ = unknown_fields(patch.as_bytes());
        done += usize::from(json_patch(&object, patch.as_bytes()).is_ok());
    }
    assert!(done > 500, "{done}");
}

#[test]
fn bytes_that_are_no_json_are_refused() {
    let mut random = Random::new(0x5eed_0012);
    for _ in 0..2_000 {
        let mut bytes = json!([{"op": "add", "path": "/a", "value": {"b": [1]}}])
            .to_string()
            .into_bytes();
        for _ in 0..3 {
            let place = random.below(bytes.len());
            bytes[place] = u8::try_from(random.below(256)).unwrap();
        }
        bytes.truncate(random.below(bytes.len() + 1));
        _ = json_patch(&json!({}), &bytes);
        _ = merge_patch(&json!({}), &bytes);
        _ = unknown_fields(&bytes);
    }
}

#[test]
fn applies_and_updates_never_panic() {
    let mut random = Random::new(0x5eed_0013);
    let types = types();
    let none = Set::default();
    let mut done = 0;
    for _ in 0..8_000 {
        let write = Write {
            manager: random.pick(&["a", "kubectl", ""]),
            of: thing(&types),
            api_version: "v1",
            kind: "Thing",
            subresource: random.pick(&["", "status"]),
            time: "2024-01-01T00:00:00Z",
            resets: &none,
            built_in: random.one_in(2),
        };
        let object = |random: &mut Random| {
            if random.one_in(8) {
                return random.json(&WORDS, 5);
            }
            let mut object = config(random.json(&WORDS, 4));
            if random.one_in(2) {
                object["metadata"]["managedFields"] = json!([{
                    "manager": random.pick(&["a", "kubectl"]),
                    "operation": random.pick(&["Apply", "Update"]),
                    "apiVersion": "v1",
                    "fieldsType": "FieldsV1",
                    "fieldsV1": some_fields(random, 5),
                }]);
            }
            if random.one_in(4) {
                object["metadata"]["annotations"] = json!({
                    "kubectl.kubernetes.io/last-applied-configuration":
                        config(random.json(&WORDS, 3)).to_string(),
                });
            }
            object
        };
        let live = object(&mut random);
        let live = (!random.one_in(4)).then_some(&live);
        let sent = object(&mut random);
        done += usize::from(apply(live, &sent, random.one_in(2), &write).is_ok());
        let mut updated = update(live, sent, &write);
        if let Some(live) = live {
            keep_times(&mut updated, live);
        }
    }
    assert!(done > 100, "{done}");
}

fn some_fields(random: &mut Random, levels: usize) -> Value {
    let mut fields = json!({});
    if levels == 0 {
        return fields;
    }
    for _ in 0..random.below(4) {
        let key = match random.below(8) {
            0 => ".".to_owned(),
            1 => "k:{\"name\":\"name\"}".to_owned(),
            2 => "v:\"text\"".to_owned(),
            3 => "i:0".to_owned(),
            4 if random.one_in(4) => random.pick(&["", "k:", "v:{", "x:1", "é"]).to_owned(),
            _ => format!("f:{}", random.pick(&WORDS)),
        };
        fields[key] = some_fields(random, levels - 1);
    }
    fields
}
