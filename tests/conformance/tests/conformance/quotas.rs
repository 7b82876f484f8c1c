//! ResourceQuotas: what is counted, when, and for whom.

use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use skerry_tests_conformance::{Subject, World, containers};
use skerry_tests_harness::eventually_async;
use skerry_tests_kube_rs::{DEADLINE, refusal};

type Gvkp = (&'static str, &'static str, &'static str, &'static str);

const QUOTA: Gvkp = ("", "v1", "ResourceQuota", "resourcequotas");
const POD: Gvkp = ("", "v1", "Pod", "pods");

fn quota(hard: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": hard}})
}

async fn create(world: &World, kind: Gvkp, name: &str, mut object: Value) -> kube::Result<()> {
    object["metadata"]["name"] = json!(name);
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let api: Api<DynamicObject> = world.dynamic(kind, true);
    api.create(&PostParams::default(), &object).await.map(drop)
}

async fn delete(world: &World, kind: Gvkp, name: &str) {
    let now = DeleteParams::background().grace_period(0);
    let api: Api<DynamicObject> = world.dynamic(kind, true);
    api.delete(name, &now).await.unwrap();
}

/// Waits until the quota says that so much is used.
async fn until_used(world: &World, name: &str, used: Value) {
    let quotas: Api<DynamicObject> = world.dynamic(QUOTA, true);
    eventually_async("so much is used", DEADLINE, || async {
        let found = quotas.get(name).await?.data["status"]["used"].clone();
        for (resource, used) in used.as_object().unwrap() {
            anyhow::ensure!(found[resource] == *used, "{found}, not {used} {resource}");
        }
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn the_status_is_there_at_once() {
    let world = World::new("quota-status-new").await;
    let hard = json!({"pods": "5", "resourcequotas": "1", "secrets": "10", "requests.cpu": "1"});
    create(&world, QUOTA, "quota", quota(&hard)).await.unwrap();
    let used = json!({"pods": "0", "resourcequotas": "1", "secrets": "0", "requests.cpu": "0"});
    until_used(&world, "quota", used).await;
    let quotas: Api<DynamicObject> = world.dynamic(QUOTA, true);
    let read = quotas.get("quota").await.unwrap();
    assert_eq!(read.data["status"]["hard"], hard);
}

/// One of a kind is counted while it is there.
async fn is_counted(world: &World, kind: Gvkp, resource: &str, object: Value) {
    create(world, QUOTA, "quota", quota(&json!({resource: "2"})))
        .await
        .unwrap();
    until_used(world, "quota", json!({resource: "0"})).await;
    create(world, kind, "one", object.clone()).await.unwrap();
    until_used(world, "quota", json!({resource: "1"})).await;
    create(world, kind, "two", object.clone()).await.unwrap();
    let status = refusal(create(world, kind, "three", object).await);
    assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
    let message = format!(
        "exceeded quota: quota, requested: {resource}=1, used: {resource}=2, limited: {resource}=2"
    );
    assert!(status.message.contains(&message), "{}", status.message);
    delete(world, kind, "two").await;
    delete(world, kind, "one").await;
    until_used(world, "quota", json!({resource: "0"})).await;
}

#[tokio::test]
async fn secrets_are_counted() {
    let world = World::new("quota-secrets").await;
    let secret = json!({"data": {"a": "djE="}});
    is_counted(&world, ("", "v1", "Secret", "secrets"), "secrets", secret).await;
}

#[tokio::test]
async fn config_maps_are_counted() {
    let world = World::new("quota-maps").await;
    // The authority's is one of them.
    let hard = json!({"configmaps": "2", "count/configmaps": "2"});
    create(&world, QUOTA, "quota", quota(&hard)).await.unwrap();
    until_used(&world, "quota", json!({"configmaps": "1"})).await;
    let map = json!({"data": {"a": "1"}});
    let kind = ("", "v1", "ConfigMap", "configmaps");
    create(&world, kind, "one", map.clone()).await.unwrap();
    until_used(
        &world,
        "quota",
        json!({"configmaps": "2", "count/configmaps": "2"}),
    )
    .await;
    let status = refusal(create(&world, kind, "two", map).await);
    assert!(status.message.contains("exceeded quota"), "{status:?}");
    delete(&world, kind, "one").await;
    until_used(
        &world,
        "quota",
        json!({"configmaps": "1", "count/configmaps": "1"}),
    )
    .await;
}

fn template() -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers()}})
}

#[tokio::test]
async fn replica_sets_are_counted() {
    let world = World::new("quota-sets").await;
    let set = json!({"spec": {
        "replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": template(),
    }});
    let kind = ("apps", "v1", "ReplicaSet", "replicasets");
    is_counted(&world, kind, "count/replicasets.apps", set).await;
}

