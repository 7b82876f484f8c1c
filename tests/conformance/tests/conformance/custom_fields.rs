//! Fields that custom resources do not have, or have twice.

use http::Method;
use serde_json::{Value, json};
use skerry_tests_conformance::{Custom, World, anything, version};
use skerry_tests_kube_rs::refusal;

fn schema() -> Value {
    let embedded = json!({
        "type": "object", "x-kubernetes-embedded-resource": true,
        "x-kubernetes-preserve-unknown-fields": true,
    });
    json!({
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "foo": {"type": "string"}, "cronSpec": {"type": "string"},
                    "ports": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
                        "items": {
                            "type": "object",
                            "required": ["containerPort", "protocol"],
                            "properties": {
                                "containerPort": {"type": "integer"},
                                "protocol": {"type": "string"},
                                "hostPort": {"type": "integer"},
                            },
                        },
                    },
                    "embedded": embedded,
                },
            },
        },
    })
}

/// Applies a text as it is.
async fn apply(world: &World, custom: &Custom<'_>, name: &str, rest: &str) -> kube::Result<Value> {
    let path = format!(
        "{}/{name}?fieldManager=test&fieldValidation=Strict",
        custom.path("v1")
    );
    let text = format!(
        "apiVersion: {}/v1\nkind: Widget\nmetadata:\n  name: {name}\n{rest}",
        custom.group
    );
    world
        .send(Method::PATCH, &path, "application/apply-patch+yaml", text)
        .await
}

/// Creates a text as it is.
async fn create(world: &World, custom: &Custom<'_>, name: &str, rest: &str) -> kube::Result<Value> {
    let path = format!("{}?fieldValidation=Strict", custom.path("v1"));
    let text = format!(
        r#"{{"apiVersion": "{}/v1", "kind": "Widget", "metadata": {{"name": "{name}"}}, {rest}}}"#,
        custom.group
    );
    world
        .send(Method::POST, &path, "application/json", text)
        .await
}

#[tokio::test]
async fn without_a_schema_all_fields_are_taken() {
    let world = World::new("crd-no-schema").await;
    let custom = world.define(json!([version("v1", true, anything())])).await;
    let made = apply(&world, &custom, "a", "spec:\n  foo: foo1\n  cronSpec: x\n")
        .await
        .unwrap();
    assert_eq!(made["spec"], json!({"foo": "foo1", "cronSpec": "x"}));
    create(&world, &custom, "b", r#""spec": {"unknown": 1}"#)
        .await
        .unwrap();
    custom.remove().await;
}

#[tokio::test]
async fn what_fits_the_schema_is_taken() {
    let world = World::new("crd-valid").await;
    let custom = world.define(json!([version("v1", true, schema())])).await;
    let spec =
        "spec:\n  foo: foo1\n  ports:\n  - {containerPort: 8080, hostPort: 1, protocol: TCP}\n";
    let made = apply(&world, &custom, "a", spec).await.unwrap();
    assert_eq!(made["spec"]["ports"][0]["containerPort"], 8080);
    create(&world, &custom, "b", r#""spec": {"foo": "foo1"}"#)
        .await
        .unwrap();
    custom.remove().await;
}

#[tokio::test]
async fn what_the_schema_does_not_have_is_refused() {
    let world = World::new("crd-unknown").await;
    let custom = world.define(json!([version("v1", true, schema())])).await;
    let status = refusal(apply(&world, &custom, "a", "spec:\n  extra: x\n").await);
    assert!(
        status
            .message
            .contains(".spec.extra: field not declared in schema"),
        "{status:?}"
    );
    let status = refusal(create(&world, &custom, "b", r#""spec": {"extra": "x"}"#).await);
    assert_eq!((status.code, status.reason.as_str()), (400, "BadRequest"));
    assert!(
        status.message.contains("unknown field \"spec.extra\""),
        "{status:?}"
    );
    custom.remove().await;
}

#[tokio::test]
async fn what_is_there_twice_is_refused_even_where_all_fields_are_kept() {
    let world = World::new("crd-duplicates").await;
    let custom = world.define(json!([version("v1", true, anything())])).await;
    let rest = r#""spec": {"unknown": "u1", "foo": "foo1", "foo": "foo2"}"#;
    let status = refusal(create(&world, &custom, "a", rest).await);
    assert_eq!(status.code, 400);
    assert!(
        status.message.contains("duplicate field \"spec.foo\""),
        "{status:?}"
    );
    assert!(!status.message.contains("unknown field"), "{status:?}");
    let status = refusal(apply(&world, &custom, "b", "spec:\n  foo: foo1\n  foo: foo2\n").await);
    assert!(
        status
            .message
            .contains("line 7: key \"foo\" already set in map"),
        "{status:?}"
    );
    custom.remove().await;
}

#[tokio::test]
async fn unknown_fields_of_metadata_are_refused_at_the_root_and_within() {
    let world = World::new("crd-metadata").await;
    let custom = world.define(json!([version("v1", true, schema())])).await;
    let path = format!("{}?fieldValidation=Strict", custom.path("v1"));
    let object = json!({
        "apiVersion": format!("{}/v1", custom.group), "kind": "Widget",
        "metadata": {"name": "a", "unknownMeta": "unknown1"},
        "spec": {
            "foo": "foo1",
            "embedded": {
                "apiVersion": "v1", "kind": "Thing",
                "metadata": {"name": "embedded", "embeddedUnknown": "unknown2"},
            },
        },
    });
    let refused = world
        .send(Method::POST, &path, "application/json", object.to_string())
        .await;
    let status = refusal(refused);
    for wrong in [
        "metadata.unknownMeta",
        "spec.embedded.metadata.embeddedUnknown",
    ] {
        let wrong = format!("unknown field \"{wrong}\"");
        assert!(
            status.message.contains(&wrong),
            "{wrong}: {}",
            status.message
        );
    }
    custom.remove().await;
}
