//! The crate's `Api`: every verb, patch and subresource, and what is refused.
#![allow(clippy::unwrap_used)]

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v1::Scale;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, EvictParams, GroupVersionKind, ListParams, LogParams,
    Patch, PatchParams, PostParams, Preconditions, VersionMatch, WatchEvent, WatchParams,
};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client, CustomResource, CustomResourceExt, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use skerry_tests_kube_rs::{client, config_map, namespace, refusal, servers};

/// A boat that somebody may want to keep in the cluster.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(
    group = "example.test",
    version = "v1",
    kind = "Boat",
    namespaced,
    status = "BoatStatus"
)]
struct BoatSpec {
    length: u32,
}

/// How it does.
#[derive(Serialize, Deserialize, Clone, Debug, Default, JsonSchema)]
struct BoatStatus {
    afloat: bool,
}

fn pod(name: &str) -> Pod {
    let pod = json!({
        "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": "example.test/web"}]},
    });
    serde_json::from_value(pod).unwrap()
}

async fn place(name: &str) -> (skerry_tests_harness::Cluster, Client, String) {
    let cluster = servers(1).await;
    let client = client(&cluster, 0).await;
    let namespace = namespace(&client, name).await;
    (cluster, client, namespace)
}

#[tokio::test]
async fn objects_are_created_read_replaced_and_deleted() {
    let (_cluster, client, namespace) = place("verbs").await;
    let maps: Api<ConfigMap> = Api::namespaced(client, &namespace);
    let post = PostParams::default();
    assert!(maps.get_opt("a").await.unwrap().is_none());
    let status = refusal(maps.get("a").await);
    assert_eq!((status.code, status.reason.as_str()), (404, "NotFound"));
    assert_eq!(status.message, "configmaps \"a\" not found");

    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    maps.create(&dry, &config_map("a", "x", "1")).await.unwrap();
    assert!(maps.get_opt("a").await.unwrap().is_none());
    let mut made = maps
        .create(&post, &config_map("a", "x", "1"))
        .await
        .unwrap();
    let status = refusal(maps.create(&post, &config_map("a", "x", "1")).await);
    assert_eq!(
        (status.code, status.reason.as_str()),
        (409, "AlreadyExists")
    );

    let old = made.clone();
    made.data.as_mut().unwrap().insert("y".into(), "2".into());
    let replaced = maps.replace("a", &post, &made).await.unwrap();
    assert_eq!(replaced.uid(), old.uid());
    assert_ne!(replaced.resource_version(), old.resource_version());
    let status = refusal(maps.replace("a", &post, &old).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));

    let wrong = Preconditions {
        uid: Some("another".into()),
        resource_version: None,
    };
    let guarded = DeleteParams::default().preconditions(wrong);
    let status = refusal(maps.delete("a", &guarded).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    let deleted = maps.delete("a", &DeleteParams::default()).await.unwrap();
    let status = deleted.right().expect("a status, where nothing is left");
    assert!(status.is_success());
    assert_eq!(status.details.unwrap().uid, replaced.uid().unwrap());
}

#[tokio::test]
async fn every_type_of_patch_works() {
    let (_cluster, client, namespace) = place("patches").await;
    let maps: Api<ConfigMap> = Api::namespaced(client, &namespace);
    let post = PostParams::default();
    maps.create(&post, &config_map("a", "x", "1"))
        .await
        .unwrap();
    let options = PatchParams::default();
    let merge = Patch::Merge(json!({"data": {"x": null, "y": "2"}}));
    let merged = maps.patch("a", &options, &merge).await.unwrap();
    assert_eq!(merged.data.unwrap(), [("y".into(), "2".into())].into());
    let strategic = Patch::Strategic(json!({"data": {"z": "3"}}));
    let merged = maps.patch("a", &options, &strategic).await.unwrap();
    assert_eq!(merged.data.unwrap().len(), 2);
    let operations = json!([{"op": "replace", "path": "/data/z", "value": "4"}]);
    let json = Patch::<()>::Json(serde_json::from_value(operations).unwrap());
    let patched = maps.patch("a", &options, &json).await.unwrap();
    assert_eq!(patched.data.unwrap()["z"], "4");

    let apply = |value: &str| {
        Patch::Apply(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"},
            "data": {"x": value},
        }))
    };
    let (one, two) = (PatchParams::apply("one"), PatchParams::apply("two"));
    maps.patch("applied", &one, &apply("1")).await.unwrap();
    let status = refusal(maps.patch("applied", &two, &apply("2")).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    assert_eq!(
        status.message,
        "Apply failed with 1 conflict: conflict with \"one\": .data.x"
    );
    let forced = maps.patch("applied", &two.force(), &apply("2")).await;
    assert_eq!(forced.unwrap().data.unwrap()["x"], "2");
    let strict = Patch::Apply(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "dat": {},
    }));
    let status = refusal(
        maps.patch("applied", &one.validation_strict(), &strict)
            .await,
    );
    // As upstream has it: the fault of whoever merges.
    assert_eq!(status.code, 500, "{status:?}");
    assert!(
        status
            .message
            .ends_with(".dat: field not declared in schema"),
        "{status:?}"
    );
}

