//! What is wrong with a definition, in upstream's words.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use skerry_custom::definition::{self, Conversion, Definition};

/// A definition that nothing is wrong with.
fn widget() -> Value {
    let mut object = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}}}]}});
    definition::set_defaults(&mut object);
    object
}

fn texts(object: &Value) -> Vec<String> {
    definition::validate(object)
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// The errors of a definition in which `value` stands at `pointer`.
fn with(pointer: &str, value: Value) -> Vec<String> {
    let mut object = widget();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    object.pointer_mut(parent).unwrap()[name] = value;
    texts(&object)
}

/// The errors of a definition whose schema of `spec` is this.
fn spec(schema: Value) -> Vec<String> {
    let pointer = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
    let base = "spec.validation.openAPIV3Schema.properties[spec]";
    let texts = with(pointer, schema);
    texts.iter().map(|text| text.replace(base, "S")).collect()
}

#[test]
fn defaults_are_filled_in_and_nothing_is_wrong() {
    let object = widget();
    assert_eq!(texts(&object), [""; 0]);
    assert_eq!(object["spec"]["names"]["singular"], "widget");
    assert_eq!(object["spec"]["names"]["listKind"], "WidgetList");
    assert_eq!(object["spec"]["conversion"], json!({"strategy": "None"}));
    assert_eq!(object["status"]["storedVersions"], json!(["v1"]));
    let read = Definition::read(&object);
    assert_eq!((&*read.group, read.namespaced), ("example.com", true));
    assert_eq!(read.conversion, Conversion::None);
    assert!(Definition::schema(&object, "v1").is_object());
}

#[test]
fn names_groups_scopes_and_versions_are_checked() {
    for (pointer, value, wanted) in [
        (
            "/metadata/name",
            json!("x.example.com"),
            "metadata.name: Invalid value: \"x.example.com\": must be spec.names.plural+\".\"+spec.group",
        ),
        (
            "/spec/scope",
            json!("Galaxy"),
            "spec.scope: Unsupported value: \"Galaxy\": supported values: \"Cluster\", \"Namespaced\"",
        ),
        (
            "/spec/names/listKind",
            json!("Widget"),
            "spec.names.listKind: Invalid value: \"Widget\": kind and listKind may not be the same",
        ),
        (
            "/spec/names/kind",
            json!(""),
            "spec.names.kind: Required value",
        ),
        ("/spec/versions/0/storage", json!(false), ""),
        (
            "/status/storedVersions",
            json!(["v1", "v0"]),
            "status.storedVersions[1]: Invalid value: \"v0\": missing from spec.versions; v0 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v0 and removes v0 from status.storedVersions",
        ),
        (
            "/status/storedVersions",
            json!([]),
            "status.storedVersions: Invalid value: []: must have at least one stored version",
        ),
        (
            "/spec/preserveUnknownFields",
            json!(true),
            "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
        ),
        (
            "/spec/versions/0/deprecationWarning",
            json!("w"),
            "spec.versions[0].deprecationWarning: Invalid value: \"w\": can only be set for deprecated versions",
        ),
        (
            "/spec/versions/0/schema",
            json!(null),
            "spec.versions[0].schema.openAPIV3Schema: Required value",
        ),
        (
            "/spec/conversion",
            json!({"strategy": "Webhook"}),
            "spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook",
        ),
    ] {
        let texts = with(pointer, value);
        match wanted {
            "" => assert!(
                texts[0].ends_with("must have exactly one version marked as storage version")
            ),
            wanted => assert_eq!(texts[0], wanted),
        }
    }
    let group = with("/spec/group", json!("example"));
    assert!(
        group.contains(
            &"spec.group: Invalid value: \"example\": should be a domain with at least one dot"
                .to_owned()
        )
    );
}

#[test]
fn groups_of_kubernetes_want_approval() {
    let mut object = widget();
    object["spec"]["group"] = json!("x.k8s.io");
    object["metadata"]["name"] = json!("widgets.x.k8s.io");
    assert_eq!(
        texts(&object),
        [
            "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must \
          have approval annotation \"api-approved.kubernetes.io\", see \
          https://github.com/kubernetes/enhancements/pull/1111"
        ]
    );
    for value in ["https://github.com/x/pull/1", "unapproved, for now"] {
        object["metadata"]["annotations"] = json!({"api-approved.kubernetes.io": value});
        assert_eq!(texts(&object), [""; 0]);
    }
    object["metadata"]["annotations"] = json!({"api-approved.kubernetes.io": "bob"});
    assert!(
        texts(&object)[0].contains("with either a URL or a reason starting with \"unapproved\"")
    );
}

#[test]
fn columns_scale_and_selectable_fields_have_paths() {
    let columns = json!([{"name": "", "type": "color", "jsonPath": "x"}]);
    assert_eq!(
        with("/spec/versions/0/additionalPrinterColumns", columns),
        [
            "spec.additionalPrinterColumns[0].name: Required value",
            "spec.additionalPrinterColumns[0].type: Invalid value: \"color\": must be one of boolean,date,integer,number,string",
            "spec.additionalPrinterColumns[0].JSONPath: Invalid value: \"x\": must be a simple json path starting with .",
        ]
    );
    let scale = json!({"scale": {"specReplicasPath": ".status.x"}});
    assert_eq!(
        with("/spec/versions/0/subresources", scale),
        [
            "spec.subresources.scale.specReplicasPath: Invalid value: \".status.x\": should be a json path under .spec",
            "spec.subresources.scale.statusReplicasPath: Required value",
        ]
    );
    let fields = json!([{"jsonPath": ".spec.size"}, {"jsonPath": ".spec.size"}, {"jsonPath": ".spec"}, {"jsonPath": ".spec.x"}]);
    assert_eq!(
        with("/spec/versions/0/selectableFields", fields),
        [
            "spec.selectableFields[1].jsonPath: Duplicate value: \".spec.size\"",
            "spec.selectableFields[2].jsonPath: Invalid value: \".spec\": must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.",
            "spec.selectableFields[3].jsonPath: Invalid value: \".spec.x\": is an invalid path: does not refer to a valid field",
        ]
    );
}

#[test]
fn schemas_are_structural() {
    for (schema, wanted) in [
        (
            json!({}),
            "S.type: Required value: must not be empty for specified object fields",
        ),
        (
            json!({"type": "array"}),
            "S.items: Required value: must be specified",
        ),
        (
            json!({"type": "array", "items": {}}),
            "S.items.type: Required value: must not be empty for specified array items",
        ),
        (
            json!({"type": "string", "pattern": "("}),
            "S.pattern: Invalid value: \"(\": must be a valid regular expression, but isn't: error parsing regexp: missing closing ): `(`",
        ),
        (
            json!({"type": "object", "anyOf": [{"type": "string"}]}),
            "S.anyOf[0].type: Forbidden: must be empty to be structural",
        ),
        (
            json!({"type": "object", "x-kubernetes-embedded-resource": true}),
            "S.properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
        ),
        (
            json!({"type": "color"}),
            "S.type: Unsupported value: \"color\": supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\"",
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "string"}, "properties": {"a": {"type": "string"}}}),
            "S.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        ),
        (
            json!({"type": "string", "$ref": "#/x"}),
            "S.$ref: Forbidden: $ref is not supported",
        ),
        (
            json!({"type": "array", "uniqueItems": true, "items": {"type": "string"}}),
            "S.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ),
    ] {
        assert_eq!(spec(schema), [wanted]);
    }
    assert_eq!(
        spec(
            json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]})
        ),
        [""; 0]
    );
}

