//! Pruning, defaulting, and what server-side apply gets to see.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use skerry_custom::{ROOT, Schema};
use skerry_schema::{ListKind, Shape};

fn compiled(schema: Value) -> Schema {
    Schema::compile(&schema).unwrap()
}

fn pruned(schema: Value, mut object: Value) -> (Value, Vec<String>) {
    let unknown = compiled(schema).prune(&mut object).unwrap();
    (object, unknown)
}

fn defaulted(schema: Value, mut object: Value) -> Value {
    compiled(schema).default(&mut object);
    object
}

#[test]
fn unknown_fields_go_and_are_named() {
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "a": {"type": "string"},
        "l": {"type": "array", "items": {"type": "object", "properties": {"b": {"type": "string"}}}},
        "m": {"type": "object", "additionalProperties": {"type": "object", "properties": {"c": {"type": "string"}}}},
    }}}});
    let object = json!({"apiVersion": "e/v1", "kind": "K", "metadata": {"name": "n"}, "other": 1,
        "spec": {"a": "", "x": 1, "l": [{"b": ""}, {"y": 1}], "m": {"k": {"z": 1}}}});
    let (object, unknown) = pruned(schema, object);
    assert_eq!(
        object,
        json!({"apiVersion": "e/v1", "kind": "K", "metadata": {"name": "n"},
            "spec": {"a": "", "l": [{"b": ""}, {}], "m": {"k": {}}}})
    );
    assert_eq!(unknown, ["other", "spec.l[1].y", "spec.m.k.z", "spec.x"]);
}

#[test]
fn what_is_preserved_is_pruned_where_it_is_known() {
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {
        "spec": {"type": "object", "properties": {"a": {"type": "string"}}}}});
    let (object, unknown) = pruned(schema, json!({"x": {"y": 1}, "spec": {"a": "", "b": 1}}));
    assert_eq!(object, json!({"x": {"y": 1}, "spec": {"a": ""}}));
    assert_eq!(unknown, ["spec.b"]);
    let (object, unknown) = pruned(Value::Null, json!({"x": {"y": 1}}));
    assert_eq!((object, unknown.len()), (json!({"x": {"y": 1}}), 0));
}

#[test]
fn metadata_is_brought_into_shape() {
    let schema = json!({"type": "object", "properties": {"e": {"type": "object",
        "x-kubernetes-embedded-resource": true, "properties": {"spec": {"type": "object"}}}}});
    let object = json!({"metadata": {"name": "n", "creationTimestamp": null, "labels": {}, "colour": 1},
        "e": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "x": {}}, "y": 1}});
    let (object, unknown) = pruned(schema.clone(), object);
    assert_eq!(
        object,
        json!({"metadata": {"name": "n"}, "e": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}})
    );
    assert_eq!(unknown, ["metadata.colour", "e.y", "e.metadata.x"]);
    let mut bad = json!({"e": {"metadata": {"labels": {"a": 1}, "name": "p"}}});
    let error = compiled(schema.clone()).prune(&mut bad).unwrap_err();
    assert_eq!(error.field, "e.metadata");
    compiled(schema).prune_stored(&mut bad);
    assert_eq!(bad, json!({"e": {"metadata": {"name": "p"}}}));
}

#[test]
fn defaults_are_filled_in_also_within_defaults() {
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "default": {}, "properties": {
        "a": {"type": "integer", "default": 5},
        "o": {"type": "object", "properties": {"b": {"type": "string", "default": "x"}}},
        "l": {"type": "array", "items": {"type": "object", "properties": {"c": {"type": "boolean", "default": true}}}},
    }}}});
    assert_eq!(
        defaulted(schema.clone(), json!({})),
        json!({"spec": {"a": 5}})
    );
    assert_eq!(
        defaulted(
            schema,
            json!({"spec": {"a": 1, "o": {}, "l": [{}, {"c": false}]}})
        ),
        json!({"spec": {"a": 1, "o": {"b": "x"}, "l": [{"c": true}, {"c": false}]}})
    );
}

#[test]
fn nulls_stay_where_they_may_and_give_way_elsewhere() {
    let field = |nullable: bool, default: bool| {
        let mut schema = json!({"type": "string", "nullable": nullable});
        if default {
            schema["default"] = json!("d");
        }
        schema
    };
    let schema = json!({"type": "object", "properties": {
        "a": field(false, false), "b": field(true, false), "c": field(false, true), "d": field(true, true)}});
    let (object, _) = pruned(
        schema.clone(),
        json!({"a": null, "b": null, "c": null, "d": null}),
    );
    assert_eq!(object, json!({"b": null, "c": null, "d": null}));
    assert_eq!(
        defaulted(schema, object),
        json!({"b": null, "c": "d", "d": null})
    );
}

#[test]
fn server_side_apply_sees_lists_and_maps() {
    let schema = compiled(
        json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                "items": {"type": "object", "properties": {"k": {"type": "string", "default": "d"}}}},
            "list": {"type": "array", "items": {"type": "integer"}},
            "atomic": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"a": {"type": "string"}}},
            "any": {"x-kubernetes-preserve-unknown-fields": true},
            "is": {"x-kubernetes-int-or-string": true},
            "names": {"type": "object", "additionalProperties": {"type": "string"}},
        }}}}),
    );
    let types = schema.types();
    let root = types.definition(ROOT).unwrap();
    assert!(
        root.field("metadata")
            .unwrap()
            .of
            .field("ownerReferences")
            .is_some()
    );
    let spec = root.field("spec").unwrap().of;
    let list = |name: &str| match spec.field(name).unwrap().of.shape() {
        Shape::List(list) => list,
        _ => panic!("{name} is a list"),
    };
    assert!(matches!(list("set").kind, ListKind::Set));
    assert!(matches!(list("list").kind, ListKind::Atomic));
    let ListKind::Map(keys) = list("map").kind else {
        panic!("a map")
    };
    assert_eq!(keys.iter().collect::<Vec<_>>(), ["k"]);
    assert_eq!(
        list("map").element.field("k").unwrap().default,
        Some("\"d\"")
    );
    assert!(matches!(spec.field("atomic").unwrap().of.shape(), Shape::Object(o) if o.atomic));
    assert!(matches!(spec.field("any").unwrap().of.shape(), Shape::Any));
    assert!(matches!(
        spec.field("is").unwrap().of.shape(),
        Shape::IntOrString
    ));
    assert!(matches!(spec.field("names").unwrap().of.shape(), Shape::Map(m) if !m.atomic));
}

#[test]
fn a_big_schema_is_small_in_memory() {
    let leaf = |i: usize| json!({"type": "string", "description": "d".repeat(100), "maxLength": i});
    let fields: serde_json::Map<String, Value> = (0..2000)
        .map(|i| (format!("field{i}"), leaf(i % 7)))
        .collect();
    let schema =
        json!({"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}});
    let bytes = schema.to_string().len();
    let compiled = compiled(schema);
    assert!(bytes > 250_000);
    assert!(
        compiled.heap_bytes() < bytes / 6,
        "{} of {bytes}",
        compiled.heap_bytes()
    );
}

#[test]
fn schemas_beyond_the_limits_are_refused() {
    let mut schema = json!({"type": "string"});
    for _ in 0..200 {
        schema = json!({"type": "array", "items": schema});
    }
    let error = Schema::compile(&schema).unwrap_err();
    assert_eq!(error.text, "schema is nested too deeply");
}
