//! Policies of admission and their bindings, as objects.

use serde_json::{Value, json};
use skerry_tests_conformance::{Subject, World};

const VERSION: &str = "admissionregistration.k8s.io/v1";

fn constraints() -> Value {
    json!({"resourceRules": [{
        "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"],
        "operations": ["CREATE"],
    }]})
}

/// Matches nothing of what runs beside it.
fn nobody(world: &World) -> Value {
    let own = json!({"kubernetes.io/metadata.name": world.namespace});
    json!({"namespaceSelector": {"matchLabels": own}})
}

#[tokio::test]
async fn validating_policies_have_every_operation() {
    let world = World::new("validating-policies").await;
    let manifest = json!({
        "apiVersion": VERSION,
        "kind": "ValidatingAdmissionPolicy",
        "spec": {
            "matchConstraints": constraints(),
            "validations": [{"expression": "object.spec.replicas <= 100"}],
        },
    });
    let subject = Subject::new(&world, manifest).await;
    let subject = subject.judged(|status| status["observedGeneration"] == 1);
    assert_eq!(subject.subresources(), ["status"]);
    subject.every_operation().await;
    let condition = json!({
        "type": "StatusUpdate", "status": "True", "reason": "Testing", "message": "as told",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    });
    subject
        .has_a_status(json!({"conditions": [condition]}))
        .await;
}

#[tokio::test]
async fn bindings_of_validating_policies_have_every_operation() {
    let world = World::new("validating-bindings").await;
    let manifest = json!({
        "apiVersion": VERSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "spec": {
            "policyName": "not-there.example.test",
            "validationActions": ["Deny"],
            "matchResources": nobody(&world),
        },
    });
    let subject = Subject::new(&world, manifest).await;
    assert!(subject.subresources().is_empty());
    subject.every_operation().await;
}

#[tokio::test]
async fn mutating_policies_have_every_operation() {
    let world = World::new("mutating-policies").await;
    let mutation = "Object{metadata: Object.metadata{labels: {\"marked\": \"yes\"}}}";
    let manifest = json!({
        "apiVersion": VERSION,
        "kind": "MutatingAdmissionPolicy",
        "spec": {
            "matchConstraints": constraints(),
            "reinvocationPolicy": "Never",
            "mutations": [{
                "patchType": "ApplyConfiguration",
                "applyConfiguration": {"expression": mutation},
            }],
        },
    });
    let subject = Subject::new(&world, manifest).await;
    subject.every_operation().await;
}

#[tokio::test]
async fn bindings_of_mutating_policies_have_every_operation() {
    let world = World::new("mutating-bindings").await;
    let manifest = json!({
        "apiVersion": VERSION,
        "kind": "MutatingAdmissionPolicyBinding",
        "spec": {"policyName": "not-there.example.test", "matchResources": nobody(&world)},
    });
    let subject = Subject::new(&world, manifest).await;
    assert!(subject.subresources().is_empty());
    subject.every_operation().await;
}
