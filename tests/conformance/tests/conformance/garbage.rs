//! What happens to the owned when their owner goes. The controllers that make pods for their
//! owners are not here: the test makes them.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Pod, ReplicationController};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;
use skerry_tests_conformance::{World, containers};
use skerry_tests_harness::eventually_async;
use skerry_tests_kube_rs::DEADLINE;

fn template() -> serde_json::Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers()}})
}

async fn deployment(world: &World, name: &str) -> Deployment {
    let object = json!({
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template()},
    });
    let object = serde_json::from_value(object).unwrap();
    let api: Api<Deployment> = world.api();
    api.create(&PostParams::default(), &object).await.unwrap()
}

async fn replication_controller(world: &World, name: &str) -> ReplicationController {
    let object = json!({
        "metadata": {"name": name},
        "spec": {"selector": {"app": "web"}, "template": template()},
    });
    let object = serde_json::from_value(object).unwrap();
    let api: Api<ReplicationController> = world.api();
    api.create(&PostParams::default(), &object).await.unwrap()
}

async fn replica_set(world: &World, name: &str, owner: OwnerReference) -> ReplicaSet {
    let object = json!({
        "metadata": {"name": name, "ownerReferences": [owner]},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template()},
    });
    let object = serde_json::from_value(object).unwrap();
    let api: Api<ReplicaSet> = world.api();
    api.create(&PostParams::default(), &object).await.unwrap()
}

async fn pod(world: &World, name: &str, owners: Vec<OwnerReference>) -> Pod {
    let object = json!({
        "metadata": {"name": name, "ownerReferences": owners},
        "spec": {"containers": containers()},
    });
    let object = serde_json::from_value(object).unwrap();
    let pods: Api<Pod> = world.api();
    pods.create(&PostParams::default(), &object).await.unwrap()
}

fn owner<K: Resource<DynamicType = ()>>(object: &K) -> OwnerReference {
    let mut reference = object.controller_owner_ref(&()).unwrap();
    reference.block_owner_deletion = Some(true);
    reference
}

fn other_owner<K: Resource<DynamicType = ()>>(object: &K) -> OwnerReference {
    OwnerReference {
        controller: None,
        ..owner(object)
    }
}

async fn names(pods: &Api<Pod>) -> Vec<String> {
    let found = pods.list(&ListParams::default()).await.unwrap().items;
    let mut names: Vec<_> = found.iter().map(ResourceExt::name_any).collect();
    names.sort();
    names
}

