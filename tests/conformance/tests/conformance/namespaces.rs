//! Namespaces and what goes with them.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Service};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use skerry_tests_conformance::{World, containers};
use skerry_tests_harness::eventually_async;
use skerry_tests_kube_rs::{DEADLINE, config_map, namespace, refusal};

fn all(world: &World) -> Api<Namespace> {
    Api::all(world.client.clone())
}

async fn gone(world: &World, name: &str) {
    eventually_async("the namespace is gone", DEADLINE, || async {
        let left = all(world).get_opt(name).await?;
        anyhow::ensure!(left.is_none(), "{left:?}");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_namespace_is_patched() {
    let world = World::new("ns-patched").await;
    let patch = Patch::Strategic(json!({"metadata": {"labels": {"testLabel": "testValue"}}}));
    let options = PatchParams::default();
    all(&world)
        .patch(&world.namespace, &options, &patch)
        .await
        .unwrap();
    let read = all(&world).get(&world.namespace).await.unwrap();
    assert_eq!(read.labels()["testLabel"], "testValue");
    assert_eq!(
        read.labels()["kubernetes.io/metadata.name"],
        world.namespace
    );
}

#[tokio::test]
async fn a_namespace_is_updated() {
    let world = World::new("ns-updated").await;
    let mut object = all(&world).get(&world.namespace).await.unwrap();
    object.labels_mut().insert("updated".into(), "yes".into());
    let options = PostParams::default();
    let updated = all(&world)
        .replace(&world.namespace, &options, &object)
        .await;
    assert_eq!(updated.unwrap().labels()["updated"], "yes");
}

#[tokio::test]
async fn the_status_is_patched_and_replaced() {
    let world = World::new("ns-status").await;
    let name = world.namespace.as_str();
    let read = all(&world).get_status(name).await.unwrap();
    assert_eq!(read.status.unwrap().phase.as_deref(), Some("Active"));
    let condition = |kind: &str| {
        json!({
            "type": kind, "status": "True", "reason": "E2E", "message": "as told",
            "lastTransitionTime": "2026-01-02T03:04:05Z",
        })
    };
    let patch = Patch::Merge(json!({"status": {"conditions": [condition("StatusPatch")]}}));
    let options = PatchParams::default();
    let patched = all(&world)
        .patch_status(name, &options, &patch)
        .await
        .unwrap();
    let conditions = patched.status.unwrap().conditions.unwrap();
    assert_eq!(conditions[0].type_, "StatusPatch");
    let mut object = all(&world).get(name).await.unwrap();
    let more = serde_json::from_value(condition("StatusUpdate")).unwrap();
    let status = object.status.as_mut().unwrap();
    status.conditions.as_mut().unwrap().push(more);
    let options = PostParams::default();
    let replaced = all(&world)
        .replace_status(name, &options, &object)
        .await
        .unwrap();
    assert_eq!(replaced.status.unwrap().conditions.unwrap().len(), 2);
}

#[tokio::test]
async fn finalizers_are_set_and_removed() {
    let world = World::new("ns-finalizers").await;
    let name = world.namespace.as_str();
    let path = format!("/api/v1/namespaces/{name}/finalize");
    let mut object = all(&world).get(name).await.unwrap();
    let fake = "e2e.example.com/fakeFinalizer".to_owned();
    let finalizers = object.spec.as_mut().unwrap().finalizers.as_mut().unwrap();
    assert_eq!(*finalizers, ["kubernetes"]);
    finalizers.push(fake.clone());
    let put = async |object: &Namespace| {
        let body = serde_json::to_vec(object).unwrap();
        let put = world
            .send(http::Method::PUT, &path, "application/json", body)
            .await;
        let object: Namespace = serde_json::from_value(put.unwrap()).unwrap();
        object
    };
    let mut object = put(&object).await;
    let finalizers = object.spec.as_mut().unwrap().finalizers.as_mut().unwrap();
    assert_eq!(*finalizers, ["kubernetes".to_owned(), fake.clone()]);
    finalizers.pop();
    let object = put(&object).await;
    assert_eq!(object.spec.unwrap().finalizers.unwrap(), ["kubernetes"]);

    // With one that nobody takes off it stays, whatever is deleted in it.
    let patch = Patch::Merge(json!({"metadata": {"finalizers": [fake]}}));
    all(&world)
        .patch(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
    all(&world)
        .delete(name, &DeleteParams::default())
        .await
        .unwrap();
    let ending = all(&world).get(name).await.unwrap();
    assert_eq!(ending.status.unwrap().phase.as_deref(), Some("Terminating"));
    let made = world
        .maps()
        .create(&PostParams::default(), &config_map("late", "a", "1"))
        .await;
    let status = refusal(made);
    assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
    assert!(status.message.contains("because it is being terminated"));
    eventually_async("what is in it goes", DEADLINE, || async {
        let left = world.maps().list(&ListParams::default()).await?.items;
        anyhow::ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })
    .await
    .unwrap();
    let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    all(&world)
        .patch(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
    gone(&world, name).await;
}

fn pod(name: &str) -> Pod {
    let pod = json!({"metadata": {"name": name}, "spec": {"containers": containers()}});
    serde_json::from_value(pod).unwrap()
}

/// Another namespace of that name, as clients do who were faster than the test.
async fn again(client: &Client, name: &str) {
    namespace(client, name).await;
}

#[tokio::test]
async fn pods_go_with_their_namespace() {
    let world = World::new("ns-pods").await;
    let pods: Api<Pod> = world.api();
    pods.create(&PostParams::default(), &pod("one"))
        .await
        .unwrap();
    all(&world)
        .delete(&world.namespace, &DeleteParams::default())
        .await
        .unwrap();
    gone(&world, &world.namespace).await;
    again(&world.client, &world.namespace).await;
    let left = pods.list(&ListParams::default()).await.unwrap().items;
    assert!(left.is_empty());
}

#[tokio::test]
async fn services_go_with_their_namespace() {
    let world = World::new("ns-services").await;
    let services: Api<Service> = world.api();
    let service = json!({"metadata": {"name": "one"}, "spec": {"ports": [{"port": 80}]}});
    let service = serde_json::from_value(service).unwrap();
    services
        .create(&PostParams::default(), &service)
        .await
        .unwrap();
    all(&world)
        .delete(&world.namespace, &DeleteParams::default())
        .await
        .unwrap();
    gone(&world, &world.namespace).await;
    again(&world.client, &world.namespace).await;
    let left = services.list(&ListParams::default()).await.unwrap().items;
    assert!(left.is_empty());
}

#[tokio::test]
async fn pods_go_before_everything_else() {
    let world = World::new("ns-ordered").await;
    let pods: Api<Pod> = world.api();
    let mut held = pod("held");
    held.finalizers_mut()
        .push("e2e.example.com/finalizer".into());
    pods.create(&PostParams::default(), &held).await.unwrap();
    let maps: Api<ConfigMap> = world.maps();
    maps.create(&PostParams::default(), &config_map("kept", "a", "1"))
        .await
        .unwrap();
    let name = world.namespace.as_str();
    all(&world)
        .delete(name, &DeleteParams::default())
        .await
        .unwrap();
    eventually_async("the namespace says what it waits for", DEADLINE, || async {
        let pod = pods.get("held").await?;
        anyhow::ensure!(pod.metadata.deletion_timestamp.is_some());
        let status = all(&world).get(name).await?.status.unwrap();
        let conditions = status.conditions.unwrap_or_default();
        let told = |kind: &str| {
            let mut found = conditions.iter();
            found.any(|found| found.type_ == kind && found.status == "True")
        };
        anyhow::ensure!(told("NamespaceContentRemaining"), "{conditions:?}");
        anyhow::ensure!(told("NamespaceFinalizersRemaining"), "{conditions:?}");
        Ok(())
    })
    .await
    .unwrap();
    let kept = maps.get("kept").await.unwrap();
    assert_eq!(
        kept.metadata.deletion_timestamp, None,
        "the pods come first"
    );
    let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    pods.patch("held", &PatchParams::default(), &patch)
        .await
        .unwrap();
    gone(&world, name).await;
}
