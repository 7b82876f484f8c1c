//! Where a watch begins, how it goes on and how it ends.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use kube::api::ListParams;
use serde_json::json;
use skerry_tests_kube_rs::{
    Events, PARTIAL, Place, client, compact, config, http2_client, refusal, servers,
};

const END: &str = "k8s.io/initial-events-end";

#[tokio::test]
async fn a_watch_starts_where_its_resource_version_says() {
    let cluster = servers(1).await;
    let place = Place::new(&client(&cluster, 0).await, "starts").await;
    let before = place.now().await;
    let first = place.create("a", json!({})).await;
    let second = place.create("b", json!({})).await;

    for unset in ["", "resourceVersion=0"] {
        let mut events = place.watch(unset).await;
        let initial = events.take(3).await;
        let names: Vec<_> = initial.iter().map(|event| event.brief()).collect();
        let all = [
            ("ADDED", "a"),
            ("ADDED", "b"),
            ("ADDED", "kube-root-ca.crt"),
        ];
        assert_eq!(names, all, "{unset}");
        assert_eq!(initial[1].version(), second);
        assert!(events.silent_for(Duration::from_millis(100)).await);
    }
    let mut events = place.watch(&format!("resourceVersion={before}")).await;
    let told = events.take(2).await;
    assert_eq!([told[0].version(), told[1].version()], [first, second]);
    let mut events = place.watch(&format!("resourceVersion={first}")).await;
    assert_eq!(events.take(1).await[0].brief(), ("ADDED", "b"));

    // One of the future says nothing of what comes before it.
    let future = place.now().await + 2;
    let mut events = place.watch(&format!("resourceVersion={future}")).await;
    let mut last = 0;
    for number in 0..4 {
        last = place
            .patch("a", json!({"data": {"n": number.to_string()}}))
            .await;
    }
    let told = events.next().await.unwrap();
    assert!(told.version() > future, "{told:?}");
    let mut version = told.version();
    while version < last {
        version = events.next().await.unwrap().version();
    }
}

#[tokio::test]
async fn a_resource_version_that_is_too_old_is_told_as_an_event() {
    let cluster = servers(1).await;
    let place = Place::new(&client(&cluster, 0).await, "old").await;
    let old = place.create("a", json!({})).await;
    place.patch("a", json!({"data": {"b": "2"}})).await;
    let compacted = compact(&cluster, 0).await;
    let mut events = place.watch(&format!("resourceVersion={old}")).await;
    let event = events.next().await.unwrap();
    assert_eq!(event.kind, "ERROR");
    assert_eq!(
        event.object,
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "code": 410, "reason": "Expired",
            "message": format!("too old resource version: {old} ({compacted})"),
        })
    );
    assert!(events.next().await.is_none(), "the watch ends");
    // A list says it in its answer.
    let exact = ListParams::default()
        .at(&old.to_string())
        .matching(kube::api::VersionMatch::Exact);
    let status = refusal(place.maps.list(&exact).await);
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
    // What was compacted last is still there, and what comes after it.
    let mut events = place.watch(&format!("resourceVersion={compacted}")).await;
    let next = place.patch("a", json!({"data": {"c": "3"}})).await;
    assert_eq!(events.next().await.unwrap().version(), next);
}

#[tokio::test]
async fn a_list_of_the_future_is_refused_as_a_timeout() {
    let cluster = servers(1).await;
    // The crate's own client would try again and again.
    let client = http2_client(&config(&cluster, 0).await).await;
    let place = Place::new(&client, "future").await;
    let future = place.now().await + 1_000;
    let status = refusal(
        place
            .maps
            .list(&ListParams::default().at(&future.to_string()))
            .await,
    );
    assert_eq!((status.code, status.reason.as_str()), (504, "Timeout"));
    assert!(
        status
            .message
            .starts_with("Timeout: Too large resource version: "),
        "{status:?}"
    );
    let cause = &status.details.unwrap().causes[0];
    assert_eq!(cause.reason, "ResourceVersionTooLarge");
}

#[tokio::test]
async fn initial_events_end_with_a_bookmark_that_says_so() {
    let cluster = servers(1).await;
    let place = Place::new(&client(&cluster, 0).await, "initial").await;
    place.create("a", json!({})).await;
    let streamed =
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    for accept in ["application/json", PARTIAL] {
        let now = place.now().await;
        let mut events = place.watch_as(streamed, accept).await;
        let told = events.take(3).await;
        assert_eq!(told[0].brief(), ("ADDED", "a"));
        assert_eq!(told[1].brief(), ("ADDED", "kube-root-ca.crt"));
        let end = &told[2];
        assert_eq!(end.kind, "BOOKMARK");
        assert_eq!(end.object["metadata"]["annotations"][END], "true");
        assert_eq!(end.version(), now);
        let kind = if accept == PARTIAL {
            "PartialObjectMetadata"
        } else {
            "ConfigMap"
        };
        assert_eq!(end.object["kind"], kind);
        // It goes on after them.
        let next = place.patch("a", json!({"data": {"for": accept}})).await;
        let event = events.next().await.unwrap();
        assert_eq!((event.brief(), event.version()), (("MODIFIED", "a"), next));
    }
    // Nothing but the end, where nothing matches.
    let mut events = place
        .watch(&format!("{streamed}&labelSelector=no%3Done"))
        .await;
    assert_eq!(events.next().await.unwrap().kind, "BOOKMARK");
    // And none of it where it is not wanted, though nothing says from where.
    let from_now = "sendInitialEvents=false&resourceVersionMatch=NotOlderThan";
    let mut events = place.watch(from_now).await;
    let next = place.create("b", json!({})).await;
    assert_eq!(events.next().await.unwrap().version(), next);

    let path = format!("{}?watch=true&sendInitialEvents=true", place.path);
    let status = refusal(Events::open(&place.client, &path).await.map(drop));
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    let why = "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
    assert!(status.message.ends_with(why), "{status:?}");
}

#[tokio::test]
async fn an_idle_watch_is_told_how_far_it_has_come_before_it_ends() {
    let cluster = servers(1).await;
    let place = Place::new(&client(&cluster, 0).await, "idle").await;
    let other = Place::new(&client(&cluster, 0).await, "busy").await;
    let since = place.now().await;
    let started = Instant::now();
    let query = format!("resourceVersion={since}&timeoutSeconds=4&allowWatchBookmarks=true");
    let mut events = place.watch(&query).await;
    let elsewhere = other.create("a", json!({})).await;
    let bookmark = events.next().await.unwrap();
    assert_eq!(bookmark.kind, "BOOKMARK");
    assert!(bookmark.version() >= elsewhere, "{bookmark:?}");
    assert_eq!(
        bookmark.object,
        json!({
            "kind": "ConfigMap", "apiVersion": "v1",
            "metadata": {"resourceVersion": bookmark.version().to_string()},
        })
    );
    // It can be gone on from, also once everything before it is forgotten.
    compact(&cluster, 0).await;
    assert!(events.next().await.is_none());
    assert!(started.elapsed() >= Duration::from_secs(4));
    let next = place.create("b", json!({})).await;
    let mut events = place.watch(&format!("resourceVersion={}", next - 1)).await;
    assert_eq!(events.next().await.unwrap().version(), next);
    // Who did not ask for bookmarks gets none.
    let mut events = place
        .watch(&format!("resourceVersion={next}&timeoutSeconds=3"))
        .await;
    assert!(events.next().await.is_none());
}