#[tokio::test]
async fn replication_controllers_are_counted() {
    let world = World::new("quota-controllers").await;
    let controller = json!({"spec": {
        "replicas": 0, "selector": {"app": "web"}, "template": template(),
    }});
    let kind = ("", "v1", "ReplicationController", "replicationcontrollers");
    is_counted(&world, kind, "replicationcontrollers", controller).await;
}

#[tokio::test]
async fn services_are_counted_by_type() {
    let world = World::new("quota-services").await;
    let hard = json!({"services": "10", "services.nodeports": "1", "services.loadbalancers": "1"});
    create(&world, QUOTA, "quota", quota(&hard)).await.unwrap();
    let kind = ("", "v1", "Service", "services");
    let service = |of: &str| json!({"spec": {"type": of, "ports": [{"port": 80}]}});
    create(&world, kind, "plain", service("ClusterIP"))
        .await
        .unwrap();
    create(&world, kind, "ports", service("NodePort"))
        .await
        .unwrap();
    let used = json!({"services": "2", "services.nodeports": "1", "services.loadbalancers": "0"});
    until_used(&world, "quota", used).await;
    // A balancer takes a port of every node as well.
    for of in ["LoadBalancer", "NodePort"] {
        let status = refusal(create(&world, kind, "more", service(of)).await);
        assert!(
            status.message.contains("services.nodeports=1"),
            "{}",
            status.message
        );
    }
    delete(&world, kind, "plain").await;
    delete(&world, kind, "ports").await;
    let used = json!({"services": "0", "services.nodeports": "0", "services.loadbalancers": "0"});
    until_used(&world, "quota", used).await;
}

fn pod(requests: Value, limits: Value) -> Value {
    let mut containers = containers();
    containers[0]["resources"] = json!({"requests": requests, "limits": limits});
    json!({"spec": {"containers": containers}})
}

#[tokio::test]
async fn pods_are_counted_with_what_they_ask_for() {
    let world = World::new("quota-pods").await;
    let hard = json!({
        "pods": "5", "cpu": "1", "memory": "500Mi", "requests.ephemeral-storage": "50Gi",
        "requests.example.com/dongle": "3",
    });
    create(&world, QUOTA, "quota", quota(&hard)).await.unwrap();
    let nothing = json!({
        "pods": "0", "cpu": "0", "memory": "0", "requests.ephemeral-storage": "0",
        "requests.example.com/dongle": "0",
    });
    until_used(&world, "quota", nothing.clone()).await;
    let dongles = json!({"example.com/dongle": "2"});
    let mut requests = json!({"cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi"});
    requests["example.com/dongle"] = json!("2");
    create(&world, POD, "fits", pod(requests.clone(), dongles.clone()))
        .await
        .unwrap();
    let used = json!({
        "pods": "1", "cpu": "500m", "memory": "252Mi", "requests.ephemeral-storage": "30Gi",
        "requests.example.com/dongle": "2",
    });
    until_used(&world, "quota", used.clone()).await;

    let mut more = requests.clone();
    more["cpu"] = json!("600m");
    let status = refusal(create(&world, POD, "more", pod(more, dongles.clone())).await);
    assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
    assert!(
        status.message.contains("requested: cpu=600m"),
        "{}",
        status.message
    );
    let mut more = json!({"cpu": "500m", "memory": "100Mi", "ephemeral-storage": "10Gi"});
    more["example.com/dongle"] = json!("2");
    let status = refusal(create(&world, POD, "more", pod(more, dongles)).await);
    let dongle = "requested: requests.example.com/dongle=2";
    assert!(status.message.contains(dongle), "{}", status.message);

    let pods: Api<DynamicObject> = world.dynamic(POD, true);
    let resources = json!({"requests": {"cpu": "600m"}});
    let patch = json!({"spec": {"containers": [{"name": "main", "resources": resources}]}});
    let options = PatchParams::default();
    let patched = pods.patch("fits", &options, &Patch::Strategic(patch)).await;
    assert_eq!(refusal(patched).code, 422, "not by this way");
    until_used(&world, "quota", used).await;
    delete(&world, POD, "fits").await;
    until_used(&world, "quota", nothing).await;
}

#[tokio::test]
async fn quotas_have_every_operation() {
    let world = World::new("quotas").await;
    let subject = Subject::new(&world, quota(&json!({"cpu": "1", "memory": "500Mi"}))).await;
    assert_eq!(subject.subresources(), ["status"]);
    subject.every_operation().await;
}

