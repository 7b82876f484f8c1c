//! Server-side apply and lists: sets, lists by key, order, duplicates.

mod stage;

use serde_json::{Value, json};
use stage::Stage;

#[test]
fn a_merged_list_keeps_its_order_until_the_configuration_has_another() {
    // What is there, what is applied, what comes out.
    let cases = [
        (
            json!(["p", "q", "r"]),
            json!(["p", "q"]),
            json!(["p", "q", "r"]),
        ),
        (
            json!(["p", "q"]),
            json!(["p", "q", "r"]),
            json!(["p", "q", "r"]),
        ),
        (json!(["p", "q", "r"]), json!([]), json!(["p", "q", "r"])),
        (json!([]), json!(["p", "q"]), json!(["p", "q"])),
        (json!(["p", "q"]), json!(["q", "p"]), json!(["q", "p"])),
        (
            json!(["p", "q"]),
            json!(["x", "y"]),
            json!(["p", "q", "x", "y"]),
        ),
        (
            json!(["p", "q", "r"]),
            json!(["r", "x"]),
            json!(["p", "q", "r", "x"]),
        ),
        (
            json!(["r", "s", "t", "u"]),
            json!(["p", "r", "t"]),
            json!(["p", "r", "s", "t", "u"]),
        ),
        (
            json!(["p", "q", "r", "x", "y"]),
            json!(["s", "t", "x", "y"]),
            json!(["p", "q", "r", "s", "t", "x", "y"]),
        ),
        (
            json!(["p", "q", "r", "s"]),
            json!(["s", "t", "p"]),
            json!(["q", "r", "s", "t", "p"]),
        ),
        // What is there twice is there once when it is applied, else it stays.
        (
            json!(["p", "q", "q"]),
            json!(["x"]),
            json!(["p", "q", "q", "x"]),
        ),
        (json!(["p", "q", "q"]), json!(["q"]), json!(["p", "q"])),
        (json!(["p", "q", "q"]), json!(["p"]), json!(["p", "q", "q"])),
        (
            json!(["p", "p", "q", "q"]),
            json!(["q", "r"]),
            json!(["p", "p", "q", "r"]),
        ),
    ];
    for (live, applied, expected) in cases {
        let mut stage = Stage::new();
        stage.update("u", json!({ "set": live }));
        stage.force("a", json!({ "set": applied }));
        assert_eq!(stage.spec(), json!({ "set": expected }), "{live} {applied}");
        // By key it is the same.
        let by_key = |items: &Value| -> Value {
            let items = items.as_array().unwrap().iter();
            items.map(|name| json!({ "name": name })).collect()
        };
        let mut stage = Stage::new();
        stage.update("u", json!({ "items": by_key(&live) }));
        stage.force("a", json!({ "items": by_key(&applied) }));
        assert_eq!(
            stage.spec(),
            json!({ "items": by_key(&expected) }),
            "{live} {applied}"
        );
    }
}

#[test]
fn an_element_of_a_set_goes_with_its_last_applier() {
    let mut stage = Stage::new();
    stage
        .apply("a", json!({"set": ["x", "y", "z"]}))
        .update("u", json!({"set": ["x", "y", "z", "w"]}))
        .apply("b", json!({"set": ["z"]}))
        .apply("a", json!({"set": ["x"]}))
        .expect(
            json!({"set": ["x", "z", "w"]}),
            &[
                ("a+", json!({"f:set": {"v:\"x\"": {}}})),
                ("b+", json!({"f:set": {"v:\"z\"": {}}})),
                ("u", json!({"f:set": {"v:\"w\"": {}}})),
            ],
        );
    // All of it given up, what others own stays.
    stage.apply("a", json!({"number": 1})).expect(
        json!({"set": ["z", "w"], "number": 1}),
        &[
            ("a+", json!({"f:number": {}})),
            ("b+", json!({"f:set": {"v:\"z\"": {}}})),
            ("u", json!({"f:set": {"v:\"w\"": {}}})),
        ],
    );
}