#[tokio::test]
async fn lists_come_in_pages_and_collections_go_by_label() {
    let (_cluster, client, namespace) = place("lists").await;
    let maps: Api<ConfigMap> = Api::namespaced(client, &namespace);
    for number in 0..7 {
        let mut map = config_map(&format!("m{number}"), "x", "1");
        map.labels_mut()
            .insert("some".into(), (number % 2).to_string());
        maps.create(&PostParams::default(), &map).await.unwrap();
    }
    let mut names = Vec::new();
    let mut page = ListParams::default().labels("some").limit(3);
    let first = loop {
        let list = maps.list(&page).await.unwrap();
        names.extend(list.items.iter().map(ResourceExt::name_any));
        match list.metadata.continue_ {
            Some(token) if !token.is_empty() => page = page.continue_token(&token),
            _ => break list.metadata.resource_version.unwrap(),
        }
        let _ = maps.delete("m6", &DeleteParams::default()).await;
    };
    assert_eq!(names, ["m0", "m1", "m2", "m3", "m4", "m5", "m6"]);
    let exact = ListParams::default()
        .at(&first)
        .matching(VersionMatch::Exact);
    assert_eq!(maps.list(&exact).await.unwrap().items.len(), 8);
    let metadata = maps
        .list_metadata(&ListParams::default().labels("some=1"))
        .await
        .unwrap();
    let names: Vec<_> = metadata.items.iter().map(ResourceExt::name_any).collect();
    assert_eq!(names, ["m1", "m3", "m5"]);
    let one = maps.get_metadata("m1").await.unwrap();
    assert_eq!(one.labels()["some"], "1");
    let patch = Patch::Merge(json!({"metadata": {"labels": {"more": "yes"}}}));
    let patched = maps
        .patch_metadata("m1", &PatchParams::default(), &patch)
        .await
        .unwrap();
    assert_eq!(patched.labels()["more"], "yes");

    let odd = ListParams::default().labels("some=1");
    maps.delete_collection(&DeleteParams::default(), &odd)
        .await
        .unwrap();
    assert_eq!(maps.list(&odd).await.unwrap().items.len(), 0);
    assert_eq!(
        maps.list(&ListParams::default().labels("some"))
            .await
            .unwrap()
            .items
            .len(),
        3
    );
}

#[tokio::test]
async fn a_watch_tells_the_crates_types() {
    use futures_util::TryStreamExt;
    let (_cluster, client, namespace) = place("watches").await;
    let maps: Api<ConfigMap> = Api::namespaced(client, &namespace);
    let now = maps.list(&ListParams::default()).await.unwrap().metadata;
    let options = WatchParams::default().timeout(20);
    let since = now.resource_version.unwrap();
    let mut events = Box::pin(maps.watch(&options, &since).await.unwrap());
    let mut metadata = Box::pin(maps.watch_metadata(&options, &since).await.unwrap());
    maps.create(&PostParams::default(), &config_map("a", "x", "1"))
        .await
        .unwrap();
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(
        matches!(events.try_next().await.unwrap(), Some(WatchEvent::Added(map)) if map.data.is_some())
    );
    assert!(matches!(
        events.try_next().await.unwrap(),
        Some(WatchEvent::Deleted(_))
    ));
    assert!(
        matches!(metadata.try_next().await.unwrap(), Some(WatchEvent::Added(map)) if map.name_any() == "a")
    );
}

