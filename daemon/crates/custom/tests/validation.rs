//! What a schema says of an object, keyword by keyword, in upstream's words.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use skerry_custom::Schema;

fn texts(schema: Value, object: Value) -> Vec<String> {
    let schema = Schema::compile(&schema).unwrap();
    let errors = schema.validate(&object, None);
    errors.iter().map(ToString::to_string).collect()
}

/// The errors of `value` as field `x` that has this schema.
fn of(schema: Value, value: Value) -> Vec<String> {
    let schema = json!({"type": "object", "properties": {"x": schema}});
    texts(schema, json!({ "x": value }))
}

#[track_caller]
fn wrong(schema: Value, value: Value, text: &str) {
    assert_eq!(of(schema, value), [text]);
}

#[track_caller]
fn good(schema: Value, value: Value) {
    assert_eq!(of(schema, value), Vec::<String>::new());
}

#[test]
fn a_value_has_the_type_that_is_asked_for() {
    for (kind, value, found) in [
        ("integer", json!("a"), "string"),
        ("integer", json!(true), "boolean"),
        ("string", json!(1), "integer"),
        ("string", json!({}), "object"),
        ("object", json!([]), "array"),
        ("array", json!({}), "object"),
        ("boolean", json!("true"), "string"),
        ("number", json!("1"), "string"),
        ("string", json!(null), "null"),
    ] {
        let text =
            format!("x: Invalid value: \"{found}\": x in body must be of type {kind}: \"{found}\"");
        let schema = match kind {
            "array" => json!({"type": kind, "items": {"type": "string"}}),
            kind => json!({ "type": kind }),
        };
        wrong(schema, value, &text);
    }
    good(json!({"type": "integer"}), json!(5.0));
    good(json!({"type": "number"}), json!(5));
    good(json!({"type": "string", "nullable": true}), json!(null));
    good(
        json!({"x-kubernetes-preserve-unknown-fields": true}),
        json!(null),
    );
    assert_eq!(
        of(json!({"type": "integer"}), json!(1.5)),
        [
            "x: Invalid value: \"number\": x in body must be of type integer: \"number\"",
            "<nil>: Invalid value: \"\": Checked value must be of type integer (default format) in x",
        ]
    );
}

#[test]
fn an_int_or_string_is_either() {
    let schema = json!({"x-kubernetes-int-or-string": true});
    good(schema.clone(), json!(1));
    good(schema.clone(), json!("a"));
    wrong(
        schema,
        json!(true),
        "x: Invalid value: \"boolean\": x in body must be of type integer,string: \"boolean\"",
    );
}

#[test]
fn numbers_have_bounds() {
    let int = |more: Value| {
        let mut schema = json!({"type": "integer"});
        schema
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        schema
    };
    wrong(
        int(json!({"minimum": 1})),
        json!(0),
        "x: Invalid value: 0: x in body should be greater than or equal to 1",
    );
    wrong(
        int(json!({"minimum": 1, "exclusiveMinimum": true})),
        json!(1),
        "x: Invalid value: 1: x in body should be greater than 1",
    );
    wrong(
        int(json!({"maximum": 5})),
        json!(6),
        "x: Invalid value: 6: x in body should be less than or equal to 5",
    );
    wrong(
        int(json!({"maximum": 5, "exclusiveMaximum": true})),
        json!(5),
        "x: Invalid value: 5: x in body should be less than 5",
    );
    wrong(
        int(json!({"multipleOf": 3})),
        json!(4),
        "x: Invalid value: 4: x in body should be a multiple of 3",
    );
    wrong(
        json!({"type": "number", "maximum": 1.5}),
        json!(2.5),
        "x: Invalid value: 2.5: x in body should be less than or equal to 1.5",
    );
    wrong(
        json!({"type": "number", "multipleOf": 0.5}),
        json!(0.75),
        "x: Invalid value: 0.75: x in body should be a multiple of 0.5",
    );
    good(json!({"type": "number", "multipleOf": 0.01}), json!(0.07));
    wrong(
        json!({"type": "integer", "format": "int32"}),
        json!(4_294_967_296_i64),
        "<nil>: Invalid value: \"\": Checked value must be of type integer with format int32 in x",
    );
    good(
        json!({"type": "integer", "format": "int64"}),
        json!(4_294_967_296_i64),
    );
}

#[test]
fn texts_have_lengths_patterns_and_formats() {
    wrong(
        json!({"type": "string", "maxLength": 2}),
        json!("äöü"),
        "x: Too long: may not be more than 2 bytes",
    );
    good(json!({"type": "string", "maxLength": 3}), json!("äöü"));
    wrong(
        json!({"type": "string", "minLength": 2}),
        json!("a"),
        "x: Invalid value: \"a\": x in body should be at least 2 chars long",
    );
    wrong(
        json!({"type": "string", "pattern": "^a+$"}),
        json!("b"),
        "x: Invalid value: \"b\": x in body should match '^a+$'",
    );
    wrong(
        json!({"type": "string", "format": "ipv4"}),
        json!("b"),
        "x: Invalid value: \"b\": x in body must be of type ipv4: \"b\"",
    );
    good(json!({"type": "string", "format": "unheard"}), json!("b"));
}