#[test]
fn an_element_by_key_is_owned_with_its_key_and_each_of_its_fields() {
    let mut stage = Stage::new();
    stage
        .apply("a", json!({"items": [{"name": "x", "value": "1"}, {"name": "y"}]}))
        .apply("b", json!({"items": [{"name": "x", "number": 5}, {"name": "z"}]}))
        .expect(
            json!({"items": [{"name": "x", "value": "1", "number": 5}, {"name": "y"}, {"name": "z"}]}),
            &[
                (
                    "a+",
                    json!({"f:items": {
                        "k:{\"name\":\"x\"}": {".": {}, "f:name": {}, "f:value": {}},
                        "k:{\"name\":\"y\"}": {".": {}, "f:name": {}},
                    }}),
                ),
                (
                    "b+",
                    json!({"f:items": {
                        "k:{\"name\":\"x\"}": {".": {}, "f:name": {}, "f:number": {}},
                        "k:{\"name\":\"z\"}": {".": {}, "f:name": {}},
                    }}),
                ),
            ],
        );
    // Shared, the element stays, but for what was its former applier's alone.
    stage.apply("a", json!({"items": [{"name": "y"}]})).expect(
        json!({"items": [{"name": "x", "number": 5}, {"name": "y"}, {"name": "z"}]}),
        &[
            (
                "a+",
                json!({"f:items": {"k:{\"name\":\"y\"}": {".": {}, "f:name": {}}}}),
            ),
            (
                "b+",
                json!({"f:items": {
                    "k:{\"name\":\"x\"}": {".": {}, "f:name": {}, "f:number": {}},
                    "k:{\"name\":\"z\"}": {".": {}, "f:name": {}},
                }}),
            ),
        ],
    );
    assert_eq!(
        stage.conflicts("a", json!({"items": [{"name": "x", "number": 6}]})),
        ["b .spec.items[name=\"x\"].number"]
    );
}

#[test]
fn an_element_given_up_takes_with_it_what_nobody_else_applied() {
    let mut stage = Stage::new();
    stage
        .apply(
            "a",
            json!({"items": [{"name": "x"}, {"name": "y", "tags": ["p"]}]}),
        )
        .update(
            "u",
            json!({"items": [{"name": "x"}, {"name": "y", "tags": ["p", "q"], "number": 1}]}),
        )
        .apply("a", json!({"items": [{"name": "x"}]}))
        .expect(
            json!({"items": [{"name": "x"}]}),
            &[(
                "a+",
                json!({"f:items": {"k:{\"name\":\"x\"}": {".": {}, "f:name": {}}}}),
            )],
        );
    // An applier that has the element keeps it, and with it what the updater put there.
    let mut stage = Stage::new();
    stage
        .apply("a", json!({"items": [{"name": "y", "tags": ["p"]}]}))
        .apply("b", json!({"items": [{"name": "y", "tags": ["r"]}]}))
        .update(
            "u",
            json!({"items": [{"name": "y", "tags": ["p", "r", "q"]}]}),
        )
        .apply("a", json!({"number": 1}));
    assert_eq!(
        stage.spec(),
        json!({"items": [{"name": "y", "tags": ["r", "q"]}], "number": 1})
    );
}

#[test]
fn lists_in_lists_are_followed() {
    let mut stage = Stage::new();
    stage
        .apply("a", json!({"items": [{"name": "x", "nested": [{"name": "y", "value": "1"}, {"name": "z"}]}]}))
        .apply("a", json!({"items": [{"name": "x", "nested": [{"name": "z", "value": "2"}]}]}))
        .expect(
            json!({"items": [{"name": "x", "nested": [{"name": "z", "value": "2"}]}]}),
            &[(
                "a+",
                json!({"f:items": {"k:{\"name\":\"x\"}": {
                    ".": {},
                    "f:name": {},
                    "f:nested": {"k:{\"name\":\"z\"}": {".": {}, "f:name": {}, "f:value": {}}},
                }}}),
            )],
        );
}

