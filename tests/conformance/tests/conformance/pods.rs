//! Pods and their templates, as far as they go without a kubelet.

use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt, api::DynamicObject};
use serde_json::{Value, json};
use skerry_tests_conformance::{Subject, World, containers};
use skerry_tests_kube_rs::refusal;

fn pod(spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "spec": spec})
}

#[tokio::test]
async fn pods_have_every_operation() {
    let world = World::new("pods").await;
    let subject = Subject::new(&world, pod(json!({"containers": containers()}))).await;
    let subresources = [
        "attach",
        "binding",
        "ephemeralcontainers",
        "eviction",
        "exec",
        "log",
        "portforward",
        "proxy",
        "resize",
        "status",
    ];
    assert_eq!(subject.subresources(), subresources);
    subject.every_operation().await;
    let ready = json!({"type": "Ready", "status": "False"});
    let status = json!({"message": "Patched by e2e test", "reason": "E2E", "conditions": [ready]});
    subject.has_a_status(status).await;
}

#[tokio::test]
async fn templates_have_every_operation() {
    let world = World::new("pod-templates").await;
    let manifest = json!({
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "template": {"spec": {"containers": containers()}},
    });
    Subject::new(&world, manifest).await.every_operation().await;
}

#[tokio::test]
async fn the_class_of_service_follows_from_resources() {
    let world = World::new("classes-of-service").await;
    let both = json!({"cpu": "100m", "memory": "100Mi"});
    for (name, resources, class) in [
        (
            "guaranteed",
            json!({"limits": both, "requests": both}),
            "Guaranteed",
        ),
        ("burstable", json!({"requests": both}), "Burstable"),
        ("best-effort", json!({}), "BestEffort"),
    ] {
        let mut containers = containers();
        containers[0]["resources"] = resources;
        let subject = Subject::new(&world, pod(json!({"containers": containers}))).await;
        let made = subject.create(name).await;
        assert_eq!(made.data["status"]["qosClass"], class);
    }
}

#[tokio::test]
async fn the_generation_is_counted() {
    let world = World::new("pod-generation").await;
    let spec = json!({"nodeName": "node-1", "containers": containers()});
    let mut manifest = pod(spec);
    manifest["metadata"] = json!({"generation": 100});
    let subject = Subject::new(&world, manifest).await;
    let made = subject.create("counted").await;
    assert_eq!(
        made.metadata.generation,
        Some(1),
        "not the client's to choose"
    );
    let options = PatchParams::default();
    let change = async |patch: Value| {
        let patched = subject
            .api
            .patch("counted", &options, &Patch::Strategic(patch))
            .await;
        patched.unwrap().metadata.generation
    };
    let other = json!({"metadata": {"labels": {"x": "y"}}});
    assert_eq!(
        change(other).await,
        Some(1),
        "labels are not what is wanted"
    );
    let image = json!({"spec": {"containers": [{"name": "main", "image": "example.test/new"}]}});
    assert_eq!(change(image.clone()).await, Some(2));
    assert_eq!(change(image).await, Some(2), "nothing changed");
    let deadline = json!({"spec": {"activeDeadlineSeconds": 3000}});
    assert_eq!(change(deadline).await, Some(3));
    let status = Patch::Merge(json!({"status": {"observedGeneration": 3}}));
    let patched = subject.api.patch_status("counted", &options, &status).await;
    assert_eq!(patched.unwrap().metadata.generation, Some(3));

    let graceful = DeleteParams::default().grace_period(100);
    subject.api.delete("counted", &graceful).await.unwrap();
    let ending = subject.api.get("counted").await.unwrap();
    assert!(ending.metadata.deletion_timestamp.is_some());
    assert_eq!(
        ending.metadata.generation,
        Some(4),
        "that it is to end is wanted"
    );
    subject.delete("counted").await;
    subject.gone("counted").await;
}

#[tokio::test]
async fn ephemeral_containers_are_added() {
    let world = World::new("ephemeral").await;
    let subject = Subject::new(&world, pod(json!({"containers": containers()}))).await;
    subject.create("debugged").await;
    let debugger = |name: &str| json!({"name": name, "image": "example.test/debugger"});
    let path = format!(
        "/api/v1/namespaces/{}/pods/debugged/ephemeralcontainers",
        world.namespace
    );
    let strategic = "application/strategic-merge-patch+json";
    let patch = json!({"spec": {"ephemeralContainers": [debugger("one")]}}).to_string();
    let patched = world
        .send(http::Method::PATCH, &path, strategic, patch)
        .await;
    let mut pod = patched.unwrap();
    let found = pod["spec"]["ephemeralContainers"].as_array_mut().unwrap();
    assert_eq!(found.len(), 1);
    found.push(debugger("two"));
    let replaced = world
        .send(
            http::Method::PUT,
            &path,
            "application/json",
            pod.to_string(),
        )
        .await
        .unwrap();
    let found = replaced["spec"]["ephemeralContainers"].as_array().unwrap();
    let names: Vec<_> = found.iter().map(|container| &container["name"]).collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(world.get(&path).await.unwrap()["spec"], replaced["spec"]);
}

#[tokio::test]
async fn sysctls_of_no_such_form_are_refused() {
    let world = World::new("sysctls").await;
    let sysctl = |name: &str| json!({"name": name, "value": "1"});
    let spec = json!({
        "containers": containers(),
        "securityContext": {"sysctls": [
            sysctl("foo-"), sysctl("kernel.shmmax"), sysctl("safe-and-unsafe"), sysctl("bar.."),
        ]},
    });
    let pods: Api<DynamicObject> = world.dynamic(("", "v1", "Pod", "pods"), true);
    let mut object: DynamicObject = serde_json::from_value(pod(spec)).unwrap();
    object.metadata.name = Some("refused".into());
    let status = refusal(pods.create(&PostParams::default(), &object).await);
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    let wrong = |name: &str| {
        status
            .message
            .contains(&format!("Invalid value: \"{name}\""))
    };
    assert!(wrong("foo-") && wrong("bar.."), "{}", status.message);
    assert!(!wrong("kernel.shmmax") && !wrong("safe-and-unsafe"));
    assert!(object.name_any() == "refused");
}