#[test]
fn a_value_is_one_of_those_listed() {
    wrong(
        json!({"type": "string", "enum": ["a", "b"]}),
        json!("c"),
        "x: Unsupported value: \"c\": supported values: \"a\", \"b\"",
    );
    wrong(
        json!({"type": "integer", "enum": [1, 2]}),
        json!(3),
        "x: Unsupported value: 3: supported values: \"1\", \"2\"",
    );
    good(json!({"type": "number", "enum": [1]}), json!(1.0));
}

#[test]
fn objects_and_lists_have_sizes() {
    let map = |more: &str, bound: u64| json!({"type": "object", "additionalProperties": {"type": "string"}, more: bound});
    wrong(
        map("maxProperties", 1),
        json!({"a": "", "b": ""}),
        "x: Too many: 2: must have at most 1 item",
    );
    wrong(
        map("minProperties", 1),
        json!({}),
        "x: Invalid value: 0: x in body should have at least 1 properties",
    );
    let list = |more: &str, bound: Value| json!({"type": "array", "items": {"type": "string"}, more: bound});
    wrong(
        list("maxItems", json!(1)),
        json!(["a", "b"]),
        "x: Too many: 2: must have at most 1 item",
    );
    wrong(
        list("minItems", json!(2)),
        json!(["a"]),
        "x: Invalid value: 1: x in body should have at least 2 items",
    );
    wrong(
        list("uniqueItems", json!(true)),
        json!(["a", "a"]),
        "x: Invalid value: \"\": x in body shouldn't contain duplicates",
    );
}

#[test]
fn what_is_required_is_missed_by_its_full_path() {
    let schema = json!({"type": "object", "required": ["x"], "properties": {
        "x": {"type": "string"},
        "y": {"type": "object", "required": ["z"], "properties": {"z": {"type": "string"}}},
    }});
    assert_eq!(
        texts(schema, json!({"y": {}})),
        ["y.z: Required value", "x: Required value"]
    );
}

#[test]
fn paths_go_through_lists_and_maps() {
    let schema = json!({"type": "object", "properties": {"l": {"type": "array", "items": {
        "type": "object", "additionalProperties": {"type": "integer"},
    }}}});
    assert_eq!(
        texts(schema, json!({"l": [{"a": 1}, {"b.c": "x"}]})),
        [
            "l[1].b.c: Invalid value: \"string\": l[1].b.c in body must be of type integer: \"string\""
        ]
    );
}

#[test]
fn branches_are_told_apart_as_upstream_does() {
    let schema = json!({"type": "string", "anyOf": [{"maxLength": 1}, {"pattern": "^b"}]});
    good(schema.clone(), json!("a"));
    good(schema.clone(), json!("bcd"));
    assert_eq!(
        of(schema, json!("cd")),
        [
            "<nil>: Invalid value: \"\": \"x\" must validate at least one schema (anyOf)",
            "x: Too long: may not be more than 1 byte",
        ]
    );
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}]});
    good(schema.clone(), json!({"a": ""}));
    assert_eq!(
        of(schema.clone(), json!({"a": "", "b": ""})),
        [
            "<nil>: Invalid value: \"\": \"x\" must validate one and only one schema (oneOf). Found 2 valid alternatives"
        ]
    );
    assert_eq!(
        of(schema, json!({})),
        [
            "<nil>: Invalid value: \"\": \"x\" must validate one and only one schema (oneOf). Found none valid",
            "x.a: Required value",
        ]
    );
    let schema = json!({"type": "integer", "allOf": [{"minimum": 1}, {"maximum": 5}]});
    assert_eq!(
        of(schema, json!(6)),
        [
            "x: Invalid value: 6: x in body should be less than or equal to 5",
            "<nil>: Invalid value: \"\": \"x\" must validate all the schemas (allOf)",
        ]
    );
    wrong(
        json!({"type": "integer", "not": {"minimum": 1}}),
        json!(6),
        "<nil>: Invalid value: \"\": \"x\" must not validate the schema (not)",
    );
}

#[test]
fn sets_and_maps_hold_everything_once() {
    let set =
        json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}});
    wrong(
        set,
        json!(["a", "b", "a", "a"]),
        "x[2]: Duplicate value: \"a\"",
    );
    let map = json!({"type": "array", "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name", "port"], "items": {"type": "object", "properties": {
            "name": {"type": "string"}, "port": {"type": "integer"}}}});
    wrong(
        map,
        json!([{"name": "a", "port": 1}, {"name": "a", "port": 2}, {"name": "a", "port": 1}]),
        "x[2]: Duplicate value: {\"name\":\"a\",\"port\":1}",
    );
}

