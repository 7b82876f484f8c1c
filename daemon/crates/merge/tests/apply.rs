//! Server-side apply: who owns what after a write, and what goes.

mod stage;

use serde_json::json;
use skerry_merge::apply::{ApplyError, keep_times};
use skerry_merge::fields::Set;
use stage::{Stage, config};

#[test]
fn an_applier_owns_what_it_applies_and_what_it_gives_up_goes() {
    let mut stage = Stage::new();
    stage.apply("a", json!({"text": "x", "number": 1})).expect(
        json!({"text": "x", "number": 1}),
        &[("a+", json!({"f:text": {}, "f:number": {}}))],
    );
    stage
        .apply("a", json!({"text": "y"}))
        .expect(json!({"text": "y"}), &[("a+", json!({"f:text": {}}))]);
}

#[test]
fn the_first_write_is_told_in_full() {
    let mut stage = Stage::new();
    stage.try_apply("a", &config(json!({"text": "x"}))).unwrap();
    assert_eq!(
        stage.object()["metadata"]["managedFields"],
        json!([{
            "manager": "a",
            "operation": "Apply",
            "apiVersion": "v1",
            "time": "2024-01-01T00:00:01Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"f:text": {}}},
        }])
    );
}

#[test]
fn an_updater_owns_what_it_changes_and_maps_that_it_makes() {
    let mut stage = Stage::new();
    stage
        .update("u", json!({"text": "x", "map": {"a": "1"}}))
        .expect(
            json!({"text": "x", "map": {"a": "1"}}),
            &[("u", json!({"f:text": {}, "f:map": {".": {}, "f:a": {}}}))],
        );
    stage
        .update("v", json!({"text": "y", "map": {"a": "1"}}))
        .expect(
            json!({"text": "y", "map": {"a": "1"}}),
            &[
                ("u", json!({"f:map": {".": {}, "f:a": {}}})),
                ("v", json!({"f:text": {}})),
            ],
        );
    // What an updater takes away is nobody's.
    stage
        .update("v", json!({"text": "y"}))
        .expect(json!({"text": "y"}), &[("v", json!({"f:text": {}}))]);
}

#[test]
fn a_field_of_somebody_else_is_a_conflict_unless_the_value_is_the_same() {
    let mut stage = Stage::new();
    stage.apply("a", json!({"text": "x"}));
    assert_eq!(stage.conflicts("b", json!({"text": "y"})), ["a .spec.text"]);
    stage.apply("b", json!({"text": "x"})).expect(
        json!({"text": "x"}),
        &[("a+", json!({"f:text": {}})), ("b+", json!({"f:text": {}}))],
    );
    // Owned by two, it stays when one of them gives it up.
    stage.apply("a", json!({"number": 1})).expect(
        json!({"text": "x", "number": 1}),
        &[
            ("a+", json!({"f:number": {}})),
            ("b+", json!({"f:text": {}})),
        ],
    );
    stage
        .force("a", json!({"text": "z"}))
        .expect(json!({"text": "z"}), &[("a+", json!({"f:text": {}}))]);
}

#[test]
fn conflicts_are_told_in_upstreams_words() {
    let mut stage = Stage::new();
    stage.update("kubectl", json!({"text": "x", "map": {"a": "1"}}));
    let error = stage
        .try_apply("b", &config(json!({"text": "y"})))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 1 conflict: conflict with \"kubectl\" using v1: .spec.text"
    );
    stage.apply("c", json!({"number": 1}));
    let error = stage
        .try_apply(
            "b",
            &config(json!({"text": "y", "map": {"a": "2"}, "number": 2})),
        )
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 3 conflicts: conflicts with \"c\":\n- .spec.number\nconflicts with \"kubectl\" using v1:\n- .spec.text\n- .spec.map.a"
    );
    let ApplyError::Conflicts(conflicts) = error else {
        panic!("{error}");
    };
    assert_eq!(conflicts.0[0].message(), "conflict with \"c\"");
    assert_eq!(conflicts.0[0].path.to_string(), ".spec.number");
    assert_eq!(
        conflicts.0[1].message(),
        "conflict with \"kubectl\" using v1"
    );
}

