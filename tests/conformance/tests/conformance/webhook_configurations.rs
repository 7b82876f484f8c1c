//! Configurations of admission webhooks, as objects.

use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use skerry_tests_conformance::{Subject, World};

const VERSION: &str = "admissionregistration.k8s.io/v1";

/// Asked about nothing: the namespace that it asks for is the test's own.
fn configuration(world: &World, kind: &str) -> Value {
    json!({
        "apiVersion": VERSION,
        "kind": kind,
        "webhooks": [{
            "name": "asked-about-nothing.example.test",
            "clientConfig": {"url": "https://127.0.0.1:1/"},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "namespaceSelector": {
                "matchLabels": {"kubernetes.io/metadata.name": world.namespace},
            },
            "matchConditions": [{
                "name": "expression-1",
                "expression": "object.metadata.namespace == 'production'",
            }],
            "rules": [{
                "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"],
                "resources": ["configmaps"],
            }],
        }],
    })
}

async fn keep_their_match_conditions(world: &World, kind: &str) {
    let subject = Subject::new(world, configuration(world, kind)).await;
    subject.every_operation().await;
    let name = format!("{}-kept", world.namespace);
    let made = subject.create(&name).await;
    let condition = "object.metadata.namespace == 'production'";
    let read =
        |object: &kube::api::DynamicObject| object.data["webhooks"][0]["matchConditions"].clone();
    assert_eq!(read(&made)[0]["expression"], condition);
    let more = json!([
        {"name": "expression-1", "expression": condition},
        {"name": "expression-2", "expression": "object.metadata.name == 'skip-me'"},
    ]);
    let mut object = subject.api.get(&name).await.unwrap();
    object.data["webhooks"][0]["matchConditions"] = more.clone();
    let options = PostParams::default();
    subject.api.replace(&name, &options, &object).await.unwrap();
    assert_eq!(read(&subject.api.get(&name).await.unwrap()), more);
    let patch = json!([
        {"op": "remove", "path": "/webhooks/0/matchConditions/0"},
    ]);
    let patch = Patch::<()>::Json(serde_json::from_value(patch).unwrap());
    let options = PatchParams::default();
    let patched = subject.api.patch(&name, &options, &patch).await.unwrap();
    assert_eq!(read(&patched), json!([more[1]]));
    subject.delete(&name).await;
    subject.gone(&name).await;
}

#[tokio::test]
async fn mutating_webhooks_keep_their_match_conditions() {
    let world = World::new("mutating-conditions").await;
    keep_their_match_conditions(&world, "MutatingWebhookConfiguration").await;
}

#[tokio::test]
async fn validating_webhooks_keep_their_match_conditions() {
    let world = World::new("validating-conditions").await;
    keep_their_match_conditions(&world, "ValidatingWebhookConfiguration").await;
}
