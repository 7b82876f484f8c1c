//! What a watch tells of what happens, by selector, name and form.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;
use skerry_tests_kube_rs::{
    Events, PARTIAL, Place, TABLE, client, compact, namespace, refusal, servers,
};

#[tokio::test]
async fn a_selector_turns_updates_into_additions_and_deletions() {
    let cluster = servers(1).await;
    let place = Place::new(&client(&cluster, 0).await, "selected").await;
    let since = place.now().await;
    let query = format!("resourceVersion={since}&labelSelector=color%20in%20(red,green)");
    let mut events = place.watch(&query).await;
    place.create("a", json!({"color": "blue"})).await;
    let added = place
        .patch("a", json!({"metadata": {"labels": {"color": "red"}}}))
        .await;
    let changed = place
        .patch("a", json!({"metadata": {"labels": {"color": "green"}}}))
        .await;
    let left = place
        .patch(
            "a",
            json!({"metadata": {"labels": {"color": "blue"}}, "data": {"a": "2"}}),
        )
        .await;
    place.patch("a", json!({"data": {"a": "3"}})).await;
    let back = place
        .patch("a", json!({"metadata": {"labels": {"color": "red"}}}))
        .await;
    place.delete("a").await;
    let told = events.take(5).await;
    let kinds: Vec<_> = told
        .iter()
        .map(|event| (event.kind.as_str(), event.version()))
        .collect();
    let wanted = [
        ("ADDED", added),
        ("MODIFIED", changed),
        ("DELETED", left),
        ("ADDED", back),
    ];
    assert_eq!(kinds[..4], wanted);
    assert_eq!(kinds[4].0, "DELETED");
    assert!(kinds[4].1 > back);
    // What left is told as it was when it matched last.
    assert_eq!(told[2].object["metadata"]["labels"]["color"], "green");
    assert_eq!(told[2].object["data"]["a"], "1");
}

#[tokio::test]
async fn a_field_selector_does_the_same() {
    let cluster = servers(1).await;
    let client = client(&cluster, 0).await;
    let namespace = namespace(&client, "fields").await;
    let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(client.clone(), &namespace);
    let path = format!(
        "/api/v1/namespaces/{namespace}/pods?watch=true&fieldSelector=status.phase%3DRunning"
    );
    let mut events = Events::open(&client, &path).await.unwrap();
    let pod = serde_json::from_value(json!({
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "example.test/c"}]},
    }));
    pods.create(&PostParams::default(), &pod.unwrap())
        .await
        .unwrap();
    for phase in ["Running", "Succeeded"] {
        let patch = Patch::Merge(json!({"status": {"phase": phase}}));
        pods.patch_status("p", &PatchParams::default(), &patch)
            .await
            .unwrap();
    }
    let told = events.take(2).await;
    assert_eq!(told[0].brief(), ("ADDED", "p"));
    assert_eq!(told[1].brief(), ("DELETED", "p"));
    assert_eq!(told[1].object["status"]["phase"], "Running");
    assert!(told[1].version() > told[0].version());
    let wrong = path.replace("status.phase", "status.nonsense");
    let status = refusal(Events::open(&client, &wrong).await.map(drop));
    assert_eq!((status.code, status.reason.as_str()), (400, "BadRequest"));
    assert_eq!(status.message, "field label not supported: status.nonsense");
}

#[tokio::test]
async fn one_object_is_watched_by_its_name() {
    let cluster = servers(1).await;
    let place = Place::new(&client(&cluster, 0).await, "single").await;
    let namespace = "single";
    let paths = [
        format!(
            "{}?watch=true&fieldSelector=metadata.name%3Dmine",
            place.path
        ),
        format!("/api/v1/watch/namespaces/{namespace}/configmaps/mine"),
        format!(
            "/api/v1/configmaps?watch=true&fieldSelector=metadata.name%3Dmine,metadata.namespace%3D{namespace}"
        ),
    ];
    let mut watches = Vec::new();
    for path in &paths {
        watches.push(Events::open(&place.client, path).await.unwrap());
    }
    place.create("another", json!({})).await;
    place.create("mine", json!({})).await;
    place.patch("another", json!({"data": {"a": "2"}})).await;
    place.patch("mine", json!({"data": {"a": "2"}})).await;
    place.delete("mine").await;
    place.delete("another").await;
    place.create("mine", json!({})).await;
    for (path, watch) in paths.iter().zip(&mut watches) {
        let told = watch.take(4).await;
        let kinds: Vec<_> = told.iter().map(|event| event.brief()).collect();
        let wanted = ["ADDED", "MODIFIED", "DELETED", "ADDED"].map(|kind| (kind, "mine"));
        assert_eq!(kinds, wanted, "{path}");
        assert_ne!(
            told[0].object["metadata"]["uid"],
            told[3].object["metadata"]["uid"]
        );
    }
}

