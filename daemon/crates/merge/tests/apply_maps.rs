//! Server-side apply and maps: nested, atomic, free, null, and types that change.

mod stage;

use serde_json::json;
use skerry_merge::apply::{Write, apply, update};
use skerry_merge::fields::Set;
use skerry_merge::without_nulls;
use skerry_schema::{Builder, FieldSpec, Format, Types};
use stage::{Stage, config};

#[test]
fn a_key_of_a_map_goes_with_its_last_applier() {
    let mut stage = Stage::new();
    stage
        .apply("a", json!({"map": {"x": "1", "y": "1"}}))
        .apply("b", json!({"map": {"y": "1", "z": "1"}}))
        .apply("a", json!({"map": {"x": "2"}}))
        .expect(
            json!({"map": {"x": "2", "y": "1", "z": "1"}}),
            &[
                ("a+", json!({"f:map": {"f:x": {}}})),
                ("b+", json!({"f:map": {"f:y": {}, "f:z": {}}})),
            ],
        );
    stage.apply("b", json!({"number": 1}));
    stage.apply("a", json!({"number": 1})).expect(
        json!({"number": 1}),
        &[
            ("a+", json!({"f:number": {}})),
            ("b+", json!({"f:number": {}})),
        ],
    );
}

#[test]
fn maps_in_maps_are_followed_and_their_keys_owned() {
    let mut stage = Stage::new();
    stage
        .apply("a", json!({"maps": {"x": {"a": "1", "b": "1"}}}))
        .expect(
            json!({"maps": {"x": {"a": "1", "b": "1"}}}),
            &[(
                "a+",
                json!({"f:maps": {"f:x": {".": {}, "f:a": {}, "f:b": {}}}}),
            )],
        );
    stage.apply("a", json!({"maps": {"y": {"a": "2"}}})).expect(
        json!({"maps": {"y": {"a": "2"}}}),
        &[("a+", json!({"f:maps": {"f:y": {".": {}, "f:a": {}}}}))],
    );
}

#[test]
fn an_object_stays_while_somebody_owns_a_field_in_it() {
    let mut stage = Stage::new();
    stage
        .apply("a", json!({"pair": {"a": "1"}}))
        .update("u", json!({"pair": {"a": "1", "b": "1"}}))
        .apply("a", json!({"number": 1}))
        .expect(
            json!({"pair": {"b": "1"}, "number": 1}),
            &[
                ("a+", json!({"f:number": {}})),
                ("u", json!({"f:pair": {"f:b": {}}})),
            ],
        );
}

#[test]
fn an_object_that_is_applied_empty_loses_its_fields_and_stays() {
    let mut stage = Stage::new();
    stage
        .apply("a", json!({"pair": {"a": "1"}}))
        .apply("a", json!({"pair": {}}))
        .expect(json!({"pair": {}}), &[("a+", json!({"f:pair": {}}))]);
    // So it does where others have something in it.
    let mut stage = Stage::new();
    stage
        .apply("a", json!({"pair": {"a": "1"}}))
        .update("u", json!({"pair": {"a": "1", "b": "1"}}))
        .apply("a", json!({"pair": {}}));
    assert_eq!(stage.spec(), json!({"pair": {"b": "1"}}));
}

#[test]
fn null_and_empty_are_told_apart_and_null_takes_nothing_from_others() {
    let mut stage = Stage::new();
    stage
        .apply("a", json!({"map": null, "atomicList": null, "text": null}))
        .expect(
            json!({"map": null, "atomicList": null, "text": null}),
            &[("a+", json!({"f:map": {}, "f:atomicList": {}, "f:text": {}}))],
        );
    stage.apply("a", json!({"map": {}, "atomicList": [], "text": ""}));
    assert_eq!(
        stage.spec(),
        json!({"map": {}, "atomicList": [], "text": ""})
    );
    let mut stage = Stage::new();
    stage
        .update("u", json!({"map": {"x": "1"}}))
        .apply("a", json!({"map": null}));
    assert_eq!(stage.spec(), json!({"map": {"x": "1"}}));
    assert_eq!(
        stage.conflicts("a", json!({"map": {"x": null}})),
        ["u .spec.map.x"]
    );
}

#[test]
fn an_atomic_map_or_object_has_one_owner() {
    for field in ["atomicMap", "whole"] {
        let mut stage = Stage::new();
        stage.apply("a", json!({ field: {"a": "1"} }));
        assert_eq!(
            stage.conflicts("b", json!({ field: {"b": "1"} })),
            [format!("a .spec.{field}")]
        );
        let owned = format!("f:{field}");
        stage.force("b", json!({ field: {"b": "1"} })).expect(
            json!({ field: {"b": "1"} }),
            &[("b+", json!({ &owned: {} }))],
        );
        stage
            .update("u", json!({ field: {"b": "1", "a": "1"} }))
            .expect(
                json!({ field: {"b": "1", "a": "1"} }),
                &[("u", json!({ owned: {} }))],
            );
    }
}

