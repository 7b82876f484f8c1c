//! Strategic merge patches, by cases.

use serde_json::{Value, json};
use skerry_merge::{Fault, strategic};
use skerry_schema::{Builder, FieldSpec, Format, Types};

/// A pod of sorts.
fn types() -> Types {
    let mut builder = Builder::default();
    let text = builder.string(Format::Plain);
    let number = builder.integer(Format::Int64);
    let any = builder.any();
    let texts = builder.map(text, false);
    let free = builder.map(any, false);
    let names = builder.atomic_list(text);
    let port = builder.object(
        &[
            FieldSpec::optional("containerPort", number),
            FieldSpec::optional("protocol", text),
            FieldSpec::optional("name", text),
        ],
        false,
        false,
    );
    let ports = builder.map_list(port, &["containerPort", "protocol"]);
    let variable = builder.object(
        &[
            FieldSpec::optional("name", text),
            FieldSpec::optional("value", text),
        ],
        false,
        false,
    );
    let variables = builder.map_list(variable, &["name"]);
    let container = builder.object(
        &[
            FieldSpec::optional("name", text),
            FieldSpec::optional("image", text),
            FieldSpec::optional("args", names),
            FieldSpec {
                patch_strategy: "merge",
                merge_key: Some("containerPort"),
                ..FieldSpec::optional("ports", ports)
            },
            FieldSpec {
                patch_strategy: "merge",
                merge_key: Some("name"),
                ..FieldSpec::optional("env", variables)
            },
        ],
        false,
        false,
    );
    let containers = builder.map_list(container, &["name"]);
    let strategy = builder.object(
        &[
            FieldSpec::optional("type", text),
            FieldSpec::optional("rollingUpdate", texts),
        ],
        false,
        false,
    );
    let source = builder.object(
        &[
            FieldSpec::optional("name", text),
            FieldSpec::optional("hostPath", texts),
            FieldSpec::optional("emptyDir", texts),
        ],
        false,
        false,
    );
    let volumes = builder.map_list(source, &["name"]);
    let objects = builder.atomic_list(variable);
    let spec = builder.object(
        &[
            FieldSpec {
                patch_strategy: "merge",
                merge_key: Some("name"),
                ..FieldSpec::optional("containers", containers)
            },
            FieldSpec {
                patch_strategy: "merge,retainKeys",
                merge_key: Some("name"),
                ..FieldSpec::optional("volumes", volumes)
            },
            FieldSpec {
                patch_strategy: "retainKeys",
                ..FieldSpec::optional("strategy", strategy)
            },
            FieldSpec {
                patch_strategy: "replace",
                ..FieldSpec::optional("whole", strategy)
            },
            FieldSpec::optional("nodeSelector", texts),
            FieldSpec::optional("free", free),
            FieldSpec::optional("objects", objects),
            FieldSpec {
                patch_strategy: "merge",
                ..FieldSpec::optional("keyless", objects)
            },
        ],
        false,
        false,
    );
    let metadata = builder.object(
        &[
            FieldSpec {
                patch_strategy: "merge",
                ..FieldSpec::optional("finalizers", names)
            },
            FieldSpec::optional("labels", texts),
        ],
        false,
        false,
    );
    let root = builder.object(
        &[
            FieldSpec::optional("metadata", metadata),
            FieldSpec::optional("spec", spec),
            FieldSpec::optional("any", any),
        ],
        false,
        false,
    );
    builder.define("io.example.v1.Thing", root);
    builder.finish()
}

fn patched(object: &Value, patch: &Value) -> Result<Value, String> {
    let types = types();
    let of = types
        .definition("io.example.v1.Thing")
        .expect("defined above");
    strategic(object, patch, of).map_err(|error| error.to_string())
}

fn spec(spec: Value) -> Value {
    json!({ "spec": spec })
}

#[test]
fn maps_merge_and_null_takes_away() {
    let object = json!({"metadata": {"labels": {"a": "1", "b": "2"}}});
    let patch = json!({"metadata": {"labels": {"a": null, "c": "3", "d": null}}});
    let expected = json!({"metadata": {"labels": {"b": "2", "c": "3"}}});
    assert_eq!(patched(&object, &patch), Ok(expected));
}