#[test]
fn what_an_updater_changes_an_applier_loses() {
    let mut stage = Stage::new();
    stage.apply("a", json!({"text": "x", "number": 1}));
    stage.update("u", json!({"text": "y", "number": 1})).expect(
        json!({"text": "y", "number": 1}),
        &[
            ("a+", json!({"f:number": {}})),
            ("u", json!({"f:text": {}})),
        ],
    );
    assert_eq!(
        stage.conflicts("a", json!({"text": "x", "number": 1})),
        ["u .spec.text"]
    );
    // Not owned any more, it is not taken away either. An empty map is owned itself.
    stage.apply("a", json!({})).expect(
        json!({"text": "y"}),
        &[("a+", json!({})), ("u", json!({"f:text": {}}))],
    );
}

#[test]
fn what_the_endpoint_resets_is_owned_by_nobody_through_it() {
    let mut stage = Stage::new();
    stage.resets = Set::of_names(&[&["status"]]);
    let mut object = config(json!({"text": "x"}));
    object["status"] = json!({"phase": "up"});
    stage.try_apply("a", &object).unwrap();
    assert_eq!(
        stage.object()["metadata"]["managedFields"][0]["fieldsV1"],
        json!({"f:spec": {"f:text": {}}})
    );
    stage.resets = Set::of_names(&[&["spec"]]);
    stage.subresource = "status";
    let mut object = stage.object().clone();
    object["status"] = json!({"phase": "down"});
    stage.update_to("a", object);
    let entries = &stage.object()["metadata"]["managedFields"];
    assert_eq!(entries[1]["subresource"], "status");
    assert_eq!(entries[1]["fieldsV1"], json!({"f:status": {"f:phase": {}}}));
    stage.subresource = "";
    stage.resets = Set::default();
    let mut object = config(json!({"text": "x"}));
    object["status"] = json!({"phase": "x"});
    let error = stage.try_apply("b", &object).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 1 conflict: conflict with \"a\" with subresource \"status\" using v1: .status.phase"
    );
}

#[test]
fn an_object_that_nobody_kept_track_of_is_owned_by_whoever_came_before() {
    let mut stage = Stage::new();
    stage.live = Some(config(json!({"text": "x", "number": 1})));
    stage.apply("a", json!({"text": "x"})).expect(
        json!({"text": "x", "number": 1}),
        &[
            ("a+", json!({"f:text": {}})),
            ("before-first-apply", json!({"f:text": {}, "f:number": {}})),
        ],
    );
}

#[test]
fn without_owners_an_update_keeps_track_of_none() {
    let mut stage = Stage::new();
    stage.update("u", json!({"text": "x"}));
    for reset in [json!([]), json!([{}])] {
        let mut object = stage.object().clone();
        object["metadata"]["managedFields"] = reset;
        stage.update_to("u", object);
        assert!(stage.owners().is_empty());
        stage.update("u", json!({"text": "z"}));
        assert!(stage.owners().is_empty());
    }
}

#[test]
fn owners_that_are_sent_count_and_those_that_are_not_stay() {
    let mut stage = Stage::new();
    stage.update("u", json!({"text": "x"}));
    // A client that knows nothing of owners.
    stage.update_to("v", config(json!({"text": "x", "number": 1})));
    assert_eq!(stage.owners().len(), 2);
    let mut object = stage.object().clone();
    object["metadata"]["managedFields"] = json!([{
        "manager": "m", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:text": {}}},
    }]);
    stage.update_to("v", object);
    assert_eq!(
        stage.owners(),
        [("m+".to_owned(), json!({"f:text": {}}))].into()
    );
    // What cannot be read is as if it had not been sent.
    let mut object = stage.object().clone();
    object["metadata"]["managedFields"] = json!([{"manager": "m"}, 5]);
    stage.update_to("v", object);
    assert_eq!(stage.owners().len(), 1);
}

