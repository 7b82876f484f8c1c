//! Promises for whatever schema and object: drawn at random, from a seed that is printed.
#![allow(clippy::unwrap_used)]

use serde_json::{Map, Value, json};
use skerry_custom::{Schema, definition};

/// Numbers that look random: the same ones for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn pick<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[usize::try_from(self.roll(all.len() as u64)).unwrap()]
    }
}

const NAMES: [&str; 6] = ["a", "b", "metadata", "kind", "x-y", "é"];

fn value(dice: &mut Dice, depth: u32) -> Value {
    match dice.roll(if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => json!(dice.roll(2) == 0),
        2 => json!(i64::try_from(dice.roll(20)).unwrap() - 5),
        3 => json!(0.5),
        4 => json!(dice.pick(&["", "a", "bc", "1.2.3.4", "2026-01-01T00:00:00Z"])),
        5 => json!(u64::MAX),
        6 => (0..dice.roll(4)).map(|_| value(dice, depth - 1)).collect(),
        _ => {
            let entry = |_| (dice.pick(&NAMES).to_owned(), value(dice, depth - 1));
            Value::Object((0..4).map(entry).collect::<Map<_, _>>())
        }
    }
}

fn schema(dice: &mut Dice, depth: u32) -> Value {
    let kind = match depth {
        0 => dice.pick(&["string", "integer", "boolean", "number"]),
        _ => dice.pick(&[
            "string", "integer", "object", "object", "array", "number", "odd", "",
        ]),
    };
    let mut out = json!({ "type": kind });
    if kind == "object" {
        if dice.roll(3) == 0 {
            out["additionalProperties"] = schema(dice, depth - 1);
        } else {
            for _ in 0..dice.roll(4) {
                out["properties"][dice.pick(&NAMES)] = schema(dice, depth - 1);
            }
        }
    }
    if kind == "array" {
        out["items"] = schema(dice, depth - 1);
        if dice.roll(2) == 0 {
            out["x-kubernetes-list-type"] = json!(dice.pick(&["set", "map", "atomic", "odd"]));
            out["x-kubernetes-list-map-keys"] = json!([dice.pick(&NAMES)]);
        }
    }
    for _ in 0..dice.roll(4) {
        let (keyword, value) = match dice.roll(16) {
            0 => ("nullable", json!(true)),
            1 => ("x-kubernetes-preserve-unknown-fields", json!(true)),
            2 => ("x-kubernetes-embedded-resource", json!(true)),
            3 => ("x-kubernetes-int-or-string", json!(true)),
            4 => ("maxLength", json!(2)),
            5 => ("minimum", json!(1)),
            6 => ("multipleOf", json!(dice.roll(3))),
            7 => (
                "pattern",
                json!(dice.pick(&["^a", "(", "[a-", r"\p{L}", "a{2}"])),
            ),
            8 => (
                "format",
                json!(dice.pick(&["ipv4", "date-time", "odd", "int32"])),
            ),
            9 => ("enum", json!([1, "a", null])),
            10 => ("required", json!([dice.pick(&NAMES)])),
            11 if depth > 0 => (
                "anyOf",
                json!([schema(dice, depth - 1), schema(dice, depth - 1)]),
            ),
            12 if depth > 0 => ("not", schema(dice, depth - 1)),
            13 => (
                "x-kubernetes-validations",
                json!([{"rule": dice.pick(
                &["self == oldSelf", "self.a > 1", "true", "self.all(x, x == 1)", "(", "has(self.a)"])}]),
            ),
            14 => ("maxItems", json!(1)),
            _ => ("default", value(dice, 1)),
        };
        out[keyword] = value;
    }
    out
}

#[test]
fn shaping_twice_is_shaping_once_and_nothing_panics() {
    let seed = 0x5eed_0001;
    println!("seed {seed:#x}");
    let mut dice = Dice(seed);
    for round in 0..1500 {
        let schema = schema(&mut dice, 4);
        let Ok(compiled) = Schema::compile(&schema) else {
            continue;
        };
        let old = value(&mut dice, 4);
        let mut object = value(&mut dice, 4);
        if compiled.prune(&mut object).is_err() {
            compiled.prune_stored(&mut object);
        }
        let pruned = object.clone();
        compiled.prune_stored(&mut object);
        assert_eq!(object, pruned, "round {round}: pruned twice by {schema}");
        compiled.default(&mut object);
        let defaulted = object.clone();
        compiled.default(&mut object);
        assert_eq!(
            object, defaulted,
            "round {round}: defaulted twice by {schema}"
        );
        let _ = compiled.validate(&object, None);
        let _ = compiled.validate(&object, Some(&old));
        let _ = compiled.validate_status(&object, &old);
        let same = compiled.validate(&object, Some(&object));
        assert!(
            same.len() <= compiled.validate(&object, None).len() + 1,
            "round {round}: {schema}"
        );
        let _ = (compiled.types(), compiled.heap_bytes());
    }
}

#[test]
fn definitions_of_any_schema_are_checked_without_a_panic() {
    let seed = 0x5eed_0002;
    println!("seed {seed:#x}");
    let mut dice = Dice(seed);
    for _ in 0..500 {
        let mut object = json!({"metadata": {"name": "widgets.example.com"}, "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "selectableFields": [{"jsonPath": ".a.b"}],
                "schema": {"openAPIV3Schema": schema(&mut dice, 4)}}]}});
        definition::set_defaults(&mut object);
        let once = object.clone();
        definition::set_defaults(&mut object);
        assert_eq!(object, once);
        let errors = definition::validate(&object);
        let again = definition::validate_update(&object, &object);
        // What stands there may stay, but for what is looked at anew each time.
        assert!(again.len() <= errors.len() + 1);
        let _ = definition::nonstructural(&object);
        let _ = definition::warnings(&object, None);
    }
    let odd = value(&mut dice, 5);
    let _ = definition::validate(&json!({"spec": odd, "metadata": odd, "status": odd}));
}

#[test]
fn what_is_good_needs_no_second_look() {
    // An object without errors has none when it replaces itself.
    let mut dice = Dice(0x5eed_0003);
    for _ in 0..1000 {
        let schema = schema(&mut dice, 3);
        let Ok(compiled) = Schema::compile(&schema) else {
            continue;
        };
        let object = value(&mut dice, 3);
        let has_transition = schema.to_string().contains("oldSelf");
        if !has_transition && compiled.validate(&object, None).is_empty() {
            assert_eq!(
                compiled.validate(&object, Some(&object)),
                [],
                "{schema} {object}"
            );
        }
    }
}
