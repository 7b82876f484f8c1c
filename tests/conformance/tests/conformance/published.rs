//! What OpenAPI says of custom resources, and what kubectl makes of it.

use serde_json::{Value, json};
use skerry_tests_conformance::{Custom, World, anything, version};
use skerry_tests_harness::eventually_async;
use skerry_tests_kube_rs::DEADLINE;

/// How the document of OpenAPI 2 calls the widgets of a version.
fn definition_of(group: &str, version: &str, kind: &str) -> String {
    let mut parts: Vec<_> = group.split('.').collect();
    parts.reverse();
    format!("{}.{version}.{kind}", parts.join("."))
}

/// Waits until the document tells of the kind, or does not any more.
async fn until_told(world: &World, name: &str, is_told: bool) -> Value {
    eventually_async("the document follows", DEADLINE, || async {
        let document = world.get("/openapi/v2").await?;
        let found = &document["definitions"][name];
        anyhow::ensure!(found.is_object() == is_told, "{name}: {found}");
        Ok(found.clone())
    })
    .await
    .unwrap()
}

fn schema() -> Value {
    json!({
        "type": "object",
        "description": "Foo CRD for Testing",
        "properties": {
            "spec": {
                "type": "object",
                "description": "Specification of Foo",
                "properties": {"bars": {
                    "type": "array",
                    "description": "List of Bars and their specs.",
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": {"type": "string", "description": "Name of Bar."},
                            "age": {"type": "string", "description": "Age of Bar."},
                            "bazs": {
                                "type": "array",
                                "description": "List of Bazs.",
                                "items": {"type": "string"},
                            },
                        },
                    },
                }},
            },
            "status": {"type": "object", "description": "Status of Foo"},
        },
    })
}

fn object(custom: &Custom<'_>, name: &str, fields: Value) -> String {
    let mut object = fields;
    object["apiVersion"] = json!(format!("{}/v1", custom.group));
    object["kind"] = json!("Widget");
    object["metadata"] = json!({"name": name});
    object.to_string()
}

#[tokio::test]
async fn kubectl_checks_and_explains_by_the_schema() {
    let world = World::new("published-schema").await;
    let custom = world.define(json!([version("v1", true, schema())])).await;
    until_told(&world, &definition_of(&custom.group, "v1", "Widget"), true).await;
    let good = object(
        &custom,
        "good",
        json!({"spec": {"bars": [{"name": "a", "age": "10"}]}}),
    );
    for command in ["create", "apply"] {
        world.kubectl_ok(&[command, "-f", "-"], &good).await;
        let unknown = object(
            &custom,
            "bad",
            json!({"spec": {"bars": [{"name": "a", "x": 1}]}}),
        );
        let ended = world.kubectl_with(&[command, "-f", "-"], &unknown).await;
        assert!(
            !ended.ok && ended.err.contains("unknown field \"spec.bars[0].x\""),
            "{ended:?}"
        );
        let missing = object(&custom, "bad", json!({"spec": {"bars": [{"age": "10"}]}}));
        let ended = world.kubectl_with(&[command, "-f", "-"], &missing).await;
        assert!(
            !ended.ok && ended.err.contains("spec.bars[0].name"),
            "{ended:?}"
        );
    }
    let kind = format!("widgets.{}", custom.group);
    let explained = world.kubectl(&["explain", &kind]).await;
    for text in [
        "Widget",
        "Foo CRD for Testing",
        "Specification of Foo",
        "Status of Foo",
    ] {
        assert!(explained.contains(text), "{text}: {explained}");
    }
    let explained = world.kubectl(&["explain", &format!("{kind}.spec")]).await;
    assert!(
        explained.contains("bars") && explained.contains("List of Bars"),
        "{explained}"
    );
    let explained = world
        .kubectl(&["explain", &format!("{kind}.spec.bars")])
        .await;
    for text in ["name", "Name of Bar.", "age", "bazs", "List of Bazs."] {
        assert!(explained.contains(text), "{text}: {explained}");
    }
    let ended = world
        .kubectl_with(&["explain", &format!("{kind}.spec.bars2")], "")
        .await;
    assert!(!ended.ok, "{ended:?}");
    custom.remove().await;
}

/// Takes any field, with create and with apply.
async fn takes_anything(name: &str, schema: Value, fields: Value) {
    let world = World::new(name).await;
    let custom = world.define(json!([version("v1", true, schema)])).await;
    until_told(&world, &definition_of(&custom.group, "v1", "Widget"), true).await;
    let text = object(&custom, "any", fields);
    world.kubectl_ok(&["create", "-f", "-"], &text).await;
    world.kubectl_ok(&["apply", "-f", "-"], &text).await;
    let kind = format!("widgets.{}", custom.group);
    let explained = world.kubectl(&["explain", &kind]).await;
    assert!(
        explained.contains("KIND:") && explained.contains("Widget"),
        "{explained}"
    );
    assert!(explained.contains("DESCRIPTION:"), "{explained}");
    custom.remove().await;
}