#[test]
fn a_configuration_that_is_not_of_its_type_is_refused_with_its_path() {
    let cases = [
        (
            json!({"none": 1}),
            ".spec.none: field not declared in schema",
        ),
        (
            json!({"text": 5}),
            ".spec.text: expected string, got &value.valueUnstructured{Value:5}",
        ),
        (
            json!({"number": "x"}),
            ".spec.number: expected numeric (int or float), got string",
        ),
        (
            json!({"truth": "x"}),
            ".spec.truth: expected boolean, got &{x}",
        ),
        (
            json!({"map": [1, "x"]}),
            ".spec.map: expected map, got &{[1 x]}",
        ),
        (
            json!({"set": {"a": 1}}),
            ".spec.set: expected list, got &{map[a:1]}",
        ),
        (
            json!({"set": ["a", "a"]}),
            ".spec.set: duplicate entries for key [=\"a\"]",
        ),
        (
            json!({"set": [null]}),
            ".spec.set: element 0: associative list without keys has an element that's an explicit null",
        ),
        (
            json!({"items": [{"name": "x"}, {"name": "x"}]}),
            ".spec.items: duplicate entries for key [name=\"x\"]",
        ),
        (
            json!({"items": [{"value": "x"}]}),
            ".spec.items: element 0: associative list with keys has an element that omits all key fields [\"name\"] (and doesn't have default values for any key fields)",
        ),
        (
            json!({"ports": [{"port": 80}, {"port": 80, "protocol": "TCP"}]}),
            ".spec.ports: duplicate entries for key [port=80,protocol=\"TCP\"]",
        ),
        (
            json!({"text": 5, "number": "x"}),
            "errors:\n  .spec.number: expected numeric (int or float), got string\n  .spec.text: expected string, got &value.valueUnstructured{Value:5}",
        ),
    ];
    for (spec, text) in cases {
        let error = Stage::new()
            .try_apply("a", &config(spec.clone()))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("failed to create typed patch object (/thing; /v1, Kind=Thing): {text}"),
            "{spec}"
        );
    }
    let mut other = config(json!({}));
    other["kind"] = json!("Other");
    other["apiVersion"] = json!("apps/v1");
    let error = Stage::new().try_apply("a", &other).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid object type: apps/v1, Kind=Other"
    );
    let mut own = config(json!({}));
    own["metadata"]["managedFields"] = json!([]);
    let error = Stage::new().try_apply("a", &own).unwrap_err();
    assert_eq!(error.to_string(), "metadata.managedFields must be nil");
}

#[test]
fn a_configuration_full_of_faults_is_told_a_hundred() {
    let items = vec![json!(1); 1_000];
    let error = Stage::new()
        .try_apply("a", &config(json!({ "atomicList": items })))
        .unwrap_err();
    let ApplyError::Config(_, invalid) = error else {
        panic!("{error}");
    };
    assert_eq!(invalid.0.len(), skerry_merge::limits::INVALID_FAULTS_MAX);
    assert_eq!(invalid.0[99].0, ".spec.atomicList[99]");
}

#[test]
fn kubectl_takes_over_what_it_applied_from_the_clients_side() {
    let applied = config(json!({"text": "x", "number": 1}));
    let mut stage = Stage::new();
    let mut object = applied.clone();
    object["metadata"]["annotations"] = json!({
        "kubectl.kubernetes.io/last-applied-configuration": applied.to_string(),
    });
    stage.update_to("kubectl-client-side-apply", object);
    assert_eq!(
        stage.conflicts("other", json!({"text": "y", "number": 1})),
        ["kubectl-client-side-apply .spec.text"]
    );
    stage.apply("kubectl", json!({"text": "y", "number": 1}));
    assert_eq!(stage.spec(), json!({"text": "y", "number": 1}));
    let annotation = &stage.object()["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"];
    let expected = format!("{}\n", config(json!({"text": "y", "number": 1})));
    assert_eq!(annotation, &json!(expected));
    // What somebody else changed since is still in the way.
    stage.update("u", json!({"text": "z", "number": 1}));
    assert_eq!(
        stage.conflicts("kubectl", json!({"text": "y", "number": 2})),
        ["u .spec.text"]
    );
}