#[tokio::test]
async fn a_quota_is_updated_and_deleted() {
    let world = World::new("quota-updated").await;
    let hard = json!({"cpu": "1", "memory": "500Mi"});
    let subject = Subject::new(&world, quota(&hard)).await;
    let mut object = subject.create("quota").await;
    assert_eq!(object.data["spec"]["hard"], hard);
    let hard = json!({"cpu": "2", "memory": "1Gi"});
    object = subject.api.get("quota").await.unwrap();
    object.data["spec"]["hard"] = hard.clone();
    object.metadata.resource_version = None;
    let options = PostParams::default();
    subject
        .api
        .replace("quota", &options, &object)
        .await
        .unwrap();
    let read = subject.api.get("quota").await.unwrap();
    assert_eq!(read.data["spec"]["hard"], hard);
    until_used(&world, "quota", json!({"cpu": "0", "memory": "0"})).await;
    subject.delete("quota").await;
    subject.gone("quota").await;
}

#[tokio::test]
async fn the_status_is_patched_and_replaced() {
    let world = World::new("quota-status").await;
    // Of something that nobody counts: the status stays as the test writes it.
    let hard = json!({"cpu": "500m", "memory": "500Mi"});
    let subject = Subject::new(&world, quota(&hard)).await;
    subject.create("quota").await;
    until_used(&world, "quota", json!({"cpu": "0", "memory": "0"})).await;
    let options = PatchParams::default();
    let other = json!({"cpu": "100m", "memory": "100Mi"});
    let patch = Patch::Merge(json!({"spec": {"hard": other}, "status": {"hard": hard}}));
    let patched = subject
        .api
        .patch_status("quota", &options, &patch)
        .await
        .unwrap();
    assert_eq!(patched.data["spec"]["hard"], hard, "not by this way");
    assert_eq!(patched.data["status"]["hard"], hard);
    let patch = Patch::Merge(json!({"spec": {"hard": {"cpu": "1", "memory": "1Gi"}}}));
    subject.api.patch("quota", &options, &patch).await.unwrap();
    eventually_async("the status follows the spec", DEADLINE, || async {
        let read = subject.api.get_status("quota").await?;
        let wanted = json!({"cpu": "1", "memory": "1Gi"});
        anyhow::ensure!(read.data["status"]["hard"] == wanted, "{:?}", read.data);
        Ok(())
    })
    .await
    .unwrap();
    let mut object = subject.api.get("quota").await.unwrap();
    object.data["status"]["used"] = json!({"cpu": "10m", "memory": "10Mi"});
    let options = PostParams::default();
    let replaced = subject.api.replace_status("quota", &options, &object).await;
    assert_eq!(replaced.unwrap().data["status"]["used"]["cpu"], "10m");
}

async fn scoped(world: &World, name: &str, scope: &str, hard: Value) {
    let mut object = quota(&hard);
    object["spec"]["scopes"] = json!([scope]);
    create(world, QUOTA, name, object).await.unwrap();
}

#[tokio::test]
async fn best_effort_and_other_pods_are_told_apart() {
    let world = World::new("quota-effort").await;
    scoped(&world, "best", "BestEffort", json!({"pods": "5"})).await;
    scoped(&world, "not-best", "NotBestEffort", json!({"pods": "5"})).await;
    let (some, none) = (json!({"pods": "1"}), json!({"pods": "0"}));
    let resources = json!({"cpu": "100m", "memory": "100Mi"});
    for (resources, counts, other) in [
        (json!({}), "best", "not-best"),
        (resources, "not-best", "best"),
    ] {
        create(&world, POD, "one", pod(resources.clone(), resources))
            .await
            .unwrap();
        until_used(&world, counts, some.clone()).await;
        until_used(&world, other, none.clone()).await;
        delete(&world, POD, "one").await;
        until_used(&world, counts, none.clone()).await;
    }
}

#[tokio::test]
async fn terminating_and_other_pods_are_told_apart() {
    let world = World::new("quota-ending").await;
    let hard = json!({
        "pods": "5", "requests.cpu": "1", "requests.memory": "500Mi", "limits.cpu": "2",
        "limits.memory": "1Gi",
    });
    scoped(&world, "ending", "Terminating", hard.clone()).await;
    scoped(&world, "not-ending", "NotTerminating", hard).await;
    let some = json!({
        "pods": "1", "requests.cpu": "500m", "requests.memory": "200Mi", "limits.cpu": "1",
        "limits.memory": "400Mi",
    });
    let none = json!({
        "pods": "0", "requests.cpu": "0", "requests.memory": "0", "limits.cpu": "0",
        "limits.memory": "0",
    });
    for (deadline, counts, other) in [
        (None, "not-ending", "ending"),
        (Some(3600), "ending", "not-ending"),
    ] {
        let requests = json!({"cpu": "500m", "memory": "200Mi"});
        let limits = json!({"cpu": "1", "memory": "400Mi"});
        let mut pod = pod(requests, limits);
        pod["spec"]["activeDeadlineSeconds"] = json!(deadline);
        create(&world, POD, "one", pod).await.unwrap();
        until_used(&world, counts, some.clone()).await;
        until_used(&world, other, none.clone()).await;
        delete(&world, POD, "one").await;
        until_used(&world, counts, none.clone()).await;
    }
}
