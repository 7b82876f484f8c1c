//! ConfigMaps and Secrets.

use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use skerry_tests_conformance::{Subject, World};
use skerry_tests_kube_rs::refusal;

fn manifest(kind: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": kind, "data": data})
}

#[tokio::test]
async fn config_maps_have_every_operation() {
    let world = World::new("config-maps").await;
    let subject = Subject::new(&world, manifest("ConfigMap", json!({"a": "1"}))).await;
    subject.every_operation().await;
    subject.create("lived").await;
    let options = PatchParams::default();
    let patch = Patch::Strategic(json!({"data": {"a": "2"}, "metadata": {"labels": {"x": "y"}}}));
    subject.api.patch("lived", &options, &patch).await.unwrap();
    let mut object = subject.api.get("lived").await.unwrap();
    assert_eq!(object.data["data"], json!({"a": "2"}));
    object.data["data"] = json!({"b": "3"});
    let options = PostParams::default();
    subject
        .api
        .replace("lived", &options, &object)
        .await
        .unwrap();
    let read = subject.api.get("lived").await.unwrap();
    assert_eq!(read.data["data"], json!({"b": "3"}));
}

#[tokio::test]
async fn secrets_have_every_operation() {
    let world = World::new("secrets").await;
    let subject = Subject::new(&world, manifest("Secret", json!({"a": "djE="}))).await;
    subject.every_operation().await;
    let made = subject.create("lived").await;
    assert_eq!(made.data["type"], "Opaque");
    let options = PatchParams::default();
    let patch = Patch::Strategic(json!({"data": {"a": "djI="}}));
    subject.api.patch("lived", &options, &patch).await.unwrap();
    let read = subject.api.get("lived").await.unwrap();
    assert_eq!(read.data["data"], json!({"a": "djI="}));
}

#[tokio::test]
async fn an_empty_key_is_refused() {
    let world = World::new("empty-keys").await;
    for (kind, plural) in [("ConfigMap", "configmaps"), ("Secret", "secrets")] {
        let api: Api<DynamicObject> = world.dynamic(("", "v1", kind, plural), true);
        let object = manifest(kind, json!({"": "djE="}));
        let mut object: DynamicObject = serde_json::from_value(object).unwrap();
        object.metadata.name = Some("empty".into());
        let status = refusal(api.create(&PostParams::default(), &object).await);
        assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
        assert!(
            status.message.contains("data[]: Invalid value: \"\""),
            "{status:?}"
        );
    }
}

#[tokio::test]
async fn immutable_objects_stay_as_they_are() {
    let world = World::new("immutable").await;
    for kind in ["ConfigMap", "Secret"] {
        let subject = Subject::new(&world, manifest(kind, json!({"a": "djE="}))).await;
        let mut object = subject.create("kept").await;
        let options = PostParams::default();
        object.data["data"] = json!({"a": "djI="});
        let mut object = subject
            .api
            .replace("kept", &options, &object)
            .await
            .unwrap();
        object.data["immutable"] = json!(true);
        let object = subject
            .api
            .replace("kept", &options, &object)
            .await
            .unwrap();

        let mut other = object.clone();
        other.data["data"] = json!({"a": "djM="});
        let status = refusal(subject.api.replace("kept", &options, &other).await);
        assert_eq!(status.reason, "Invalid");
        let message = "field is immutable when `immutable` is set";
        assert!(status.message.contains(message), "{status:?}");
        let mut other = object.clone();
        other.data["immutable"] = json!(false);
        let status = refusal(subject.api.replace("kept", &options, &other).await);
        assert!(status.message.contains(message), "{status:?}");

        let mut other = object.clone();
        other.labels_mut().insert("x".into(), "y".into());
        subject.api.replace("kept", &options, &other).await.unwrap();
        subject.delete("kept").await;
        subject.gone("kept").await;
    }
}