#[test]
fn what_no_type_describes_is_owned_key_by_key_and_lists_as_a_whole() {
    let mut stage = Stage::new();
    stage
        .apply("a", json!({"any": {"x": {"y": 1}, "l": [1, {"z": 2}]}, "free": {"known": "k", "other": {"o": true}}}))
        .expect(
            json!({"any": {"x": {"y": 1}, "l": [1, {"z": 2}]}, "free": {"known": "k", "other": {"o": true}}}),
            &[(
                "a+",
                json!({
                    "f:any": {"f:l": {}, "f:x": {".": {}, "f:y": {}}},
                    "f:free": {"f:known": {}, "f:other": {".": {}, "f:o": {}}},
                }),
            )],
        );
    assert_eq!(
        stage.conflicts("b", json!({"any": {"x": {"y": 2, "z": 1}, "l": [1]}})),
        ["a .spec.any.l", "a .spec.any.x.y"]
    );
    // What a value is may change.
    stage
        .apply("a", json!({"any": {"x": [1]}, "free": {"known": "k"}}))
        .expect(
            json!({"any": {"x": [1]}, "free": {"known": "k"}}),
            &[(
                "a+",
                json!({"f:any": {"f:x": {}}, "f:free": {"f:known": {}}}),
            )],
        );
    stage
        .apply("a", json!({"any": "text"}))
        .expect(json!({"any": "text"}), &[("a+", json!({"f:any": {}}))]);
    stage.update("u", json!({"any": {"k": null}})).expect(
        json!({"any": {"k": null}}),
        &[("u", json!({"f:any": {".": {}, "f:k": {}}}))],
    );
}

#[test]
fn nulls_go_as_upstreams_own_kinds_lose_them() {
    let types = stage::types();
    let object = config(json!({
        "text": null,
        "map": {"a": null, "b": "1"},
        "any": {"x": null},
        "items": [{"name": "x", "value": null}, null],
        "pair": null,
        "number": [null],
    }));
    let expected = config(json!({
        "map": {"a": "", "b": "1"},
        "any": {"x": null},
        "items": [{"name": "x"}, {}],
        "number": [null],
    }));
    assert_eq!(without_nulls(object, stage::thing(&types)), expected);
}

#[test]
fn an_object_of_any_kind_within_another_is_owned_as_a_whole() {
    let mut builder = Builder::default();
    let text = builder.string(Format::Plain);
    let any = builder.any();
    let bare = builder.object(&[], false, false);
    builder.define("io.k8s.apimachinery.pkg.runtime.RawExtension", bare);
    let raw = builder.definition("io.k8s.apimachinery.pkg.runtime.RawExtension");
    let metadata = builder.map(any, false);
    let root = builder.object(
        &[
            FieldSpec::optional("apiVersion", text),
            FieldSpec::optional("kind", text),
            FieldSpec::optional("metadata", metadata),
            FieldSpec::optional("data", raw),
        ],
        false,
        false,
    );
    builder.define("Revision", root);
    let types = builder.finish();
    let none = Set::default();
    let write = Write {
        manager: "u",
        of: types.definition("Revision").unwrap(),
        api_version: "v1",
        kind: "Revision",
        subresource: "",
        time: "2024-01-01T00:00:00Z",
        resets: &none,
        built_in: true,
    };
    let object = json!({"metadata": {"name": "x"}, "data": {"spec": {"a": 1}}});
    let object = update(None, object, &write);
    assert_eq!(
        object["metadata"]["managedFields"][0]["fieldsV1"],
        json!({"f:data": {}})
    );
}

/// The same field, granular or atomic.
fn types(atomic: bool) -> Types {
    let mut builder = Builder::default();
    let text = builder.string(Format::Plain);
    let any = builder.any();
    let map = builder.map(text, atomic);
    let set = if atomic {
        builder.atomic_list(text)
    } else {
        builder.set(text)
    };
    let spec = builder.object(
        &[
            FieldSpec::optional("map", map),
            FieldSpec::optional("list", set),
        ],
        false,
        false,
    );
    let metadata = builder.map(any, false);
    let root = builder.object(
        &[
            FieldSpec::optional("apiVersion", text),
            FieldSpec::optional("kind", text),
            FieldSpec::optional("metadata", metadata),
            FieldSpec::optional("spec", spec),
        ],
        false,
        false,
    );
    builder.define("Thing", root);
    builder.finish()
}

#[test]
fn what_became_atomic_since_is_owned_as_a_whole_and_what_became_granular_is_found_out() {
    let none = Set::default();
    let (granular, atomic) = (types(false), types(true));
    let write = |types| Write {
        manager: "a",
        of: Types::definition(types, "Thing").unwrap(),
        api_version: "v1",
        kind: "Thing",
        subresource: "",
        time: "2024-01-01T00:00:00Z",
        resets: &none,
        built_in: false,
    };
    let fields = |object: &serde_json::Value| {
        object["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"].clone()
    };
    let first = config(json!({"map": {"x": "1"}, "list": ["p"]}));
    let second = config(json!({"map": {"y": "1"}, "list": ["q"]}));
    let live = apply(None, &first, false, &write(&granular)).unwrap();
    // Another applier, so that owners are carried over.
    let other = Write {
        manager: "b",
        ..write(&atomic)
    };
    let error = apply(Some(&live), &second, false, &other).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 2 conflicts: conflicts with \"a\":\n- .spec.list\n- .spec.map"
    );
    let mut changed = live.clone();
    changed["metadata"]["labels"] = json!({"l": "1"});
    let live = update(Some(&live), changed, &other);
    assert_eq!(fields(&live), json!({"f:list": {}, "f:map": {}}));
    let live = apply(Some(&live), &second, false, &write(&atomic)).unwrap();
    assert_eq!(live["spec"], second["spec"]);
    let live = apply(Some(&live), &first, false, &write(&granular)).unwrap();
    assert_eq!(
        fields(&live),
        json!({"f:list": {"v:\"p\"": {}}, "f:map": {"f:x": {}}})
    );
}