async fn until_no_pods(world: &World) {
    let pods: Api<Pod> = world.api();
    eventually_async("the pods are gone", DEADLINE, || async {
        let left = names(&pods).await;
        anyhow::ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn what_a_deployment_made_is_deleted_after_it() {
    let world = World::new("gc-deployment").await;
    let deployment = deployment(&world, "web").await;
    let set = replica_set(&world, "web-1", owner(&deployment)).await;
    pod(&world, "web-1-a", vec![owner(&set)]).await;
    let deployments: Api<Deployment> = world.api();
    deployments
        .delete("web", &DeleteParams::background())
        .await
        .unwrap();
    assert!(
        deployments.get_opt("web").await.unwrap().is_none(),
        "at once"
    );
    let sets: Api<ReplicaSet> = world.api();
    eventually_async("the set is gone", DEADLINE, || async {
        anyhow::ensure!(sets.get_opt("web-1").await?.is_none());
        Ok(())
    })
    .await
    .unwrap();
    until_no_pods(&world).await;
}

#[tokio::test]
async fn what_a_replication_controller_made_is_deleted_after_it() {
    let world = World::new("gc-controller").await;
    let controller = replication_controller(&world, "web").await;
    for name in ["a", "b"] {
        pod(&world, name, vec![owner(&controller)]).await;
    }
    let controllers: Api<ReplicationController> = world.api();
    controllers
        .delete("web", &DeleteParams::background())
        .await
        .unwrap();
    until_no_pods(&world).await;
}

#[tokio::test]
async fn an_owner_deleted_in_the_foreground_goes_last() {
    let world = World::new("gc-foreground").await;
    let controller = replication_controller(&world, "web").await;
    let pods: Api<Pod> = world.api();
    pod(&world, "free", vec![owner(&controller)]).await;
    pod(&world, "held", vec![owner(&controller)]).await;
    let held = Patch::Merge(json!({"metadata": {"finalizers": ["example.test/held"]}}));
    pods.patch("held", &PatchParams::default(), &held)
        .await
        .unwrap();
    let controllers: Api<ReplicationController> = world.api();
    controllers
        .delete("web", &DeleteParams::foreground())
        .await
        .unwrap();
    eventually_async("one pod is gone, the other is to go", DEADLINE, || async {
        let left = names(&pods).await;
        anyhow::ensure!(left == ["held"], "{left:?}");
        let held = pods.get("held").await?;
        anyhow::ensure!(held.metadata.deletion_timestamp.is_some());
        Ok(())
    })
    .await
    .unwrap();
    let waiting = controllers.get("web").await.unwrap();
    assert_eq!(waiting.finalizers(), ["foregroundDeletion"]);
    assert!(waiting.metadata.deletion_timestamp.is_some());
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    pods.patch("held", &PatchParams::default(), &free)
        .await
        .unwrap();
    eventually_async("then the owner goes", DEADLINE, || async {
        anyhow::ensure!(controllers.get_opt("web").await?.is_none());
        Ok(())
    })
    .await
    .unwrap();
    until_no_pods(&world).await;
}

#[tokio::test]
async fn what_has_another_owner_stays() {
    let world = World::new("gc-two-owners").await;
    let ending = replication_controller(&world, "ending").await;
    let staying = replication_controller(&world, "staying").await;
    for number in 0..4 {
        let mut owners = vec![owner(&ending)];
        if number % 2 == 0 {
            owners.push(other_owner(&staying));
        }
        pod(&world, &format!("p{number}"), owners).await;
    }
    let controllers: Api<ReplicationController> = world.api();
    controllers
        .delete("ending", &DeleteParams::foreground())
        .await
        .unwrap();
    eventually_async("the owner is gone", DEADLINE, || async {
        anyhow::ensure!(controllers.get_opt("ending").await?.is_none());
        Ok(())
    })
    .await
    .unwrap();
    let pods: Api<Pod> = world.api();
    assert_eq!(names(&pods).await, ["p0", "p2"]);
    for name in ["p0", "p2"] {
        let pod = pods.get(name).await.unwrap();
        assert_eq!(pod.metadata.deletion_timestamp, None);
        let owners = pod.owner_references();
        assert_eq!(owners.len(), 1);
        assert_eq!(owners[0].name, "staying");
    }
}

#[tokio::test]
async fn a_circle_of_owners_is_deleted() {
    let world = World::new("gc-circle").await;
    let pods: Api<Pod> = world.api();
    let mut made = Vec::new();
    for name in ["p1", "p2", "p3"] {
        made.push(pod(&world, name, vec![]).await);
    }
    for (name, owner) in [("p1", 2), ("p2", 0), ("p3", 1)] {
        let references = json!([other_owner(&made[owner])]);
        let patch = Patch::Merge(json!({"metadata": {"ownerReferences": references}}));
        pods.patch(name, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }
    pods.delete("p1", &DeleteParams::foreground())
        .await
        .unwrap();
    until_no_pods(&world).await;
}

#[tokio::test]
async fn what_a_deployment_made_is_orphaned_on_request() {
    let world = World::new("gc-orphan-set").await;
    let deployment = deployment(&world, "web").await;
    let set = replica_set(&world, "web-1", owner(&deployment)).await;
    pod(&world, "web-1-a", vec![owner(&set)]).await;
    let deployments: Api<Deployment> = world.api();
    deployments
        .delete("web", &DeleteParams::orphan())
        .await
        .unwrap();
    let sets: Api<ReplicaSet> = world.api();
    eventually_async("the set has no owner", DEADLINE, || async {
        anyhow::ensure!(deployments.get_opt("web").await?.is_none());
        anyhow::ensure!(sets.get("web-1").await?.owner_references().is_empty());
        Ok(())
    })
    .await
    .unwrap();
    let pods: Api<Pod> = world.api();
    assert_eq!(names(&pods).await, ["web-1-a"]);
    assert_eq!(
        pods.get("web-1-a").await.unwrap().owner_references().len(),
        1
    );
}

#[tokio::test]
async fn what_a_replication_controller_made_is_orphaned_on_request() {
    let world = World::new("gc-orphan-pods").await;
    let controller = replication_controller(&world, "web").await;
    for number in 0..20 {
        pod(&world, &format!("p{number:02}"), vec![owner(&controller)]).await;
    }
    let controllers: Api<ReplicationController> = world.api();
    controllers
        .delete("web", &DeleteParams::orphan())
        .await
        .unwrap();
    let pods: Api<Pod> = world.api();
    eventually_async("the owner is gone", DEADLINE, || async {
        anyhow::ensure!(controllers.get_opt("web").await?.is_none());
        Ok(())
    })
    .await
    .unwrap();
    let left = pods.list(&ListParams::default()).await.unwrap().items;
    assert_eq!(left.len(), 20);
    for pod in left {
        assert!(pod.owner_references().is_empty());
        assert_eq!(pod.metadata.deletion_timestamp, None);
    }
}
