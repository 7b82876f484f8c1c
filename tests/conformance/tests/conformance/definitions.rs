//! Definitions of custom resources: objects, discovery, defaults and fields to select by.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::discovery::Discovery;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use skerry_tests_conformance::{World, anything, version};
use skerry_tests_harness::eventually_async;
use skerry_tests_kube_rs::{DEADLINE, Events};

/// Asks for all groups in one document.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

#[tokio::test]
async fn a_definition_is_made_and_deleted() {
    let world = World::new("crd-made").await;
    let custom = world.define(json!([version("v1", true, anything())])).await;
    let read = world.definitions().get(&custom.name).await.unwrap();
    assert_eq!(
        read.status.unwrap().stored_versions,
        Some(vec!["v1".into()])
    );
    custom.remove().await;
    assert!(world.get(&custom.path("v1")).await.is_err());
}

#[tokio::test]
async fn definitions_are_listed_and_deleted_by_label() {
    let world = World::new("crd-listed").await;
    let definitions = world.definitions();
    for number in 0..10 {
        let mut definition = world.definition(json!([version("v1", true, anything())]));
        let group = format!("g{number}.crd-listed.test");
        definition["metadata"] = json!({
            "name": format!("widgets.{group}"), "labels": {"crd-listed": "yes"},
        });
        definition["spec"]["group"] = json!(group);
        let definition = serde_json::from_value(definition).unwrap();
        let made = definitions
            .create(&PostParams::default(), &definition)
            .await;
        made.unwrap();
    }
    let other = world.define(json!([version("v1", true, anything())])).await;
    let labelled = ListParams::default().labels("crd-listed=yes");
    assert_eq!(definitions.list(&labelled).await.unwrap().items.len(), 10);
    let deletion = DeleteParams::default();
    let deleted = definitions.delete_collection(&deletion, &labelled).await;
    deleted.unwrap();
    eventually_async("the labelled ones are gone", DEADLINE, || async {
        let left = definitions.list(&labelled).await?.items.len();
        anyhow::ensure!(left == 0, "{left}");
        Ok(())
    })
    .await
    .unwrap();
    definitions.get(&other.name).await.unwrap();
    other.remove().await;
}

#[tokio::test]
async fn the_status_of_a_definition_is_changed() {
    let world = World::new("crd-status").await;
    let custom = world.define(json!([version("v1", true, anything())])).await;
    let definitions: Api<CustomResourceDefinition> = world.definitions();
    let read = definitions.get_status(&custom.name).await.unwrap();
    assert!(read.status.unwrap().conditions.unwrap().len() >= 2);
    let condition = |kind: &str| {
        json!({
            "type": kind, "status": "True", "reason": "E2E", "message": "as told",
            "lastTransitionTime": "2026-01-02T03:04:05Z",
        })
    };
    eventually_async("the status is replaced", DEADLINE, || async {
        let mut object = definitions.get(&custom.name).await?;
        let conditions = object.status.as_mut().unwrap().conditions.as_mut().unwrap();
        conditions.push(serde_json::from_value(condition("StatusUpdate"))?);
        let options = PostParams::default();
        definitions
            .replace_status(&custom.name, &options, &object)
            .await?;
        Ok(())
    })
    .await
    .unwrap();
    let read = definitions.get(&custom.name).await.unwrap();
    let mut conditions = json!(read.status.unwrap().conditions);
    let has = |conditions: &Value, kind: &str| {
        let mut found = conditions.as_array().unwrap().iter();
        found.any(|found| found["type"] == kind)
    };
    assert!(has(&conditions, "StatusUpdate"));
    conditions
        .as_array_mut()
        .unwrap()
        .push(condition("StatusPatch"));
    let patch = Patch::Merge(json!({"status": {"conditions": conditions}}));
    let options = PatchParams::default();
    let patched = definitions
        .patch_status(&custom.name, &options, &patch)
        .await;
    let conditions = json!(patched.unwrap().status.unwrap().conditions);
    assert!(has(&conditions, "StatusUpdate") && has(&conditions, "StatusPatch"));
    custom.remove().await;
}

