//! LimitRanges, and what they do to pods.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use skerry_tests_conformance::{Subject, World};
use skerry_tests_kube_rs::refusal;

fn manifest() -> Value {
    let amount = |cpu: &str, memory: &str, storage: &str| json!({"cpu": cpu, "memory": memory, "ephemeral-storage": storage});
    json!({
        "apiVersion": "v1",
        "kind": "LimitRange",
        "spec": {"limits": [{
            "type": "Container",
            "min": amount("50m", "100Mi", "100Gi"),
            "max": amount("500m", "500Mi", "500Gi"),
            "default": amount("500m", "500Mi", "500Gi"),
            "defaultRequest": amount("100m", "200Mi", "200Gi"),
        }]},
    })
}

#[tokio::test]
async fn limit_ranges_have_every_operation() {
    let world = World::new("limit-ranges").await;
    let subject = Subject::new(&world, manifest()).await;
    subject.every_operation().await;
}

async fn create(world: &World, name: &str, resources: Value) -> kube::Result<Value> {
    let pods: Api<DynamicObject> = world.dynamic(("", "v1", "Pod", "pods"), true);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [
            {"name": "main", "image": "example.test/web", "resources": resources},
        ]},
    });
    let pod: DynamicObject = serde_json::from_value(pod).unwrap();
    let made = pods.create(&PostParams::default(), &pod).await?;
    Ok(made.data["spec"]["containers"][0]["resources"].clone())
}

#[tokio::test]
async fn pods_get_the_defaults_and_are_held_to_the_limits() {
    let world = World::new("limits").await;
    let subject = Subject::new(&world, manifest()).await;
    subject.create("range").await;
    let limits = json!({"cpu": "500m", "memory": "500Mi", "ephemeral-storage": "500Gi"});
    let requests = json!({"cpu": "100m", "memory": "200Mi", "ephemeral-storage": "200Gi"});
    let made = create(&world, "defaulted", json!({})).await.unwrap();
    assert_eq!(made, json!({"limits": limits, "requests": requests}));

    let partial = json!({
        "requests": {"cpu": "50m", "memory": "100Mi", "ephemeral-storage": "100Gi"},
        "limits": {"cpu": "300m"},
    });
    let made = create(&world, "partial", partial).await.unwrap();
    let limits = json!({"cpu": "300m", "memory": "500Mi", "ephemeral-storage": "500Gi"});
    let requests = json!({"cpu": "50m", "memory": "100Mi", "ephemeral-storage": "100Gi"});
    assert_eq!(made, json!({"limits": limits, "requests": requests}));

    let less = json!({"requests": {"cpu": "10m", "memory": "50Mi", "ephemeral-storage": "50Gi"}});
    let status = refusal(create(&world, "less", less).await);
    assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
    assert!(
        status
            .message
            .contains("minimum cpu usage per Container is 50m")
    );
    let more = json!({"limits": {"cpu": "600m", "memory": "600Mi", "ephemeral-storage": "600Gi"}});
    let status = refusal(create(&world, "more", more).await);
    assert!(
        status
            .message
            .contains("maximum cpu usage per Container is 500m")
    );

    // An updated range holds for what comes next.
    let lower = json!([{
        "type": "Container",
        "min": {"cpu": "9m", "memory": "49Mi", "ephemeral-storage": "49Gi"},
    }]);
    let patch = Patch::Merge(json!({"spec": {"limits": lower}}));
    let options = PatchParams::default();
    subject.api.patch("range", &options, &patch).await.unwrap();
    let less = json!({"requests": {"cpu": "10m", "memory": "50Mi", "ephemeral-storage": "50Gi"}});
    create(&world, "less", less).await.unwrap();
    subject.delete("range").await;
    subject.gone("range").await;
    let free = create(&world, "free", json!({})).await.unwrap();
    assert_eq!(free, json!({}));
    let pods: Api<Pod> = world.api();
    assert_eq!(pods.list(&Default::default()).await.unwrap().items.len(), 4);
}