#[test]
fn a_key_that_is_missing_has_its_default() {
    let mut stage = Stage::new();
    let tcp = "k:{\"port\":80,\"protocol\":\"TCP\"}";
    let udp = "k:{\"port\":80,\"protocol\":\"UDP\"}";
    stage
        .apply(
            "a",
            json!({"ports": [{"port": 80}, {"port": 80, "protocol": "UDP"}]}),
        )
        .expect(
            json!({"ports": [{"port": 80}, {"port": 80, "protocol": "UDP"}]}),
            &[(
                "a+",
                json!({"f:ports": {
                    tcp: {".": {}, "f:port": {}},
                    udp: {".": {}, "f:port": {}, "f:protocol": {}},
                }}),
            )],
        );
    stage.apply(
        "b",
        json!({"ports": [{"port": 80, "protocol": "TCP", "name": "web"}]}),
    );
    assert_eq!(
        stage.conflicts("a", json!({"ports": [{"port": 80, "name": "other"}]})),
        ["b .spec.ports[port=80,protocol=\"TCP\"].name"]
    );
    assert_eq!(stage.spec()["ports"].as_array().unwrap().len(), 2);
    // Only some of the keys: another element.
    let mut stage = Stage::new();
    stage.apply("a", json!({"ports": [{"name": "x"}]})).expect(
        json!({"ports": [{"name": "x"}]}),
        &[(
            "a+",
            json!({"f:ports": {"k:{\"protocol\":\"TCP\"}": {".": {}, "f:name": {}}}}),
        )],
    );
}

#[test]
fn an_atomic_list_has_one_owner() {
    let mut stage = Stage::new();
    stage.apply("a", json!({"atomicList": ["x", "y"]}));
    assert_eq!(
        stage.conflicts("b", json!({"atomicList": ["x"]})),
        ["a .spec.atomicList"]
    );
    stage.force("b", json!({"atomicList": ["z"]})).expect(
        json!({"atomicList": ["z"]}),
        &[("b+", json!({"f:atomicList": {}}))],
    );
    stage.apply("b", json!({"atomicList": []})).expect(
        json!({"atomicList": []}),
        &[("b+", json!({"f:atomicList": {}}))],
    );
}

#[test]
fn what_is_there_twice_is_owned_once_and_as_a_whole() {
    let twice = json!([{"name": "x", "value": "1"}, {"name": "x", "value": "2"}, {"name": "y"}]);
    let y = json!({".": {}, "f:name": {}});
    let mut stage = Stage::new();
    stage.update("u", json!({ "items": twice })).expect(
        json!({ "items": twice }),
        &[(
            "u",
            json!({"f:items": {".": {}, "k:{\"name\":\"x\"}": {}, "k:{\"name\":\"y\"}": y}}),
        )],
    );
    // A change in either moves both.
    let changed = json!([{"name": "x", "value": "1"}, {"name": "x", "value": "3"}, {"name": "y"}]);
    stage.update("v", json!({ "items": changed })).expect(
        json!({ "items": changed }),
        &[
            ("u", json!({"f:items": {".": {}, "k:{\"name\":\"y\"}": y}})),
            ("v", json!({"f:items": {"k:{\"name\":\"x\"}": {}}})),
        ],
    );
    assert_eq!(
        stage.conflicts("a", json!({"items": [{"name": "x", "value": "3"}]})),
        ["v .spec.items[name=\"x\"]"]
    );
    stage.force("a", json!({"items": [{"name": "x", "value": "3"}]})).expect(
        json!({"items": [{"name": "x", "value": "3"}, {"name": "y"}]}),
        &[
            ("a+", json!({"f:items": {"k:{\"name\":\"x\"}": {".": {}, "f:name": {}, "f:value": {}}}})),
            ("u", json!({"f:items": {".": {}, "k:{\"name\":\"y\"}": y}})),
        ],
    );
    // Made double again, it is whole again.
    stage.update("v", json!({ "items": changed })).expect(
        json!({ "items": changed }),
        &[
            ("u", json!({"f:items": {".": {}, "k:{\"name\":\"y\"}": y}})),
            ("v", json!({"f:items": {"k:{\"name\":\"x\"}": {}}})),
        ],
    );
    // What is applied elsewhere leaves the double alone.
    stage.apply("b", json!({"items": [{"name": "z"}]}));
    let mut with_z = changed.as_array().unwrap().clone();
    with_z.push(json!({"name": "z"}));
    assert_eq!(stage.spec(), json!({ "items": with_z }));
}

#[test]
fn sets_of_numbers_tell_one_from_two_and_not_from_one_point_zero() {
    let mut stage = Stage::new();
    stage
        .apply("a", json!({"numbers": [1, 2]}))
        .apply("b", json!({"numbers": [1.0, 3]}));
    let numbers = stage.spec()["numbers"].as_array().unwrap().len();
    assert_eq!(numbers, 3);
    assert_eq!(
        stage.owners()["b+"],
        json!({"f:numbers": {"v:1": {}, "v:3": {}}})
    );
}