#[test]
fn branches_at_the_root_speak_of_fields_that_are_there() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}},
        "allOf": [{"properties": {"a": {"minLength": 1}, "x": {"minLength": 1}}}]});
    let base = "spec.validation.openAPIV3Schema";
    assert_eq!(
        with("/spec/versions/0/schema/openAPIV3Schema", schema),
        [format!(
            "{base}.properties[x]: Required value: because it is defined in \
             {base}.allOf[0].properties[x]"
        )]
    );
}

#[test]
fn lists_say_how_their_items_are_told_apart() {
    let map = |keys: Value, items: Value| {
        spec(
            json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys, "items": items}),
        )
    };
    let item = json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}, "b": {"type": "string"}}});
    assert_eq!(map(json!(["a"]), item.clone()), [""; 0]);
    assert_eq!(
        map(json!(["b"]), item.clone()),
        [
            "S.items.properties[b].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
        ]
    );
    assert_eq!(
        map(json!(["c"]), item),
        [
            "S.x-kubernetes-list-map-keys: Invalid value: [\"c\"]: entries must all be names of item properties"
        ]
    );
    assert_eq!(
        spec(
            json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object", "properties": {"a": {"type": "string"}}}})
        ),
        [
            "S.items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set"
        ]
    );
    assert_eq!(
        spec(json!({"type": "string", "x-kubernetes-list-type": "bag"})),
        [
            "S.type: Invalid value: \"string\": must be array if x-kubernetes-list-type is specified",
            "S.x-kubernetes-list-type: Unsupported value: \"bag\": supported values: \"atomic\", \"set\", \"map\"",
        ]
    );
}

#[test]
fn defaults_are_what_the_schema_allows() {
    assert_eq!(
        spec(
            json!({"type": "object", "default": {"a": 1}, "properties": {"a": {"type": "integer"}}})
        ),
        [""; 0]
    );
    assert_eq!(
        spec(
            json!({"type": "object", "default": {"b": 1}, "properties": {"a": {"type": "integer"}}})
        ),
        ["S.default: Invalid value: {\"b\":1}: must not have unknown fields"]
    );
    assert_eq!(
        spec(json!({"type": "object", "properties": {"a": {"type": "integer", "default": "x"}}})),
        [
            "S.properties[a].default: Invalid value: \"string\":  in body must be of type integer: \"string\""
        ]
    );
}