#[tokio::test]
async fn tables_and_metadata_are_watched_in_their_own_form() {
    let cluster = servers(1).await;
    let place = Place::new(&client(&cluster, 0).await, "shapes").await;
    let since = place.now().await;
    let query = format!("resourceVersion={since}");
    let mut tables = place.watch_as(&query, TABLE).await;
    let mut partial = place.watch_as(&query, PARTIAL).await;
    place.create("a", json!({})).await;
    let changed = place.patch("a", json!({"data": {"b": "2"}})).await;
    place.delete("a").await;

    let told = tables.take(3).await;
    let kinds: Vec<_> = told.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["ADDED", "MODIFIED", "DELETED"]);
    let columns: Vec<_> = told[0].object["columnDefinitions"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(columns[0]["name"], "Name");
    // The heading is told once.
    assert!(
        told[1].object["columnDefinitions"]
            .as_array()
            .is_none_or(Vec::is_empty)
    );
    let row = &told[1].object["rows"][0];
    assert_eq!(row["cells"][0], "a");
    assert_eq!(row["cells"][1], 2);
    assert_eq!(row["object"]["kind"], "PartialObjectMetadata");
    assert_eq!(
        row["object"]["metadata"]["resourceVersion"],
        changed.to_string()
    );

    let told = partial.take(3).await;
    for event in &told {
        assert_eq!(event.object["kind"], "PartialObjectMetadata");
        assert_eq!(event.object["apiVersion"], "meta.k8s.io/v1");
        assert!(event.object.get("data").is_none());
        assert_eq!(event.name(), "a");
    }
    assert_eq!(told[1].version(), changed);
}

#[tokio::test]
async fn the_end_of_a_namespace_is_told_object_by_object() {
    let cluster = servers(1).await;
    let client = client(&cluster, 0).await;
    let place = Place::new(&client, "ends").await;
    place.create("a", json!({})).await;
    let since = place.now().await;
    let mut maps = place.watch(&format!("resourceVersion={since}")).await;
    let path = format!(
        "/api/v1/namespaces?watch=true&resourceVersion={since}&fieldSelector=metadata.name%3Dends"
    );
    let mut own = Events::open(&client, &path).await.unwrap();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces
        .delete("ends", &DeleteParams::default())
        .await
        .unwrap();

    let mut deleted = maps.take(2).await;
    deleted.sort_by(|one, two| one.name().cmp(two.name()));
    assert_eq!(deleted[0].brief(), ("DELETED", "a"));
    assert_eq!(deleted[1].brief(), ("DELETED", "kube-root-ca.crt"));
    let mut told = vec![own.next().await.unwrap()];
    assert_eq!(told[0].kind, "MODIFIED");
    assert_eq!(told[0].object["status"]["phase"], "Terminating");
    assert!(told[0].object["metadata"]["deletionTimestamp"].is_string());
    while told.last().unwrap().kind != "DELETED" {
        told.push(own.next().await.unwrap());
    }
    let last = told.last().unwrap();
    assert!(deleted.iter().all(|event| event.version() < last.version()));
    // The watch itself goes on: the namespace may come back.
    assert!(maps.silent_for(Duration::from_millis(100)).await);
    Place::new(&client, "ends").await;
    assert_eq!(
        maps.next().await.unwrap().brief(),
        ("ADDED", "kube-root-ca.crt")
    );
}

#[tokio::test]
async fn a_slow_watch_is_told_of_a_deletion_or_that_its_place_is_gone() {
    let cluster = servers(1).await;
    let place = Place::new(&client(&cluster, 0).await, "slow").await;
    place.create("a", json!({})).await;
    place.create("large", json!({})).await;
    let since = place.now().await;
    let mut events = place.watch(&format!("resourceVersion={since}")).await;
    // More than what lies in sockets between the two: the server waits for the client.
    let large = "x".repeat(500_000);
    for number in 0..24 {
        let data = json!({"data": {"number": number.to_string(), "large": large}});
        place.patch("large", data).await;
    }
    place.delete("a").await;
    // What the object was is forgotten before the watch comes to its end.
    compact(&cluster, 0).await;
    loop {
        let event = events.next().await.unwrap();
        match event.kind.as_str() {
            "MODIFIED" => assert_eq!(event.name(), "large"),
            "DELETED" => break assert_eq!(event.name(), "a"),
            _ => break assert_eq!(event.object["code"], 410, "{event:?}"),
        }
    }
}
