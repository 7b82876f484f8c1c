//! What rules say of an object, and of its change.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use skerry_custom::Schema;

fn schema(spec: Value) -> Schema {
    Schema::compile(&json!({"type": "object", "properties": {"spec": spec}})).unwrap()
}

fn texts(spec: Value, new: Value, old: Option<Value>) -> Vec<String> {
    let old = old.map(|old| json!({ "spec": old }));
    let errors = schema(spec).validate(&json!({ "spec": new }), old.as_ref());
    errors.iter().map(ToString::to_string).collect()
}

fn ruled(rule: Value) -> Value {
    json!({"type": "object", "x-kubernetes-validations": [rule], "properties": {
        "a": {"type": "integer"}, "b": {"type": "integer"}, "s": {"type": "string"}}})
}

#[test]
fn a_rule_that_does_not_hold_is_told() {
    let spec = ruled(json!({"rule": "self.a <= self.b"}));
    assert_eq!(texts(spec.clone(), json!({"a": 1, "b": 2}), None), [""; 0]);
    assert_eq!(
        texts(spec, json!({"a": 3, "b": 2}), None),
        ["spec: Invalid value: failed rule: self.a <= self.b"]
    );
    let spec = json!({"type": "integer", "x-kubernetes-validations": [{"rule": "self < 3", "message": "too much"}]});
    assert_eq!(
        texts(spec, json!(5), None),
        ["spec: Invalid value: 5: too much"]
    );
}

#[test]
fn messages_reasons_and_paths_are_the_rules_own() {
    let spec = ruled(json!({"rule": "self.a <= self.b", "message": "m",
        "messageExpression": "'a is ' + string(self.a)", "fieldPath": ".a", "reason": "FieldValueForbidden"}));
    assert_eq!(
        texts(spec, json!({"a": 3, "b": 2}), None),
        ["spec.a: Forbidden: a is 3"]
    );
    let spec =
        ruled(json!({"rule": "self.a <= self.b", "message": "m", "messageExpression": "''"}));
    assert_eq!(
        texts(spec, json!({"a": 3, "b": 2}), None),
        ["spec: Invalid value: m"]
    );
}

#[test]
fn an_expression_that_fails_is_told() {
    let spec = ruled(json!({"rule": "self.a <= self.b"}));
    assert_eq!(
        texts(spec, json!({"a": 3}), None),
        ["spec: Invalid value: \"object\": no such key: b evaluating rule: self.a <= self.b"]
    );
}

#[test]
fn transitions_are_ruled_on_change_alone() {
    let spec = ruled(json!({"rule": "self.a >= oldSelf.a"}));
    assert_eq!(texts(spec.clone(), json!({"a": 1}), None), [""; 0]);
    assert_eq!(
        texts(spec.clone(), json!({"a": 2}), Some(json!({"a": 1}))),
        [""; 0]
    );
    assert_eq!(
        texts(spec, json!({"a": 1}), Some(json!({"a": 2}))),
        ["spec: Invalid value: failed rule: self.a >= oldSelf.a"]
    );
    let spec = ruled(
        json!({"rule": "!oldSelf.hasValue() || self.a >= oldSelf.value().a", "optionalOldSelf": true}),
    );
    assert_eq!(texts(spec.clone(), json!({"a": 1}), None), [""; 0]);
    assert_eq!(texts(spec, json!({"a": 1}), Some(json!({"a": 2}))).len(), 1);
}

#[test]
fn elements_of_maps_have_old_selves() {
    let spec = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
        "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer"}},
            "x-kubernetes-validations": [{"rule": "self.v >= oldSelf.v"}]}});
    let old = json!([{"k": "a", "v": 1}, {"k": "b", "v": 5}]);
    let new = json!([{"k": "c", "v": 0}, {"k": "b", "v": 4}, {"k": "a", "v": 1}]);
    assert_eq!(
        texts(spec, new, Some(old)),
        ["spec[1]: Invalid value: failed rule: self.v >= oldSelf.v"]
    );
}

#[test]
fn what_has_not_changed_is_let_be() {
    let spec = json!({"type": "object", "properties": {
        "x": ruled(json!({"rule": "self.a > 0"})), "y": {"type": "integer"}}});
    let old = json!({"x": {"a": 0}, "y": 1});
    assert_eq!(
        texts(
            spec.clone(),
            json!({"x": {"a": 0}, "y": 2}),
            Some(old.clone())
        ),
        [""; 0]
    );
    assert_eq!(
        texts(spec, json!({"x": {"a": -1}, "y": 1}), Some(old)),
        ["spec.x: Invalid value: failed rule: self.a > 0"]
    );
}

#[test]
fn rules_wait_until_the_object_has_its_form() {
    let spec = ruled(json!({"rule": "self.a > 0"}));
    assert_eq!(
        texts(spec, json!({"a": "x"}), None),
        [
            "spec.a: Invalid value: \"string\": spec.a in body must be of type integer: \"string\"",
            "<nil>: Invalid value: null: some validation rules were not checked because the object \
             was invalid; correct the existing errors to complete validation",
        ]
    );
}

#[test]
fn the_root_has_names_and_fields_have_escapes() {
    let schema = Schema::compile(&json!({"type": "object", "x-kubernetes-validations": [
        {"rule": "self.metadata.name == 'a' && self.kind == 'K'"}, {"rule": "self.a__dash__b == 1"}],
        "properties": {"a-b": {"type": "integer"}}})).unwrap();
    let object = |name: &str| json!({"apiVersion": "e/v1", "kind": "K", "metadata": {"name": name}, "a-b": 1});
    assert_eq!(schema.validate(&object("a"), None), []);
    let errors = schema.validate(&object("b"), None);
    assert_eq!(
        errors[0].to_string(),
        "<nil>: Invalid value: failed rule: self.metadata.name == 'a' && self.kind == 'K'"
    );
}

#[test]
fn rules_have_a_budget() {
    let spec = json!({"type": "array", "items": {"type": "string"},
        "x-kubernetes-validations": [{"rule": "self.all(x, self.all(y, self.all(z, x == y)))"}]});
    let texts = texts(spec, json!(vec!["a"; 300]), None);
    assert_eq!(
        texts,
        [
            "spec: Invalid value: \"array\": 'operation cancelled: actual cost limit exceeded': no \
          further validation rules will be run due to call cost exceeds limit for rule: \
          self.all(x, self.all(y, self.all(z, x == y)))"
        ]
    );
}