#[tokio::test]
async fn objects_of_a_definition_are_watched() {
    let world = World::new("crd-watched").await;
    let mut definition = world.definition(json!([version("v1", true, anything())]));
    definition["spec"]["scope"] = json!("Cluster");
    let custom = world.define_as(definition).await;
    let path = format!("/apis/{}/v1/widgets", custom.group);
    let object = |name: &str, content: &str| {
        let object = custom.object("v1", name, json!({"content": content}));
        serde_json::to_vec(&object).unwrap()
    };
    let send = async |method: http::Method, path: &str, body: Vec<u8>| {
        let content = match method == http::Method::PATCH {
            true => "application/merge-patch+json",
            false => "application/json",
        };
        world.send(method, path, content, body).await.unwrap()
    };
    let watch = async |name: &str| {
        let query = format!("watch=true&fieldSelector=metadata.name%3D{name}");
        Events::open(&world.client, &format!("{path}?{query}"))
            .await
            .unwrap()
    };
    let (mut a, mut b) = (watch("a").await, watch("b").await);
    for name in ["a", "b"] {
        let own = format!("{path}/{name}");
        send(http::Method::POST, &path, object(name, "1")).await;
        let patch = json!({"content": "2"}).to_string().into_bytes();
        send(http::Method::PATCH, &own, patch).await;
        send(http::Method::DELETE, &own, Vec::new()).await;
    }
    for (watch, name) in [(&mut a, "a"), (&mut b, "b")] {
        for (kind, content) in [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")] {
            let event = watch.next().await.unwrap();
            assert_eq!(event.brief(), (kind, name));
            assert_eq!(event.object["content"], content);
        }
    }
    custom.remove().await;
}

fn with_default(field: &str) -> Value {
    let text = |default: Value| json!({"type": "string", "default": default});
    let mut schema = json!({
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
    });
    if !field.is_empty() {
        schema["properties"][field] = text(json!(field.to_uppercase()));
    }
    schema
}

#[tokio::test]
async fn defaults_are_filled_in_of_requests_and_of_what_is_stored() {
    let world = World::new("crd-defaults").await;
    let custom = world
        .define(json!([version("v1", true, with_default(""))]))
        .await;
    let objects = custom.objects("v1");
    let made = custom.create("v1", "foo", json!({})).await.unwrap();
    assert_eq!(made.data.get("a"), None);
    let change = async |field: &str| {
        let place = "/spec/versions/0/schema/openAPIV3Schema";
        let operation = json!({"op": "replace", "path": place, "value": with_default(field)});
        custom.operate(json!([operation])).await;
    };
    change("a").await;
    eventually_async("what is stored is defaulted", DEADLINE, || async {
        let read = objects.get("foo").await?;
        anyhow::ensure!(read.data["a"] == "A", "{:?}", read.data);
        Ok(())
    })
    .await
    .unwrap();
    let made = custom.create("v1", "bar", json!({})).await.unwrap();
    assert_eq!(made.data["a"], "A");
    assert_eq!(made.data.get("b"), None);
    change("b").await;
    eventually_async("with the other default", DEADLINE, || async {
        let read = objects.get("foo").await?;
        anyhow::ensure!(read.data["b"] == "B", "{:?}", read.data);
        anyhow::ensure!(read.data.get("a").is_none(), "was never stored");
        Ok(())
    })
    .await
    .unwrap();
    let read = objects.get("bar").await.unwrap();
    assert_eq!(
        (&read.data["a"], &read.data["b"]),
        (&json!("A"), &json!("B")),
        "stays"
    );
    custom.remove().await;
}

