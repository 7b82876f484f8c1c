//! Objects of `flowcontrol.apiserver.k8s.io`.

use serde_json::json;
use skerry_tests_conformance::{Subject, World};

#[tokio::test]
async fn flow_schemas_have_every_operation() {
    let world = World::new("flow-schemas").await;
    let manifest = json!({
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "kind": "FlowSchema",
        "spec": {
            "matchingPrecedence": 10000,
            "priorityLevelConfiguration": {"name": "global-default"},
            "rules": [{
                "subjects": [{"kind": "User", "user": {"name": "example-e2e-non-existent-user"}}],
                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            }],
        },
    });
    let subject = Subject::new(&world, manifest).await;
    let subject = subject.judged(|status| status["conditions"][0]["type"] == "Dangling");
    assert_eq!(subject.subresources(), ["status"]);
    subject.every_operation().await;
    // As the server judges it, and what somebody else says: nobody has a reason to change it.
    let conditions = json!([
        {
            "type": "Dangling", "status": "False", "reason": "Found",
            "message": "This FlowSchema references the PriorityLevelConfiguration object named \"global-default\" and it exists",
            "lastTransitionTime": "2026-01-02T03:04:05Z",
        },
        {
            "type": "Tested", "status": "True", "reason": "Testing", "message": "as told",
            "lastTransitionTime": "2026-01-02T03:04:05Z",
        },
    ]);
    subject
        .has_a_status(json!({"conditions": conditions}))
        .await;
}

#[tokio::test]
async fn priority_levels_have_every_operation() {
    let world = World::new("priority-levels").await;
    let manifest = json!({
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "kind": "PriorityLevelConfiguration",
        "spec": {
            "type": "Limited",
            "limited": {
                "nominalConcurrencyShares": 2,
                "limitResponse": {"type": "Reject"},
            },
        },
    });
    let subject = Subject::new(&world, manifest).await;
    assert_eq!(subject.subresources(), ["status"]);
    subject.every_operation().await;
    let condition = json!({
        "type": "Testing", "status": "False", "reason": "Testing", "message": "as told",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    });
    subject
        .has_a_status(json!({"conditions": [condition]}))
        .await;
}
