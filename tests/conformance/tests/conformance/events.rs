//! Events of both groups, which are the same objects.

use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde_json::json;
use skerry_tests_conformance::{Subject, World};

fn of_the_core(world: &World) -> serde_json::Value {
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "message": "This is event-test",
        "reason": "Test",
        "type": "Normal",
        "count": 1,
        "involvedObject": {"namespace": world.namespace},
    })
}

#[tokio::test]
async fn events_of_the_core_have_every_operation() {
    let world = World::new("core-events").await;
    let subject = Subject::new(&world, of_the_core(&world)).await;
    subject.every_operation().await;

    subject.create("lived").await;
    let patch = Patch::Strategic(json!({"message": "This is a test event - patched"}));
    let options = PatchParams::default();
    let patched = subject.api.patch("lived", &options, &patch).await.unwrap();
    assert_eq!(patched.data["message"], "This is a test event - patched");
    let mut object = subject.api.get("lived").await.unwrap();
    let series = json!({"count": 100, "lastObservedTime": "2026-01-02T03:04:05.000006Z"});
    object.data["series"] = series.clone();
    let options = PostParams::default();
    subject
        .api
        .replace("lived", &options, &object)
        .await
        .unwrap();
    assert_eq!(
        subject.api.get("lived").await.unwrap().data["series"],
        series
    );
    subject.delete("lived").await;
    subject.gone("lived").await;
}

fn of_its_own_group(world: &World) -> serde_json::Value {
    json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "eventTime": "2026-01-02T03:04:05.000006Z",
        "note": "This is event-test",
        "action": "Do",
        "reason": "Test",
        "type": "Normal",
        "reportingController": "test-controller",
        "reportingInstance": "test-node",
        "regarding": {"namespace": world.namespace},
    })
}

#[tokio::test]
async fn events_of_their_own_group_have_every_operation() {
    let world = World::new("own-events").await;
    let subject = Subject::new(&world, of_its_own_group(&world)).await;
    subject.every_operation().await;
}

#[tokio::test]
async fn a_series_is_the_same_in_both_groups() {
    let world = World::new("series").await;
    let subject = Subject::new(&world, of_its_own_group(&world)).await;
    subject.create("lived").await;
    let patch = Patch::Merge(json!({
        "series": {"count": 2, "lastObservedTime": "2026-01-02T03:04:06.000007Z"},
    }));
    let options = PatchParams::default();
    subject.api.patch("lived", &options, &patch).await.unwrap();
    let core: Api<DynamicObject> = world.dynamic(("", "v1", "Event", "events"), true);
    let same = core.get("lived").await.unwrap();
    assert_eq!(same.data["message"], "This is event-test");
    assert_eq!(same.data["reportingComponent"], "test-controller");
    assert_eq!(same.data["involvedObject"]["namespace"], world.namespace);
    assert_eq!(same.data["series"]["count"], 2);
    let mut object = subject.api.get("lived").await.unwrap();
    object.data["series"]["count"] = json!(100);
    let options = PostParams::default();
    subject
        .api
        .replace("lived", &options, &object)
        .await
        .unwrap();
    assert_eq!(
        core.get("lived").await.unwrap().data["series"]["count"],
        100
    );
    subject.delete("lived").await;
    subject.gone("lived").await;
    assert!(core.get_opt("lived").await.unwrap().is_none());
}
