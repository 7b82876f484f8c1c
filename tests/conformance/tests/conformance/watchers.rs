//! Watches of ConfigMaps.

use std::time::Duration;

use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use skerry_tests_conformance::World;
use skerry_tests_kube_rs::{Events, config_map};

async fn watch(world: &World, query: &str) -> Events {
    let path = format!(
        "/api/v1/namespaces/{}/configmaps?watch=true&{query}",
        world.namespace
    );
    Events::open(&world.client, &path).await.unwrap()
}

/// Makes a ConfigMap with that label; its version.
async fn create(world: &World, name: &str, label: &str) -> String {
    let mut map = config_map(name, "mutation", "0");
    map.metadata.labels = Some([("watch-this".to_owned(), label.to_owned())].into());
    let made = world.maps().create(&PostParams::default(), &map).await;
    made.unwrap().metadata.resource_version.unwrap()
}

async fn patch(world: &World, name: &str, patch: Value) -> String {
    let patched = world
        .maps()
        .patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await;
    patched.unwrap().metadata.resource_version.unwrap()
}

async fn mutate(world: &World, name: &str, value: &str) -> String {
    patch(world, name, json!({"data": {"mutation": value}})).await
}

async fn delete(world: &World, name: &str) {
    let deleted = world.maps().delete(name, &DeleteParams::default()).await;
    deleted.unwrap();
}

async fn expect(watch: &mut Events, kind: &str, name: &str, value: &str) -> String {
    let event = watch.next().await.unwrap();
    assert_eq!(event.brief(), (kind, name));
    assert_eq!(event.object["data"]["mutation"], value);
    event.version().to_string()
}

/// Long enough for an event that should not come.
const SILENCE: Duration = Duration::from_millis(200);

#[tokio::test]
async fn each_watcher_is_told_what_its_selector_matches() {
    let world = World::new("watch-labels").await;
    let mut a = watch(&world, "labelSelector=watch-this%3Da").await;
    let mut b = watch(&world, "labelSelector=watch-this%3Db").await;
    let mut both = watch(&world, "labelSelector=watch-this+in+(a,b)").await;
    create(&world, "a", "a").await;
    mutate(&world, "a", "1").await;
    mutate(&world, "a", "2").await;
    delete(&world, "a").await;
    create(&world, "b", "b").await;
    delete(&world, "b").await;
    create(&world, "c", "c").await;
    for watch in [&mut a, &mut both] {
        expect(watch, "ADDED", "a", "0").await;
        expect(watch, "MODIFIED", "a", "1").await;
        expect(watch, "MODIFIED", "a", "2").await;
        expect(watch, "DELETED", "a", "2").await;
    }
    for watch in [&mut b, &mut both] {
        expect(watch, "ADDED", "b", "0").await;
        expect(watch, "DELETED", "b", "0").await;
    }
    for mut watch in [a, b, both] {
        assert!(watch.silent_for(SILENCE).await);
    }
}

#[tokio::test]
async fn a_watch_starts_from_a_version_of_the_past() {
    let world = World::new("watch-past").await;
    create(&world, "a", "a").await;
    let first = mutate(&world, "a", "1").await;
    mutate(&world, "a", "2").await;
    delete(&world, "a").await;
    let query = format!("resourceVersion={first}&fieldSelector=metadata.name%3Da");
    let mut watch = watch(&world, &query).await;
    expect(&mut watch, "MODIFIED", "a", "2").await;
    expect(&mut watch, "DELETED", "a", "2").await;
}

#[tokio::test]
async fn a_watch_goes_on_where_another_ended() {
    let world = World::new("watch-restarted").await;
    let selector = "labelSelector=watch-this%3Da";
    let mut broken = watch(&world, selector).await;
    create(&world, "a", "a").await;
    mutate(&world, "a", "1").await;
    expect(&mut broken, "ADDED", "a", "0").await;
    let last = expect(&mut broken, "MODIFIED", "a", "1").await;
    drop(broken);
    mutate(&world, "a", "2").await;
    let mut next = watch(&world, &format!("{selector}&resourceVersion={last}")).await;
    delete(&world, "a").await;
    expect(&mut next, "MODIFIED", "a", "2").await;
    expect(&mut next, "DELETED", "a", "2").await;
}

#[tokio::test]
async fn what_stops_to_match_is_deleted_for_the_watcher() {
    let world = World::new("watch-relabelled").await;
    let label = |label: &str| json!({"metadata": {"labels": {"watch-this": label}}});
    let mut watch = watch(&world, "labelSelector=watch-this%3Da").await;
    create(&world, "a", "a").await;
    mutate(&world, "a", "1").await;
    patch(&world, "a", label("other")).await;
    expect(&mut watch, "ADDED", "a", "0").await;
    expect(&mut watch, "MODIFIED", "a", "1").await;
    expect(&mut watch, "DELETED", "a", "1").await;
    mutate(&world, "a", "2").await;
    assert!(watch.silent_for(SILENCE).await, "it is another's");
    patch(&world, "a", label("a")).await;
    mutate(&world, "a", "3").await;
    delete(&world, "a").await;
    expect(&mut watch, "ADDED", "a", "2").await;
    expect(&mut watch, "MODIFIED", "a", "3").await;
    expect(&mut watch, "DELETED", "a", "3").await;
}

#[tokio::test]
async fn all_watchers_see_one_order() {
    let world = World::new("watch-order").await;
    let own = "fieldSelector=metadata.name!%3Dkube-root-ca.crt";
    let mut first = watch(&world, own).await;
    let writer = async {
        for number in 0..40 {
            let name = format!("m{}", number % 4);
            match number / 4 % 3 {
                0 => drop(create(&world, &name, "a").await),
                1 => drop(mutate(&world, &name, &number.to_string()).await),
                _ => delete(&world, &name).await,
            }
        }
    };
    let reader = async {
        let mut watches = Vec::new();
        for _ in 0..40 {
            let event = first.next().await.unwrap();
            for (watch, version) in &mut watches {
                let again: &mut Events = watch;
                let again = again.next().await.unwrap();
                assert_eq!(again.version(), event.version(), "after {version}");
                assert_eq!(again.brief(), event.brief());
            }
            let version = event.version();
            let query = format!("{own}&resourceVersion={version}");
            watches.push((watch(&world, &query).await, version));
        }
    };
    futures_util::join!(writer, reader);
}
