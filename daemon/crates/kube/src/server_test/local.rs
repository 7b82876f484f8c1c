//! What other parts of the server ask and tell the API.

use serde_json::json;

use super::Server;
use crate::EventNote;

#[tokio::test]
async fn a_part_of_the_server_asks_as_a_client_would_and_is_refused_as_one() {
    let server = Server::start().await;
    let local = server.api.local("test");
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "m", "namespace": "kube-system"}, "data": {"a": "1"},
    });
    let made = local.apply(&map, "deploy@n1", true).await.unwrap();
    assert_eq!(made["metadata"]["managedFields"][0]["manager"], "deploy@n1");
    let read = local.get("v1", "ConfigMap", "kube-system", "m").await;
    assert_eq!(read.unwrap().unwrap()["data"], json!({"a": "1"}));

    let unknown = json!({"apiVersion": "a/v1", "kind": "B", "metadata": {"name": "b"}});
    let error = local.create(&unknown).await.unwrap_err();
    assert_eq!(
        error.message,
        "no matches for kind \"B\" in version \"a/v1\""
    );
    let mut wrong = map.clone();
    wrong["metadata"]["name"] = "Not A Name".into();
    let error = local.apply(&wrong, "test", true).await.unwrap_err();
    assert_eq!((error.code, error.reason.as_ref()), (422, "Invalid"));

    let role = "system:aggregate-to-view";
    let group = "rbac.authorization.k8s.io/v1";
    let role = local.get(group, "ClusterRole", "", role).await.unwrap();
    assert!(role.is_some());
    for there in [true, false] {
        let deleted = local.delete("v1", "ConfigMap", "kube-system", "m").await;
        assert_eq!(deleted.unwrap(), there);
    }
}

#[tokio::test]
async fn what_is_told_twice_is_one_event_with_a_count_even_after_the_event_has_gone() {
    let server = Server::start().await;
    let local = server.api.local("skerry-test");
    let note = EventNote {
        kind: "Namespace",
        namespace: "",
        name: "default",
        reason: "Looked",
        warning: true,
        message: "somebody looked",
    };
    const EVENTS: &str = "/api/v1/namespaces/default/events";
    local.event(&note).await;
    local.event(&note).await;
    let (_, list) = server.get(EVENTS).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "{list}");
    let event = &list["items"][0];
    assert_eq!(event["count"], 2);
    assert_eq!(event["type"], "Warning");
    assert_eq!(event["source"]["component"], "skerry-test");
    let (_, namespace) = server.get("/api/v1/namespaces/default").await;
    assert_eq!(event["involvedObject"]["uid"], namespace["metadata"]["uid"]);
    assert_eq!(event["involvedObject"]["apiVersion"], "v1");

    let name = event["metadata"]["name"].as_str().unwrap();
    let path = format!("{EVENTS}/{name}");
    server.call("DELETE", &path, serde_json::Value::Null).await;
    local.event(&note).await;
    let (_, list) = server.get(EVENTS).await;
    assert_eq!(list["items"][0]["count"], 1, "{list}");
}