#[test]
fn embedded_resources_are_resources() {
    let schema = json!({"type": "object", "x-kubernetes-embedded-resource": true,
        "x-kubernetes-preserve-unknown-fields": true});
    good(
        schema.clone(),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}),
    );
    assert_eq!(
        of(
            schema.clone(),
            json!({"kind": "", "metadata": {"labels": {"a": "-"}}})
        ),
        [
            "x.apiVersion: Required value",
            "x.kind: Invalid value: \"\": must not be empty",
            "x.metadata.labels: Invalid value: \"-\": a valid label must be an empty string or \
             consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
             alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for \
             validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ]
    );
    assert_eq!(
        of(schema, json!({"apiVersion": "a/b/c", "kind": "Pod"})),
        ["x.apiVersion: Invalid value: \"a/b/c\": unexpected GroupVersion string: a/b/c"]
    );
}

fn updated(schema: Value, new: Value, old: Value) -> Vec<String> {
    let schema = json!({"type": "object", "properties": {"spec": schema}});
    let schema = Schema::compile(&schema).unwrap();
    let errors = schema.validate(&json!({ "spec": new }), Some(&json!({ "spec": old })));
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn what_was_wrong_may_stay_as_it_is() {
    let schema = json!({"type": "object", "required": ["r"], "properties": {
        "a": {"type": "integer", "maximum": 5}, "b": {"type": "string"}, "r": {"type": "string"}}});
    let old = json!({"a": 9, "r": ""});
    assert_eq!(
        updated(
            schema.clone(),
            json!({"a": 9, "b": "new", "r": ""}),
            old.clone()
        ),
        [""; 0]
    );
    assert_eq!(
        updated(schema.clone(), json!({"a": 8, "r": ""}), old),
        ["spec.a: Invalid value: 8: spec.a in body should be less than or equal to 5"]
    );
    // The object as a whole has not changed, so that it misses a field is let be.
    assert_eq!(
        updated(schema.clone(), json!({"b": ""}), json!({"b": ""})),
        [""; 0]
    );
    assert_eq!(
        updated(schema, json!({"b": "x"}), json!({"b": ""})),
        ["spec.r: Required value"]
    );
}

#[test]
fn elements_of_maps_are_known_by_their_keys_and_those_of_other_lists_not_at_all() {
    let items = json!({"type": "object", "properties": {
        "name": {"type": "string"}, "n": {"type": "integer", "maximum": 5}}});
    let map = json!({"type": "object", "properties": {"l": {"type": "array", "items": items,
        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}}});
    let old = json!({"l": [{"name": "a", "n": 9}, {"name": "b", "n": 1}]});
    let new = json!({"l": [{"name": "b", "n": 1}, {"name": "c", "n": 2}, {"name": "a", "n": 9}]});
    assert_eq!(updated(map, new.clone(), old.clone()), [""; 0]);
    let list = json!({"type": "object", "properties": {"l": {"type": "array", "items": items}}});
    assert_eq!(updated(list.clone(), old.clone(), old.clone()), [""; 0]);
    assert_eq!(
        updated(list, new, old),
        ["spec.l[2].n: Invalid value: 9: spec.l[2].n in body should be less than or equal to 5"]
    );
}

#[test]
fn a_set_that_had_twins_may_keep_them() {
    let set =
        json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}});
    assert_eq!(
        updated(set.clone(), json!(["a", "a", "b"]), json!(["a", "a"])),
        [""; 0]
    );
    assert_eq!(
        updated(set, json!(["a", "a"]), json!(["a"])),
        ["spec[1]: Duplicate value: \"a\""]
    );
}

#[test]
fn a_status_is_checked_by_itself() {
    let schema = json!({"type": "object", "required": ["spec"], "properties": {
        "spec": {"type": "object"},
        "status": {"type": "object", "properties": {"n": {"type": "integer"}}}}});
    let schema = Schema::compile(&schema).unwrap();
    let errors = schema.validate_status(&json!({"status": {"n": "x"}}), &json!({}));
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        ["status.n: Invalid value: \"string\": n in body must be of type integer: \"string\""]
    );
}

#[test]
fn a_check_ends_whatever_it_is_asked() {
    let branches: Vec<Value> = (0..100).map(|i| json!({"maximum": i})).collect();
    let schema = json!({"type": "object", "properties": {"l": {"type": "array",
        "items": {"type": "integer", "allOf": branches}}}});
    let schema = Schema::compile(&schema).unwrap();
    let errors = schema.validate(&json!({"l": vec![0; 25_000]}), None);
    assert!(
        errors
            .iter()
            .any(|error| error.detail.contains("too many steps"))
    );
}
