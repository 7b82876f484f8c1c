//! JSON patch as clients of Kubernetes know it.

use serde_json::{Value, json};
use skerry_merge::limits::{
    JSON_PATCH_COPY_BYTES_MAX, JSON_PATCH_OPERATIONS_MAX, NESTING_LEVELS_MAX,
};
use skerry_merge::{Fault, json_patch, unknown_fields};

fn patched(object: &Value, patch: &Value) -> Result<Value, String> {
    json_patch(object, patch.to_string().as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn operations_do_what_rfc_6902_says() {
    let cases = [
        (
            json!({"foo": "bar"}),
            json!([{"op": "add", "path": "/baz", "value": "qux"}]),
            json!({"foo": "bar", "baz": "qux"}),
        ),
        (
            json!({"foo": ["bar", "baz"]}),
            json!([{"op": "add", "path": "/foo/1", "value": "qux"}]),
            json!({"foo": ["bar", "qux", "baz"]}),
        ),
        (
            json!({"foo": ["bar"]}),
            json!([{"op": "add", "path": "/foo/-", "value": ["abc"]}]),
            json!({"foo": ["bar", ["abc"]]}),
        ),
        (
            json!({"baz": "qux", "foo": "bar"}),
            json!([{"op": "remove", "path": "/baz"}]),
            json!({"foo": "bar"}),
        ),
        (
            json!({"foo": ["bar", "qux", "baz"]}),
            json!([{"op": "remove", "path": "/foo/1"}]),
            json!({"foo": ["bar", "baz"]}),
        ),
        (
            json!({"baz": "qux"}),
            json!([{"op": "replace", "path": "/baz", "value": "boo"}]),
            json!({"baz": "boo"}),
        ),
        (
            json!({"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}}),
            json!([{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}]),
            json!({"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}}),
        ),
        (
            json!({"foo": ["all", "grass", "cows", "eat"]}),
            json!([{"op": "move", "from": "/foo/1", "path": "/foo/3"}]),
            json!({"foo": ["all", "cows", "eat", "grass"]}),
        ),
        (
            json!({"a": {"b": 1}}),
            json!([{"op": "copy", "from": "/a", "path": "/c"}]),
            json!({"a": {"b": 1}, "c": {"b": 1}}),
        ),
        (
            json!({"baz": "qux", "foo": ["a", 2, "c"]}),
            json!([
                {"op": "test", "path": "/baz", "value": "qux"},
                {"op": "test", "path": "/foo/1", "value": 2},
                {"op": "test", "path": "/none", "value": null},
                {"op": "test", "path": "/none"},
            ]),
            json!({"baz": "qux", "foo": ["a", 2, "c"]}),
        ),
        (
            json!({"/": 9, "~1": 10}),
            json!([
                {"op": "test", "path": "/~01", "value": 10},
                {"op": "replace", "path": "/~1", "value": 8},
            ]),
            json!({"/": 8, "~1": 10}),
        ),
        (
            json!({"a": 1}),
            json!([{"op": "replace", "path": "", "value": {"b": 2}}]),
            json!({"b": 2}),
        ),
    ];
    for (object, patch, expected) in cases {
        assert_eq!(patched(&object, &patch), Ok(expected), "{object} {patch}");
    }
}

#[test]
fn upstreams_leniencies_are_kept() {
    let cases = [
        // What is not there may be replaced.
        (
            json!({}),
            json!([{"op": "replace", "path": "/a", "value": 1}]),
            json!({"a": 1}),
        ),
        // A negative index counts from the end.
        (
            json!({"a": [1, 2, 3]}),
            json!([{"op": "remove", "path": "/a/-1"}, {"op": "add", "path": "/a/-1", "value": 9}]),
            json!({"a": [1, 2, 9]}),
        ),
        // A value that is missing is null.
        (
            json!({}),
            json!([{"op": "add", "path": "/a"}]),
            json!({"a": null}),
        ),
        // So is one that is copied from nowhere.
        (
            json!({}),
            json!([{"op": "copy", "from": "/x", "path": "/a"}]),
            json!({"a": null}),
        ),
        // No operations at all.
        (json!({"a": 1}), json!(null), json!({"a": 1})),
    ];
    for (object, patch, expected) in cases {
        assert_eq!(patched(&object, &patch), Ok(expected), "{object} {patch}");
    }
}

#[test]
fn an_operation_that_does_not_fit_says_why_in_upstreams_words() {
    let object = json!({"a": {"b": [1, 2]}, "s": "text"});
    let cases = [
        (
            json!({"op": "add", "path": "/x/y", "value": 1}),
            "add operation does not apply: doc is missing path: \"/x/y\": missing value",
        ),
        (
            json!({"op": "add", "path": "", "value": 1}),
            "add operation does not apply: doc is missing path: \"\": missing value",
        ),
        (
            json!({"op": "add", "path": "/s/y", "value": 1}),
            "add operation does not apply: doc is missing path: \"/s/y\": missing value",
        ),
        (
            json!({"op": "add", "path": "/a/b/9", "value": 1}),
            "error in add for path: '/a/b/9': Unable to access invalid index: 9: invalid index referenced",
        ),
        (
            json!({"op": "add", "path": "/a/b/-4", "value": 1}),
            "error in add for path: '/a/b/-4': Unable to access invalid index: -4: invalid index referenced",
        ),
        (
            json!({"op": "add", "path": "/a/b/x", "value": 1}),
            "error in add for path: '/a/b/x': value was not a proper array index: 'x': strconv.Atoi: parsing \"x\": invalid syntax",
        ),
        (
            json!({"op": "add", "value": 1}),
            "add operation failed to decode path: missing value",
        ),
        (
            json!({"op": "remove", "path": "/none"}),
            "error in remove for path: '/none': Unable to remove nonexistent key: none: missing value",
        ),
        (
            json!({"op": "remove", "path": "/x/y"}),
            "remove operation does not apply: doc is missing path: \"/x/y\": missing value",
        ),
        (
            json!({"op": "remove", "path": "/a/b/99999999999999999999"}),
            "error in remove for path: '/a/b/99999999999999999999': strconv.Atoi: parsing \"99999999999999999999\": value out of range",
        ),
        (
            json!({"op": "replace", "path": "/x/y", "value": 1}),
            "replace operation does not apply: doc is missing path: /x/y: missing value",
        ),
        (
            json!({"op": "replace", "path": "/a/b/2", "value": 1}),
            "replace operation does not apply: doc is missing key: /a/b/2: missing value",
        ),
        (
            json!({"op": "replace", "path": 5, "value": 1}),
            "replace operation failed to decode path: json: cannot unmarshal number into Go value of type string",
        ),
        (
            json!({"op": "move", "path": "/x"}),
            "move operation failed to decode from: operation, missing from field: missing value",
        ),
        (
            json!({"op": "move", "from": "/x/y", "path": "/z"}),
            "move operation does not apply: doc is missing from path: /x/y: missing value",
        ),
        (
            json!({"op": "move", "from": "/none", "path": "/z"}),
            "error in move for path: 'none': Unable to remove nonexistent key: none: missing value",
        ),
        (
            json!({"op": "move", "from": "/s", "path": "/x/y"}),
            "move operation does not apply: doc is missing destination path: /x/y: missing value",
        ),
        (
            json!({"op": "move", "from": "/a", "path": "/a/b"}),
            "move operation does not apply: doc is missing destination path: /a/b: missing value",
        ),
        (
            json!({"op": "copy", "from": "/s", "path": "/a/b/7"}),
            "error while adding value during copy: Unable to access invalid index: 7: invalid index referenced",
        ),
        (
            json!({"op": "test", "path": "/s", "value": "other"}),
            "testing value /s failed: test failed",
        ),
        (
            json!({"op": "test", "path": "/x/y", "value": 1}),
            "test operation does not apply: is missing path: /x/y: missing value",
        ),
        (json!({"op": "frob", "path": "/x"}), "Unexpected kind: frob"),
        (json!({"path": "/x"}), "Unexpected kind: unknown"),
        (json!(null), "Unexpected kind: unknown"),
    ];
    for (operation, text) in cases {
        let error = patched(&object, &json!([operation])).unwrap_err();
        assert_eq!(error, text, "{operation}");
    }
    let error = json_patch(&object, br#"[{"op": "frob"}]"#).unwrap_err();
    assert_eq!(error.fault(), Fault::Unprocessable);
}

#[test]
fn what_is_no_json_patch_is_refused() {
    for (patch, text) in [
        (
            "{}",
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ),
        (
            "[5]",
            "error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp",
        ),
    ] {
        let error = json_patch(&json!({}), patch.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), text);
        assert_eq!(error.fault(), Fault::BadRequest);
    }
    assert!(json_patch(&json!({}), b"[{").is_err());
}

#[test]
fn ten_thousand_operations_are_carried_out_and_one_more_is_refused() {
    let operation = json!({"op": "test", "path": "/none"});
    let mut operations = vec![operation.clone(); JSON_PATCH_OPERATIONS_MAX];
    assert_eq!(
        patched(&json!({}), &Value::from(operations.clone())),
        Ok(json!({}))
    );
    operations.push(operation);
    let patch = Value::from(operations).to_string();
    let error = json_patch(&json!({}), patch.as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "The allowed maximum operations in a JSON patch is 10000, got 10001"
    );
    assert_eq!(error.fault(), Fault::TooLarge);
}

#[test]
fn copies_add_up_to_three_mebibytes_at_most() {
    let object = json!({"a": "x".repeat(1 << 20)});
    let copy = json!({"op": "copy", "from": "/a", "path": "/b"});
    let error = patched(&object, &Value::from(vec![copy.clone(); 3])).unwrap_err();
    let size = 3 * ((1 << 20) + 2);
    assert_eq!(
        error,
        format!(
            "Unable to complete the copy, the accumulated size increase of copy is {size}, exceeding the limit {JSON_PATCH_COPY_BYTES_MAX}"
        )
    );
    assert!(patched(&object, &Value::from(vec![copy; 2])).is_ok());
}

#[test]
fn operations_cannot_nest_a_document_without_end() {
    // Each doubles the depth.
    let mut operations = vec![json!({"op": "add", "path": "/a", "value": {}})];
    let mut path = "/a".to_owned();
    for _ in 0..20 {
        operations.push(json!({"op": "copy", "from": "/a", "path": format!("{path}/a")}));
        path = format!("{path}{path}");
        if path.len() > 1_000 {
            break;
        }
    }
    let error = patched(&json!({}), &Value::from(operations)).unwrap_err();
    assert_eq!(
        error,
        format!("copy operation exceeded max depth {NESTING_LEVELS_MAX}")
    );
}

#[test]
fn members_that_no_operation_has_are_named() {
    let patch = json!([{"op": "test", "path": "/a"}, {"op": "test", "path": "/a", "foo": 1}]);
    assert_eq!(
        unknown_fields(patch.to_string().as_bytes()),
        ["json patch unknown field \"[1].foo\""]
    );
}
