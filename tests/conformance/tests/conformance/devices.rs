//! Devices and claims of them.

use serde_json::{Value, json};
use skerry_tests_conformance::{Subject, World};

const VERSION: &str = "resource.k8s.io/v1";

fn claim() -> Value {
    json!({"devices": {"requests": [{
        "name": "one",
        "exactly": {"deviceClassName": "example.test"},
    }]}})
}

#[tokio::test]
async fn classes_have_every_operation() {
    let world = World::new("device-classes").await;
    let expression = "device.driver == \"driver.example.test\"";
    let manifest = json!({
        "apiVersion": VERSION,
        "kind": "DeviceClass",
        "spec": {"selectors": [{"cel": {"expression": expression}}]},
    });
    Subject::new(&world, manifest).await.every_operation().await;
}

#[tokio::test]
async fn claims_have_every_operation() {
    let world = World::new("device-claims").await;
    let manifest = json!({"apiVersion": VERSION, "kind": "ResourceClaim", "spec": claim()});
    let subject = Subject::new(&world, manifest).await;
    assert_eq!(subject.subresources(), ["status"]);
    subject.every_operation().await;
    let status = json!({
        "allocation": {"devices": {"results": [{
            "request": "one", "driver": "driver.example.test", "pool": "pool", "device": "d0",
        }]}},
    });
    subject.has_a_status(status).await;
}

#[tokio::test]
async fn templates_of_claims_have_every_operation() {
    let world = World::new("claim-templates").await;
    let manifest = json!({
        "apiVersion": VERSION,
        "kind": "ResourceClaimTemplate",
        "spec": {"spec": claim()},
    });
    Subject::new(&world, manifest).await.every_operation().await;
}

#[tokio::test]
async fn slices_have_every_operation() {
    let world = World::new("device-slices").await;
    let manifest = json!({
        "apiVersion": VERSION,
        "kind": "ResourceSlice",
        "spec": {
            "driver": "driver.example.test",
            "nodeName": "node-1",
            "pool": {"name": "pool", "generation": 1, "resourceSliceCount": 1},
            "devices": [{"name": "d0"}],
        },
    });
    Subject::new(&world, manifest).await.every_operation().await;
}