#[test]
fn lists_with_a_merge_key_merge_and_others_are_replaced() {
    let cases = [
        // What the patch names comes first where the server has it first.
        (
            json!({"containers": [{"name": "a", "image": "1", "args": ["x"]}, {"name": "b"}]}),
            json!({"containers": [{"name": "a", "image": "2"}]}),
            json!({"containers": [{"name": "a", "image": "2", "args": ["x"]}, {"name": "b"}]}),
        ),
        // What is new goes to the front where nothing shows its place.
        (
            json!({"containers": [{"name": "a"}, {"name": "b"}]}),
            json!({"containers": [{"name": "c"}]}),
            json!({"containers": [{"name": "c"}, {"name": "a"}, {"name": "b"}]}),
        ),
        // The patch's order is kept, and what only the server has is woven in.
        (
            json!({"containers": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}),
            json!({"containers": [{"name": "c"}, {"name": "a"}]}),
            json!({"containers": [{"name": "b"}, {"name": "c"}, {"name": "a"}]}),
        ),
        // Lists in lists.
        (
            json!({"containers": [{"name": "a", "ports": [{"containerPort": 80, "name": "web"}]}]}),
            json!({"containers": [{"name": "a", "ports": [{"containerPort": 443}, {"containerPort": 80, "protocol": "TCP"}]}]}),
            json!({"containers": [{"name": "a", "ports": [
                {"containerPort": 443}, {"containerPort": 80, "name": "web", "protocol": "TCP"},
            ]}]}),
        ),
        (
            json!({"containers": [{"name": "a", "args": ["x", "y"]}]}),
            json!({"containers": [{"name": "a", "args": ["z"]}]}),
            json!({"containers": [{"name": "a", "args": ["z"]}]}),
        ),
        // The same element twice in the patch: both have their say.
        (
            json!({"containers": []}),
            json!({"containers": [{"name": "a", "image": "1"}, {"name": "a", "args": []}]}),
            json!({"containers": [{"name": "a", "image": "1", "args": []}]}),
        ),
    ];
    for (object, patch, expected) in cases {
        assert_eq!(
            patched(&spec(object.clone()), &spec(patch.clone())),
            Ok(spec(expected)),
            "{object} {patch}"
        );
    }
}

#[test]
fn directives_delete_and_replace() {
    let cases = [
        (
            json!({"containers": [{"name": "a"}, {"name": "b"}, {"name": "a", "image": "2"}]}),
            json!({"containers": [{"name": "a", "$patch": "delete"}]}),
            json!({"containers": [{"name": "b"}]}),
        ),
        (
            json!({"containers": [{"name": "a"}, {"name": "b"}]}),
            json!({"containers": [{"name": "c"}, {"$patch": "replace"}]}),
            json!({"containers": [{"name": "c"}]}),
        ),
        (
            json!({"strategy": {"type": "x", "rollingUpdate": {"a": "b"}}}),
            json!({"strategy": {"$patch": "replace", "type": "y"}}),
            json!({"strategy": {"type": "y"}}),
        ),
        (
            json!({"strategy": {"type": "x"}}),
            json!({"strategy": {"$patch": "delete"}}),
            json!({"strategy": {}}),
        ),
        // Nothing to delete from: neither the directive nor what carries it stays.
        (
            json!({}),
            json!({"strategy": {"$patch": "delete"}, "containers": [{"name": "a", "$patch": "delete"}, {"name": "b"}]}),
            json!({"containers": [{"name": "b"}]}),
        ),
        (
            json!({"whole": {"type": "x", "rollingUpdate": {}}}),
            json!({"whole": {"type": "y"}}),
            json!({"whole": {"type": "y"}}),
        ),
        (
            json!({"strategy": {"type": "x", "rollingUpdate": {"a": "b"}}}),
            json!({"strategy": {"$retainKeys": ["type"], "type": "y"}}),
            json!({"strategy": {"type": "y"}}),
        ),
        (
            json!({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}),
            json!({"volumes": [{"name": "v", "$retainKeys": ["name", "emptyDir"], "emptyDir": {}}]}),
            json!({"volumes": [{"name": "v", "emptyDir": {}}]}),
        ),
    ];
    for (object, patch, expected) in cases {
        assert_eq!(
            patched(&spec(object.clone()), &spec(patch.clone())),
            Ok(spec(expected)),
            "{object} {patch}"
        );
    }
}