#[tokio::test]
async fn kubectl_takes_all_fields_without_a_schema() {
    let fields = json!({"a": {"b": [{"c": "d"}]}, "spec": {"x": 1}});
    takes_anything("published-none", anything(), fields).await;
}

#[tokio::test]
async fn kubectl_takes_all_fields_that_are_kept_at_the_root() {
    let mut root = schema();
    root["x-kubernetes-preserve-unknown-fields"] = json!(true);
    takes_anything("published-root", root, json!({"a": {"b": [{"c": "d"}]}})).await;
}

#[tokio::test]
async fn kubectl_takes_all_fields_that_are_kept_within() {
    let kept = json!({
        "type": "object", "x-kubernetes-preserve-unknown-fields": true,
        "description": "Specification of Waldo",
    });
    let schema = json!({"type": "object", "description": "Preserve", "properties": {"spec": kept}});
    takes_anything(
        "published-within",
        schema,
        json!({"spec": {"b": [{"c": "d"}]}}),
    )
    .await;
}

#[tokio::test]
async fn kinds_of_different_groups_are_told() {
    let world = World::new("published-groups").await;
    let mut made = Vec::new();
    for group in ["one.published.test", "two.published.test"] {
        let mut definition = world.definition(json!([version("v1", true, schema())]));
        definition["metadata"]["name"] = json!(format!("widgets.{group}"));
        definition["spec"]["group"] = json!(group);
        made.push(world.define_as(definition).await);
    }
    for custom in made {
        until_told(&world, &definition_of(&custom.group, "v1", "Widget"), true).await;
        custom.remove().await;
        until_told(&world, &definition_of(&custom.group, "v1", "Widget"), false).await;
    }
}

#[tokio::test]
async fn kinds_of_one_version_are_told() {
    let world = World::new("published-kinds").await;
    let mut made = Vec::new();
    for (plural, kind) in [("foos", "Foo"), ("bars", "Bar")] {
        let mut definition = world.definition(json!([version("v6", true, schema())]));
        let group = definition["spec"]["group"].as_str().unwrap().to_owned();
        definition["metadata"]["name"] = json!(format!("{plural}.{group}"));
        definition["spec"]["names"] = json!({"plural": plural, "kind": kind});
        made.push((world.define_as(definition).await, kind));
    }
    for (custom, kind) in made {
        until_told(&world, &definition_of(&custom.group, "v6", kind), true).await;
        custom.remove().await;
    }
}

fn two_versions() -> Value {
    json!([
        version("v2", true, schema()),
        version("v3", false, schema())
    ])
}

#[tokio::test]
async fn versions_of_one_group_are_told() {
    let world = World::new("published-versions").await;
    let custom = world.define(two_versions()).await;
    for version in ["v2", "v3"] {
        until_told(
            &world,
            &definition_of(&custom.group, version, "Widget"),
            true,
        )
        .await;
    }
    custom.remove().await;
}

#[tokio::test]
async fn a_version_that_is_renamed_is_told_by_its_new_name() {
    let world = World::new("published-renamed").await;
    let custom = world.define(two_versions()).await;
    until_told(&world, &definition_of(&custom.group, "v3", "Widget"), true).await;
    let operation = json!({"op": "replace", "path": "/spec/versions/1/name", "value": "v4"});
    custom.operate(json!([operation])).await;
    until_told(&world, &definition_of(&custom.group, "v4", "Widget"), true).await;
    until_told(&world, &definition_of(&custom.group, "v3", "Widget"), false).await;
    until_told(&world, &definition_of(&custom.group, "v2", "Widget"), true).await;
    custom.remove().await;
}

#[tokio::test]
async fn a_version_that_is_served_no_more_is_told_no_more() {
    let world = World::new("published-unserved").await;
    let custom = world.define(two_versions()).await;
    let third = definition_of(&custom.group, "v3", "Widget");
    let second = definition_of(&custom.group, "v2", "Widget");
    let before = until_told(&world, &second, true).await;
    until_told(&world, &third, true).await;
    let operation = json!({"op": "replace", "path": "/spec/versions/1/served", "value": false});
    custom.operate(json!([operation])).await;
    until_told(&world, &third, false).await;
    let after = until_told(&world, &second, true).await;
    assert_eq!(after, before, "the other one is as it was");
    custom.remove().await;
}
