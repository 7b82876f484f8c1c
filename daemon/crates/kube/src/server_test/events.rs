//! Events, and how long they live.

use super::*;

#[tokio::test]
async fn an_event_that_is_told_again_lives_on() {
    let server = Server::start().await;
    let engine = server.api.engine();
    let lease = || {
        let stored = engine.storage.get("/registry/events/default/e").unwrap();
        stored.unwrap().lease
    };
    let event = json!({
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"},
        "count": 1,
    });
    let events = "/api/v1/namespaces/default/events";
    server.create(events, event).await;
    let first = lease();
    assert_ne!(first, 0);
    engine.event_lease.close();
    let again = json!({"count": 2});
    let path = format!("{events}/e");
    let (status, _) = server.patch(&path, "merge-patch+json", &again).await;
    assert_eq!(status, StatusCode::OK);
    assert!(lease() != 0 && lease() != first);
}