#[test]
fn lists_of_scalars_merge_as_sets_and_lose_what_a_parallel_list_names() {
    let object = json!({"metadata": {"finalizers": ["a", "b", "c"]}});
    let cases = [
        (
            json!({"finalizers": ["d", "b"]}),
            json!(["d", "a", "b", "c"]),
        ),
        (
            json!({"$deleteFromPrimitiveList/finalizers": ["b", "x"]}),
            json!(["a", "c"]),
        ),
        (
            json!({"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["d"]}),
            json!(["d", "b", "c"]),
        ),
        (
            json!({"$setElementOrder/finalizers": ["c", "b", "a"]}),
            json!(["c", "b", "a"]),
        ),
        (
            json!({"$setElementOrder/finalizers": ["c", "d", "a"], "finalizers": ["d"]}),
            json!(["b", "c", "d", "a"]),
        ),
    ];
    for (patch, expected) in cases {
        let patched = patched(&object, &json!({"metadata": patch})).unwrap();
        assert_eq!(patched["metadata"]["finalizers"], expected, "{patch}");
    }
}

#[test]
fn the_order_of_elements_can_be_set() {
    let object = json!({"containers": [{"name": "a"}, {"name": "b"}, {"name": "s"}]});
    let cases = [
        (
            json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}),
            json!({"containers": [{"name": "b"}, {"name": "a"}, {"name": "s"}]}),
        ),
        (
            json!({
                "$setElementOrder/containers": [{"name": "n"}, {"name": "b"}, {"name": "a"}],
                "containers": [{"name": "n"}, {"name": "a", "image": "2"}],
            }),
            json!({"containers": [
                {"name": "n"}, {"name": "b"}, {"name": "a", "image": "2"}, {"name": "s"},
            ]}),
        ),
        (
            json!({
                "$setElementOrder/containers": [{"name": "b"}],
                "containers": [{"name": "a", "$patch": "delete"}],
            }),
            json!({"containers": [{"name": "b"}, {"name": "s"}]}),
        ),
        // What is new has the place of what is deleted.
        (
            json!({
                "$setElementOrder/containers": [{"name": "n"}],
                "containers": [{"name": "b", "$patch": "delete"}, {"name": "n"}],
            }),
            json!({"containers": [{"name": "a"}, {"name": "s"}, {"name": "n"}]}),
        ),
    ];
    for (patch, expected) in cases {
        assert_eq!(
            patched(&spec(object.clone()), &spec(patch.clone())),
            Ok(spec(expected)),
            "{patch}"
        );
    }
    // Neither the object nor the patch has the list.
    let patch = json!({"$setElementOrder/containers": [{"name": "b"}]});
    assert_eq!(patched(&spec(json!({})), &spec(patch)), Ok(spec(json!({}))));
}

