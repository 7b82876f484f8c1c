//! Nodes and what is kept about them, without a kubelet.

use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use skerry_tests_conformance::{Subject, World, containers};
use skerry_tests_kube_rs::refusal;

#[tokio::test]
async fn nodes_have_every_operation() {
    let world = World::new("nodes").await;
    let manifest = json!({"apiVersion": "v1", "kind": "Node"});
    let subject = Subject::new(&world, manifest).await;
    assert_eq!(subject.subresources(), ["proxy", "status"]);
    subject.every_operation().await;
    let condition = json!({
        "type": "Ready", "status": "False", "reason": "Testing", "message": "as told",
        "lastHeartbeatTime": "2026-01-02T03:04:05Z", "lastTransitionTime": "2026-01-02T03:04:05Z",
    });
    let status = json!({"capacity": {"example.com/fakecpu": "1k"}, "conditions": [condition]});
    subject.has_a_status(status).await;
}

#[tokio::test]
async fn leases_have_every_operation() {
    let world = World::new("leases").await;
    let manifest = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "spec": {
            "holderIdentity": "holder", "leaseDurationSeconds": 30,
            "acquireTime": "2026-01-02T03:04:05.000006Z", "leaseTransitions": 0,
        },
    });
    let subject = Subject::new(&world, manifest).await;
    subject.every_operation().await;

    let made = subject.create("held").await;
    let mut object = made.clone();
    object.data["spec"]["renewTime"] = json!("2026-01-02T03:04:35.000006Z");
    object.data["spec"]["leaseTransitions"] = json!(1);
    let options = PostParams::default();
    subject
        .api
        .replace("held", &options, &object)
        .await
        .unwrap();
    let read = subject.api.get("held").await.unwrap();
    assert_eq!(read.data["spec"], object.data["spec"]);
    let patch = Patch::Strategic(json!({"spec": {"holderIdentity": "another"}}));
    let options = PatchParams::default();
    subject.api.patch("held", &options, &patch).await.unwrap();
    let read = subject.api.get("held").await.unwrap();
    assert_eq!(read.data["spec"]["holderIdentity"], "another");
    assert_eq!(read.data["spec"]["leaseTransitions"], 1);
}

fn runtime_class(overhead: bool) -> Value {
    let mut manifest = json!({
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "handler": "runc",
    });
    if overhead {
        manifest["overhead"] = json!({"podFixed": {"cpu": "10m", "memory": "1Mi"}});
    }
    manifest
}

#[tokio::test]
async fn runtime_classes_have_every_operation() {
    let world = World::new("runtime-classes").await;
    let subject = Subject::new(&world, runtime_class(false)).await;
    subject.every_operation().await;
}

async fn pod_of(world: &World, name: &str, class: &str) -> kube::Result<DynamicObject> {
    let pods: Api<DynamicObject> = world.dynamic(("", "v1", "Pod", "pods"), true);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"runtimeClassName": class, "containers": containers()},
    });
    let pod: DynamicObject = serde_json::from_value(pod).unwrap();
    pods.create(&PostParams::default(), &pod).await
}

#[tokio::test]
async fn pods_of_a_runtime_class_that_is_not_there_are_refused() {
    let world = World::new("no-runtime-class").await;
    let status = refusal(pod_of(&world, "never", "never-there").await);
    assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
    assert!(
        status
            .message
            .contains("RuntimeClass \"never-there\" not found"),
        "{status:?}"
    );

    let subject = Subject::new(&world, runtime_class(false)).await;
    let name = "no-runtime-class-deleted";
    subject.create(name).await;
    pod_of(&world, "in-time", name).await.unwrap();
    subject.delete(name).await;
    subject.gone(name).await;
    let status = refusal(pod_of(&world, "late", name).await);
    assert!(status.message.contains("not found"), "{status:?}");
}

#[tokio::test]
async fn pods_get_the_overhead_of_their_runtime_class() {
    let world = World::new("overhead").await;
    for (name, overhead) in [
        ("overhead-some", json!({"cpu": "10m", "memory": "1Mi"})),
        ("overhead-none", Value::Null),
    ] {
        let class = runtime_class(overhead != Value::Null);
        let subject = Subject::new(&world, class).await;
        subject.create(name).await;
        let made = pod_of(&world, name, name).await.unwrap();
        assert_eq!(made.data["spec"]["overhead"], overhead);
        subject.delete(name).await;
    }
}

#[tokio::test]
async fn priority_classes_keep_their_value() {
    let world = World::new("priority-classes").await;
    let manifest = json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": 1,
    });
    let subject = Subject::new(&world, manifest).await;
    subject.every_operation().await;

    let name = "priority-classes-kept";
    subject.create(name).await;
    let options = PatchParams::default();
    let patch = |patch: Value| Patch::Merge(patch);
    let changed = patch(json!({"description": "changed"}));
    let changed = subject.api.patch(name, &options, &changed).await.unwrap();
    assert_eq!(changed.data["description"], "changed");
    let status = refusal(
        subject
            .api
            .patch(name, &options, &patch(json!({"value": 2})))
            .await,
    );
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert!(
        status
            .message
            .contains("value: Forbidden: may not be changed in an update.")
    );
    let mut object = changed.clone();
    object.data["value"] = json!(2);
    let refused = subject
        .api
        .replace(name, &PostParams::default(), &object)
        .await;
    assert_eq!(refusal(refused).code, 422);
    let deletion = DeleteParams::default();
    subject.api.delete(name, &deletion).await.unwrap();
}
