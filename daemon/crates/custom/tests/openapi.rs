//! What is published of custom kinds.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use skerry_custom::definition::Definition;
use skerry_custom::openapi::{self, Published};

fn widget(spec: Value) -> Value {
    json!({"spec": {"group": "example.com", "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget", "listKind": "WidgetList"},
        "versions": [{"name": "v1", "served": true, "storage": true,
            "selectableFields": [{"jsonPath": ".spec.size"}],
            "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}},
            "schema": {"openAPIV3Schema": {"type": "object", "description": "A widget.", "properties": {"spec": spec}}}}]}})
}

fn with<T>(definition: &Value, ask: impl Fn(&Published<'_>) -> T) -> T {
    let read = Definition::read(definition);
    ask(&Published {
        definition: &read,
        version: &read.versions[0],
        schema: Definition::schema(definition, "v1"),
    })
}

fn some_spec() -> Value {
    json!({"type": "object", "required": ["size", "maybe"], "properties": {
        "size": {"type": "integer", "minimum": 1, "default": 1},
        "maybe": {"type": "string", "nullable": true},
        "is": {"x-kubernetes-int-or-string": true},
        "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"a": {"type": "string"}}},
        "pod": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"spec": {"type": "object"}}},
        "one": {"type": "string", "oneOf": [{"minLength": 3}, {"maxLength": 1}]},
    }})
}

#[test]
fn a_document_of_version_3_holds_all_that_it_refers_to() {
    let object = widget(some_spec());
    let bytes = with(&object, |kind| openapi::version_3(&[*kind]));
    let document: Value = serde_json::from_slice(&bytes).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for reference in bytes_after(&bytes, "#/components/schemas/") {
        assert!(schemas.contains_key(&reference), "{reference}");
    }
    assert!(schemas.contains_key("io.k8s.api.autoscaling.v1.Scale"));
    let own = &schemas["com.example.v1.Widget"];
    assert_eq!(own["description"], "A widget.");
    assert_eq!(
        own["x-kubernetes-group-version-kind"],
        json!([{"group": "example.com", "version": "v1", "kind": "Widget"}])
    );
    assert_eq!(
        own["x-kubernetes-selectable-fields"],
        json!([{"fieldPath": "spec.size"}])
    );
    assert_eq!(
        own["properties"]["metadata"]["$ref"],
        "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    );
    let spec = &own["properties"]["spec"]["properties"];
    assert_eq!(spec["maybe"]["nullable"], true);
    assert_eq!(
        spec["is"]["anyOf"],
        json!([{"type": "integer"}, {"type": "string"}])
    );
    assert_eq!(spec["one"]["oneOf"].as_array().unwrap().len(), 2);
    assert_eq!(spec["pod"]["required"], json!(["kind", "apiVersion"]));
    assert!(spec["pod"]["properties"]["metadata"]["$ref"].is_string());
    let paths = document["paths"].as_object().unwrap();
    let names: Vec<&str> = paths.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "/apis/example.com/v1/namespaces/{namespace}/widgets",
            "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}",
            "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}/scale",
            "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}/status",
            "/apis/example.com/v1/widgets",
        ]
    );
    let many = &paths["/apis/example.com/v1/namespaces/{namespace}/widgets"];
    assert_eq!(
        many["delete"]["operationId"],
        "deleteExampleComV1CollectionNamespacedWidget"
    );
    assert_eq!(many["get"]["tags"], json!(["exampleCom_v1"]));
    let status = &paths["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}/status"];
    assert_eq!(
        status["put"]["operationId"],
        "replaceExampleComV1NamespacedWidgetStatus"
    );
}

fn bytes_after(bytes: &[u8], prefix: &str) -> Vec<String> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let parts = text.split(prefix).skip(1);
    parts
        .map(|part| part.split('"').next().unwrap().to_owned())
        .collect()
}

#[test]
fn version_2_leaves_out_what_kubectl_cannot_read() {
    let swagger = with(&widget(some_spec()), openapi::version_2);
    let own = &swagger.definitions["com.example.v1.Widget"];
    assert_eq!(
        own["properties"]["metadata"]["$ref"],
        "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    );
    let spec = &own["properties"]["spec"];
    assert_eq!(spec["required"], json!(["size"]));
    let spec = &spec["properties"];
    assert_eq!(spec["maybe"], json!({}));
    assert_eq!(spec["is"], json!({"x-kubernetes-int-or-string": true}));
    assert_eq!(
        spec["any"],
        json!({"x-kubernetes-preserve-unknown-fields": true})
    );
    assert_eq!(spec["one"], json!({"type": "string"}));
    assert!(spec["pod"]["properties"]["metadata"].is_object());
    assert_eq!(swagger.paths.len(), 5);
    let get = &swagger.paths["/apis/example.com/v1/widgets"]["get"];
    assert_eq!(get["operationId"], "listExampleComV1WidgetForAllNamespaces");
    assert_eq!(
        get["responses"]["200"]["schema"]["$ref"],
        "#/definitions/com.example.v1.WidgetList"
    );
    let bytes = swagger.protobuf();
    for text in [
        "com.example.v1.WidgetList",
        "listExampleComV1WidgetForAllNamespaces",
        "A widget.",
    ] {
        assert!(
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes()),
            "{text}"
        );
    }
}

#[test]
fn what_keeps_everything_or_is_not_structural_is_an_object_and_no_more() {
    for spec in [json!({}), json!({"type": "color"})] {
        let swagger = with(&widget(spec), openapi::version_2);
        let own = &swagger.definitions["com.example.v1.Widget"];
        assert_eq!(own["type"], "object");
        assert!(own["properties"].is_null());
    }
    let mut object = widget(some_spec());
    object["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["x-kubernetes-preserve-unknown-fields"] =
        json!(true);
    let swagger = with(&object, openapi::version_2);
    assert!(swagger.definitions["com.example.v1.Widget"]["properties"].is_null());
    let bytes = with(&object, |kind| openapi::version_3(&[*kind]));
    let document: Value = serde_json::from_slice(&bytes).unwrap();
    assert!(
        document["components"]["schemas"]["com.example.v1.Widget"]["properties"]["spec"]
            .is_object()
    );
}