#[test]
fn a_last_applied_annotation_that_is_too_long_is_left_out() {
    let mut stage = Stage::new();
    let mut object = config(json!({"text": "x"}));
    object["metadata"]["annotations"] =
        json!({"kubectl.kubernetes.io/last-applied-configuration": "{}"});
    stage.update_to("u", object);
    let text = "x".repeat(skerry_merge::limits::ANNOTATIONS_BYTES_MAX);
    stage.force("kubectl", json!({ "text": text }));
    assert_eq!(stage.object()["metadata"]["annotations"], json!({}));
}

#[test]
fn no_more_than_ten_updaters_are_told_apart() {
    let mut stage = Stage::new();
    stage.apply("a", json!({"number": 1}));
    let mut map = serde_json::Map::new();
    for place in 0..15 {
        map.insert(format!("k{place}"), json!("x"));
        stage.update(&format!("u{place:02}"), json!({"number": 1, "map": map}));
    }
    let owners = stage.owners();
    assert_eq!(owners.len(), 11);
    assert_eq!(owners["a+"], json!({"f:number": {}}));
    assert_eq!(
        owners["ancient-changes"],
        json!({"f:map": {
            ".": {}, "f:k0": {}, "f:k1": {}, "f:k2": {}, "f:k3": {}, "f:k4": {}, "f:k5": {},
        }})
    );
    assert_eq!(owners["u06"], json!({"f:map": {"f:k6": {}}}));
    let entries = stage.object()["metadata"]["managedFields"]
        .as_array()
        .unwrap();
    let ancient = entries
        .iter()
        .find(|entry| entry["manager"] == "ancient-changes")
        .unwrap();
    assert_eq!(ancient["time"], "2024-01-01T00:00:07Z");
    assert_eq!(entries[0]["manager"], "a");
}

#[test]
fn an_apply_that_changes_nothing_moves_no_time() {
    let mut stage = Stage::new();
    stage.apply("a", json!({"text": "x"}));
    let before = stage.object().clone();
    stage.apply("a", json!({"text": "x"}));
    assert_eq!(stage.object(), &before);
    // Whoever applies what is there already has not changed anything at any time.
    stage.apply("b", json!({"text": "x"}));
    let entries = &stage.object()["metadata"]["managedFields"];
    assert_eq!(entries[0]["manager"], "b");
    assert_eq!(entries[0].get("time"), None);
}

#[test]
fn a_write_that_moves_nothing_but_times_is_none() {
    let mut stage = Stage::new();
    stage.update("u", json!({"text": "x"}));
    let before = stage.object().clone();
    let mut later = before.clone();
    later["metadata"]["managedFields"][0]["time"] = json!("2025-01-01T00:00:00Z");
    let mut changed = later.clone();
    keep_times(&mut later, &before);
    assert_eq!(later, before);
    changed["spec"]["text"] = json!("y");
    let kept = changed.clone();
    keep_times(&mut changed, &before);
    assert_eq!(changed, kept);
}

#[test]
fn what_says_which_object_it_is_is_nobodys() {
    let mut stage = Stage::new();
    let mut object = config(json!({}));
    object["metadata"]["labels"] = json!({"a": "1"});
    object["metadata"]["resourceVersion"] = json!("5");
    object["metadata"]["generation"] = json!(5);
    object["metadata"]["creationTimestamp"] = json!(null);
    stage.try_apply("a", &object).unwrap();
    stage.live = None;
    let fields = |stage: &Stage| stage.object()["metadata"]["managedFields"][0]["fieldsV1"].clone();
    stage.try_apply("a", &object).unwrap();
    assert_eq!(
        fields(&stage),
        json!({"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": {}})
    );
    stage.live = None;
    stage.update_to("a", object);
    assert_eq!(
        fields(&stage),
        json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}}}})
    );
}