#[tokio::test]
async fn subresources_are_reached_on_their_own() {
    let (_cluster, client, namespace) = place("subresources").await;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
    let deployment = serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod("x").spec},
        },
    }));
    let post = PostParams::default();
    deployments
        .create(&post, &deployment.unwrap())
        .await
        .unwrap();
    let options = PatchParams::default();
    let two = Patch::Merge(json!({"spec": {"replicas": 2}}));
    let scale: Scale = deployments
        .patch_scale("web", &options, &two)
        .await
        .unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(2));
    let mut scale = deployments.get_scale("web").await.unwrap();
    assert_eq!(
        scale.status.as_ref().unwrap().selector.as_deref(),
        Some("app=web")
    );
    scale.spec.as_mut().unwrap().replicas = Some(5);
    deployments
        .replace_scale("web", &post, &scale)
        .await
        .unwrap();
    let live = deployments.get("web").await.unwrap();
    assert_eq!(live.spec.unwrap().replicas, Some(5));
    let restarted = deployments.restart("web").await.unwrap();
    let template = restarted.spec.unwrap().template.metadata.unwrap();
    assert!(
        template
            .annotations
            .unwrap()
            .contains_key("kube.kubernetes.io/restartedAt")
    );

    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    pods.create(&post, &pod("p")).await.unwrap();
    let running = Patch::Merge(json!({"status": {"phase": "Running"}, "spec": {"nodeName": "no"}}));
    let live = pods.patch_status("p", &options, &running).await.unwrap();
    assert_eq!(live.status.unwrap().phase.as_deref(), Some("Running"));
    assert_eq!(live.spec.unwrap().node_name, None);
    assert_eq!(pods.get_status("p").await.unwrap().name_any(), "p");
    // It is on no node: it has said nothing, and nobody can speak with it.
    assert_eq!(pods.logs("p", &LogParams::default()).await.unwrap(), "");
    let other = LogParams {
        container: Some("other".into()),
        ..LogParams::default()
    };
    let status = refusal(pods.logs("p", &other).await);
    assert_eq!(
        (status.code, status.message.as_str()),
        (400, "container other is not valid for pod p")
    );
    let path = format!("/api/v1/namespaces/{namespace}/pods/p/exec?command=true&stdout=true");
    let exec = http::Request::post(path).body(Vec::new()).unwrap();
    let status = refusal(client.request_text(exec).await);
    assert_eq!(
        (status.code, status.message.as_str()),
        (400, "pod p does not have a host assigned")
    );
    let evicted = pods.evict("p", &EvictParams::default()).await.unwrap();
    assert!(evicted.is_success());
}

#[tokio::test]
async fn objects_without_types_and_definitions_of_types_to_come() {
    let (_cluster, client, namespace) = place("dynamic").await;
    let kind = GroupVersionKind::gvk("", "v1", "ConfigMap");
    let resource = ApiResource::from_gvk(&kind);
    let maps: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &resource);
    let mut map = DynamicObject::new("a", &resource);
    map.data = json!({"data": {"x": "1"}});
    let made = maps.create(&PostParams::default(), &map).await.unwrap();
    assert_eq!(made.data["data"]["x"], "1");
    assert_eq!(made.types.unwrap().kind, "ConfigMap");

    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let boats: Api<Boat> = Api::namespaced(client, &namespace);
    let boat = Boat::new("one", BoatSpec { length: 3 });
    let status = refusal(boats.create(&PostParams::default(), &boat).await);
    assert_eq!(status.code, 404);
    assert_eq!(
        status.message,
        "the server could not find the requested resource"
    );
    let post = PostParams::default();
    definitions.create(&post, &Boat::crd()).await.unwrap();
    let name = Boat::crd().name_any();
    await_condition(definitions, &name, conditions::is_crd_established())
        .await
        .unwrap();
    let made = boats.create(&post, &boat).await.unwrap();
    assert_eq!((made.spec.length, made.status.is_none()), (3, true));
    let afloat = Patch::Merge(json!({"status": {"afloat": true}, "spec": {"length": 9}}));
    let changed = boats
        .patch_status("one", &PatchParams::default(), &afloat)
        .await
        .unwrap();
    assert_eq!(
        (changed.spec.length, changed.status.unwrap().afloat),
        (3, true)
    );
    boats.delete("one", &DeleteParams::default()).await.unwrap();
    assert!(boats.get_opt("one").await.unwrap().is_none());
}

#[tokio::test]
async fn an_entry_is_made_once_and_changed_after() {
    let (_cluster, client, namespace) = place("entries").await;
    let maps: Api<ConfigMap> = Api::namespaced(client, &namespace);
    for turn in 0..2 {
        let entry = maps.entry("a").await.unwrap();
        assert_eq!(entry.get().is_some(), turn > 0);
        let mut entry = entry
            .and_modify(|map| drop(map.data.as_mut().unwrap().insert("y".into(), "2".into())))
            .or_insert(|| config_map("a", "x", "1"));
        entry.commit(&PostParams::default()).await.unwrap();
    }
    assert_eq!(maps.get("a").await.unwrap().data.unwrap().len(), 2);
    // Who comes late is told.
    let mut late = maps.entry("a").await.unwrap().or_insert(ConfigMap::default);
    late.get_mut().data = None;
    let patch = Patch::Merge(json!({"data": {"z": "3"}}));
    maps.patch("a", &PatchParams::default(), &patch)
        .await
        .unwrap();
    assert!(late.commit(&PostParams::default()).await.is_err());
}
