//! Custom resources that a webhook of the test's own converts between two versions.

use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::{Value, json};
use skerry_tests_conformance::{Custom, World, anything, version};
use skerry_tests_harness::eventually_async;
use skerry_tests_kube_rs::DEADLINE;
use skerry_tests_kubectl::webhook::{Reply, Webhook};

/// `hostPort` in the first version is `host` and `port` in the second.
fn converted(object: &Value, wanted: &Value) -> Value {
    let mut object = object.clone();
    let is_new = wanted.as_str().unwrap().ends_with("/v2");
    object["apiVersion"] = wanted.clone();
    let fields = object.as_object_mut().unwrap();
    if let (true, Some(both)) = (is_new, fields.remove("hostPort")) {
        let (host, port) = both.as_str().unwrap().split_once(':').unwrap();
        fields.insert("host".into(), json!(host));
        fields.insert("port".into(), json!(port));
    } else if let (false, Some(host)) = (is_new, fields.remove("host")) {
        let port = fields.remove("port").unwrap();
        let both = format!("{}:{}", host.as_str().unwrap(), port.as_str().unwrap());
        fields.insert("hostPort".into(), json!(both));
    }
    object
}

fn converting() -> Webhook {
    Webhook::start(|review| {
        let request = &review["request"];
        let wanted = &request["desiredAPIVersion"];
        let objects = request["objects"].as_array().unwrap().iter();
        let converted: Vec<_> = objects.map(|object| converted(object, wanted)).collect();
        Reply::Json(json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "ConversionReview",
            "response": {
                "uid": request["uid"], "convertedObjects": converted,
                "result": {"status": "Success"},
            },
        }))
    })
}

async fn defined<'a>(world: &'a World, webhook: &Webhook) -> Custom<'a> {
    let versions = json!([
        version("v1", true, anything()),
        version("v2", false, anything())
    ]);
    let mut definition = world.definition(versions);
    definition["spec"]["conversion"] = json!({
        "strategy": "Webhook",
        "webhook": {
            "clientConfig": webhook.client("/convert"), "conversionReviewVersions": ["v1"],
        },
    });
    world.define_as(definition).await
}

#[tokio::test]
async fn an_object_is_shown_in_the_version_that_is_asked_for() {
    let world = World::new("converted").await;
    let webhook = converting();
    let custom = defined(&world, &webhook).await;
    let fields = json!({"hostPort": "localhost:8080"});
    custom.create("v1", "one", fields).await.unwrap();
    let read = custom.objects("v2").get("one").await.unwrap();
    assert_eq!(
        (&read.data["host"], &read.data["port"]),
        (&json!("localhost"), &json!("8080"))
    );
    assert_eq!(read.data.get("hostPort"), None);
    let read = custom.objects("v1").get("one").await.unwrap();
    assert_eq!(read.data["hostPort"], "localhost:8080");
    custom.remove().await;
}

#[tokio::test]
async fn a_list_of_what_is_stored_in_two_versions_is_shown_in_one() {
    let world = World::new("converted-list").await;
    let webhook = converting();
    let custom = defined(&world, &webhook).await;
    let fields = json!({"hostPort": "localhost:8080"});
    custom.create("v1", "one", fields).await.unwrap();
    custom
        .operate(json!([
            {"op": "replace", "path": "/spec/versions/0/storage", "value": false},
            {"op": "replace", "path": "/spec/versions/1/storage", "value": true},
        ]))
        .await;
    eventually_async("the other version is stored", DEADLINE, || async {
        let status = world.definitions().get(&custom.name).await?.status;
        let stored = status.and_then(|status| status.stored_versions);
        anyhow::ensure!(stored == Some(vec!["v1".into(), "v2".into()]), "{stored:?}");
        Ok(())
    })
    .await
    .unwrap();
    let fields = json!({"host": "localhost", "port": "8081"});
    custom.create("v2", "two", fields).await.unwrap();
    for (version, field) in [("v1", "hostPort"), ("v2", "host")] {
        let objects = custom.objects(version);
        let found = objects.list(&ListParams::default()).await.unwrap().items;
        let names: Vec<_> = found.iter().map(ResourceExt::name_any).collect();
        assert_eq!(names, ["one", "two"]);
        assert!(
            found.iter().all(|object| object.data[field].is_string()),
            "{found:?}"
        );
    }
    custom.remove().await;
}
