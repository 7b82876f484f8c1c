//! Rows instead of objects.

use serde_json::json;
use skerry_tests_conformance::World;
use skerry_tests_kube_rs::{TABLE, refusal};

#[tokio::test]
async fn what_is_no_object_has_no_table() {
    let world = World::new("tables").await;
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {
            "verb": "list", "resource": "secrets", "namespace": "default",
        }},
    });
    let request = http::Request::post(path)
        .header(http::header::ACCEPT, TABLE)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(review.to_string().into_bytes())
        .unwrap();
    let status = refusal(world.client.request::<serde_json::Value>(request).await);
    assert_eq!(
        (status.code, status.reason.as_str()),
        (406, "NotAcceptable")
    );

    // What is one has: with columns, and names in its rows.
    let path = format!("/api/v1/namespaces/{}/configmaps", world.namespace);
    let table = world.get_as(&path, TABLE).await.unwrap();
    assert_eq!(table["kind"], "Table");
    assert_eq!(table["columnDefinitions"][0]["name"], "Name");
    assert_eq!(table["rows"][0]["cells"][0], "kube-root-ca.crt");
}