#[test]
fn rules_compile_and_are_cheap_enough() {
    let rule = |rule: Value| {
        spec(
            json!({"type": "object", "x-kubernetes-validations": [rule], "properties": {
            "a": {"type": "integer"}, "s": {"type": "string"},
            "l": {"type": "array", "items": {"type": "string"}}}}),
        )
    };
    assert_eq!(rule(json!({"rule": "self.a > 0"})), [""; 0]);
    let texts = rule(json!({"rule": "self.b > 0"}));
    assert!(
        texts[0].starts_with("S.x-kubernetes-validations[0].rule: Invalid value: {"),
        "{texts:?}"
    );
    assert!(
        texts[0].contains("compilation failed: ERROR: <input>:1:5: undefined field 'b'"),
        "{texts:?}"
    );
    let texts = rule(json!({"rule": "self.a"}));
    assert!(
        texts[0].ends_with("cel expression must evaluate to a bool"),
        "{texts:?}"
    );
    let texts = rule(json!({"rule": "self.l.all(x, self.l.all(y, x == y))"}));
    assert!(
        texts[0].contains("estimated rule cost exceeds budget by factor of more than 100x (try simplifying the rule"),
        "{texts:?}"
    );
    assert_eq!(
        rule(json!({"rule": " "})),
        ["S.x-kubernetes-validations[0].rule: Required value: rule is not specified"]
    );
    assert_eq!(
        rule(json!({"rule": "self.a > 0", "fieldPath": ".x", "reason": "Because"})),
        [
            "S.x-kubernetes-validations[0].reason: Unsupported value: \"Because\": supported values: \"FieldValueDuplicate\", \"FieldValueForbidden\", \"FieldValueInvalid\", \"FieldValueRequired\"",
            "S.x-kubernetes-validations[0].fieldPath: Invalid value: \".x\": must be a valid path",
        ]
    );
    assert_eq!(
        rule(json!({"rule": "self.a > 0", "optionalOldSelf": true})),
        [
            "S.x-kubernetes-validations[0].optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule"
        ]
    );
}

#[test]
fn transitions_are_ruled_only_where_parts_can_be_told_apart() {
    let list = |kind: &str| {
        spec(
            json!({"type": "array", "x-kubernetes-list-type": kind, "x-kubernetes-list-map-keys":
            if kind == "map" { json!(["k"]) } else { json!([]) }, "maxItems": 10,
            "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}, "v": {"type": "integer"}},
                "x-kubernetes-validations": [{"rule": "self.v >= oldSelf.v"}]}}),
        )
    };
    assert_eq!(list("map"), [""; 0]);
    assert_eq!(
        list("atomic"),
        [
            "S.items.x-kubernetes-validations[0].rule: Invalid value: \"self.v >= oldSelf.v\": oldSelf cannot be used on the uncorrelatable portion of the schema within S"
        ]
    );
}

#[test]
fn what_is_fixed_stays_and_what_was_let_in_may_stay() {
    let mut old = widget();
    old["metadata"]["resourceVersion"] = json!("1");
    let mut new = old.clone();
    new["spec"]["names"]["kind"] = json!("Gadget");
    new["spec"]["scope"] = json!("Cluster");
    let texts = |new: &Value, old: &Value| -> Vec<String> {
        definition::validate_update(new, old)
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(texts(&new, &old), [""; 0]);
    old["status"]["conditions"] = json!([{"type": "Established", "status": "True"}]);
    assert_eq!(
        texts(&new, &old),
        [
            "spec.scope: Invalid value: \"Cluster\": field is immutable",
            "spec.names.kind: Invalid value: \"Gadget\": field is immutable",
        ]
    );
    // A set of objects that are owned in parts was let in once.
    let loose = json!({"type": "array", "x-kubernetes-list-type": "set",
        "items": {"type": "object", "properties": {"a": {"type": "string"}}}});
    old["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = loose;
    assert_eq!(texts(&old, &old), [""; 0]);
}

#[test]
fn a_condition_says_what_is_not_structural() {
    let mut object = widget();
    assert_eq!(definition::nonstructural(&object), None);
    object["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = json!({});
    assert_eq!(
        definition::nonstructural(&object).unwrap(),
        "spec.validation.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields"
    );
}

#[test]
fn unknown_formats_are_warned_of_once() {
    let mut object = widget();
    let spec = json!({"type": "object", "properties": {"a": {"type": "string", "format": "color"},
        "b": {"type": "string", "format": "ipv4"}}});
    object["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = spec;
    assert_eq!(
        definition::warnings(&object, None),
        ["unrecognized format \"color\""]
    );
    assert_eq!(definition::warnings(&object, Some(&object)), [""; 0]);
}