#[test]
fn what_fits_neither_type_nor_object_is_refused_in_upstreams_words() {
    let object = json!({
        "metadata": {"finalizers": ["a"], "labels": {"a": "b"}},
        "spec": {
            "containers": [{"name": "a"}],
            "strategy": {"type": "x"},
            "keyless": [{"name": "a"}],
            "unknown": {},
            "nodeSelector": {"a": {}},
        },
    });
    let cases = [
        (
            json!({"spec": {"containers": [{"image": "x"}]}}),
            "map: map[image:x] does not contain declared merge key: name",
            Fault::Internal,
        ),
        (
            json!({"spec": {"containers": [{"image": "x", "$patch": "delete"}]}}),
            "map: map[$patch:delete image:x] does not contain declared merge key: name",
            Fault::Internal,
        ),
        (
            json!({"spec": {"containers": [{"name": "x", "$patch": "frob"}]}}),
            "unknown patch type: frob in map: map[$patch:frob name:x]",
            Fault::Internal,
        ),
        (
            json!({"spec": {"containers": [{"$patch": "merge"}]}}),
            "merging lists cannot yet be specified in the patch",
            Fault::Internal,
        ),
        (
            json!({"spec": {"strategy": {"$patch": "merge"}}}),
            "unknown patch type: merge in map: map[$patch:merge]",
            Fault::Internal,
        ),
        (
            json!({"spec": {"strategy": {"$retainKeys": ["type"], "rollingUpdate": {}}}}),
            "invalid patch format of retainKeys",
            Fault::BadRequest,
        ),
        (
            json!({"spec": {"strategy": {"$retainKeys": "type"}}}),
            "invalid patch format of retainKeys",
            Fault::BadRequest,
        ),
        (
            json!({"metadata": {"$deleteFromPrimitiveList": ["a"]}}),
            "invalid patch format of primitive list",
            Fault::BadRequest,
        ),
        (
            json!({"metadata": {"$setElementOrder": ["a"]}}),
            "invalid patch format of setElementOrder list",
            Fault::BadRequest,
        ),
        (
            json!({"metadata": {"$setElementOrder/finalizers": "a"}}),
            "expected a []interface {}, but received a string",
            Fault::Internal,
        ),
        (
            json!({"spec": {"containers": [{"name": "b"}], "$setElementOrder/containers": [{"name": "a"}]}}),
            "The order in patch list:\n[map[name:b]]\n doesn't match $setElementOrder list:\n[map[name:a]]\n",
            Fault::Internal,
        ),
        (
            json!({"spec": {"containers": [{"name": "a"}, {"$patch": "replace"}], "$setElementOrder/containers": [{"name": "a"}]}}),
            "The order in patch list:\n[map[name:a] map[$patch:replace]]\n doesn't match $setElementOrder list:\n[map[name:a]]\n",
            Fault::Internal,
        ),
        (
            json!({"metadata": {"finalizers": [["a"]]}}),
            "list element types are not identical: [[a] [[a]]]",
            Fault::Internal,
        ),
        (
            json!({"spec": {"keyless": [{"name": "b"}]}}),
            "cannot merge lists without merge key for struct",
            Fault::Internal,
        ),
        (
            json!({"spec": {"unknown": {}}}),
            "unable to find api field in struct  for the json field \"unknown\"",
            Fault::Internal,
        ),
        (
            json!({"spec": {"nodeSelector": {"a": {}}}}),
            "merging an object in json but data type is not struct, instead is: map",
            Fault::Internal,
        ),
        (
            json!([]),
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
            Fault::BadRequest,
        ),
    ];
    let types = types();
    let of = types.definition("io.example.v1.Thing").unwrap();
    for (patch, text, fault) in cases {
        let error = strategic(&object, &patch, of).unwrap_err();
        assert_eq!(error.to_string(), text, "{patch}");
        assert_eq!(error.fault(), fault, "{patch}");
    }
    let object = json!({"metadata": {"finalizers": [["a"]]}});
    let patch = json!({"metadata": {"finalizers": [["a"]]}});
    let error = strategic(&object, &patch, of).unwrap_err();
    assert_eq!(error.to_string(), "lists of lists are not supported");
    assert_eq!(error.fault(), Fault::Unprocessable);
    let object = json!({"none": {}});
    assert_eq!(
        patched(&object, &object).unwrap_err(),
        "unable to find api field in struct Thing for the json field \"none\""
    );
}

#[test]
fn what_no_type_describes_is_merged_and_its_lists_are_replaced() {
    let object = json!({"any": {"a": {"b": [1], "c": 1}}, "spec": {"free": {"x": 1}}});
    let patch = json!({"any": {"a": {"b": [2], "c": null}}, "spec": {"free": {"y": 2}}});
    let expected = json!({"any": {"a": {"b": [2]}}, "spec": {"free": {"x": 1, "y": 2}}});
    assert_eq!(patched(&object, &patch), Ok(expected));
}

#[test]
fn a_list_where_the_object_has_a_map_is_taken_as_it_is() {
    let object = json!({"spec": "text", "metadata": []});
    let patch = json!({"spec": {"containers": [{"name": "a", "image": null}]}, "metadata": {}});
    let expected = json!({"spec": {"containers": [{"name": "a"}]}, "metadata": {}});
    assert_eq!(patched(&object, &patch), Ok(expected));
}