#[tokio::test]
async fn a_definition_is_in_the_aggregated_form_when_asked_for_by_header() {
    let world = World::new("crd-aggregated").await;
    let custom = world.define(json!([version("v1", true, anything())])).await;
    eventually_async("the group is told", DEADLINE, || async {
        let list = world.get_as("/apis", AGGREGATED).await?;
        let groups = list["items"].as_array().unwrap();
        let found = groups
            .iter()
            .find(|found| found["metadata"]["name"] == custom.group);
        let found = found.ok_or_else(|| anyhow::anyhow!("no {}", custom.group))?;
        let resource = &found["versions"][0]["resources"][0];
        anyhow::ensure!(resource["resource"] == "widgets", "{resource}");
        anyhow::ensure!(resource["responseKind"]["kind"] == "Widget", "{resource}");
        Ok(())
    })
    .await
    .unwrap();
    custom.remove().await;
}

#[tokio::test]
async fn a_definition_is_found_by_clients_of_the_aggregated_form() {
    let world = World::new("crd-discovered").await;
    let custom = world.define(json!([version("v1", true, anything())])).await;
    eventually_async("the client finds it", DEADLINE, || async {
        let found = Discovery::new(world.client.clone())
            .run_aggregated()
            .await?;
        let group = found.get(&custom.group);
        let group = group.ok_or_else(|| anyhow::anyhow!("no {}", custom.group))?;
        anyhow::ensure!(group.recommended_kind("Widget").is_some());
        Ok(())
    })
    .await
    .unwrap();
    custom.remove().await;
}

#[tokio::test]
async fn objects_are_selected_by_the_fields_of_their_version() {
    let world = World::new("crd-selected").await;
    let schema = json!({
        "type": "object",
        "properties": {
            "host": {"type": "string"},
            "spec": {"type": "object", "properties": {"port": {"type": "string"}}},
        },
    });
    let mut first = version("v1", true, schema.clone());
    first["selectableFields"] = json!([{"jsonPath": ".host"}, {"jsonPath": ".spec.port"}]);
    // Of one schema for all versions, no version has fields of its own to select by.
    let mut other = schema;
    other["properties"]["more"] = json!({"type": "string"});
    let mut second = version("v2", false, other);
    second["selectableFields"] = json!([{"jsonPath": ".host"}]);
    let custom = world.define(json!([first, second])).await;
    let hosts = ["host1", "host1", "host2"];
    let query = "watch=true&fieldSelector=host%3Dhost1";
    let path = format!("{}?{query}", custom.path("v2"));
    let mut watch = Events::open(&world.client, &path).await.unwrap();
    for (number, host) in hosts.iter().enumerate() {
        let fields = json!({"host": host, "spec": {"port": format!("80{number}")}});
        custom
            .create("v1", &format!("w{number}"), fields)
            .await
            .unwrap();
    }
    let select = async |version: &str, fields: &str| {
        let options = ListParams::default().fields(fields);
        let found = custom.objects(version).list(&options).await?;
        let names = found.items.iter().map(ResourceExt::name_any);
        Ok::<_, kube::Error>(names.collect::<Vec<_>>())
    };
    for version in ["v1", "v2"] {
        assert_eq!(select(version, "host=host1").await.unwrap(), ["w0", "w1"]);
        assert_eq!(select(version, "host!=host1").await.unwrap(), ["w2"]);
    }
    assert_eq!(
        select("v1", "host=host1,spec.port=801").await.unwrap(),
        ["w1"]
    );
    assert!(
        select("v2", "spec.port=801").await.is_err(),
        "not of this version"
    );

    let objects = custom.objects("v1");
    let patch = Patch::Merge(json!({"host": "host2"}));
    objects
        .patch("w0", &PatchParams::default(), &patch)
        .await
        .unwrap();
    objects
        .delete("w1", &DeleteParams::default())
        .await
        .unwrap();
    for wanted in [
        ("ADDED", "w0"),
        ("ADDED", "w1"),
        ("DELETED", "w0"),
        ("DELETED", "w1"),
    ] {
        assert_eq!(watch.next().await.unwrap().brief(), wanted);
    }
    assert_eq!(select("v1", "host=host2").await.unwrap(), ["w0", "w2"]);
    custom.remove().await;
}
