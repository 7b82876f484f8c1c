//! Policies of admission and their bindings, as objects and as what they do to Deployments.

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::PostParams;
use serde_json::{Value, json};
use skerry_tests_conformance::{Subject, World, containers};
use skerry_tests_harness::eventually_async;
use skerry_tests_kube_rs::{DEADLINE, refusal};

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

/// Makes a policy of that kind and has it count in the test's namespace.
async fn bind(world: &World, kind: &str, plural: &str, spec: Value, binding: Value) {
    let name = format!("{}.policy.test", world.namespace);
    let mut whole = json!({"matchConstraints": constraints()});
    let mut bound = json!({"policyName": name, "matchResources": nobody(world)});
    for (target, fields) in [(&mut whole, spec), (&mut bound, binding)] {
        for (field, value) in fields.as_object().unwrap() {
            target[field] = value.clone();
        }
    }
    for (kind, plural, spec) in [
        (kind.to_owned(), plural.to_owned(), whole),
        (
            format!("{kind}Binding"),
            plural.replace("policies", "policybindings"),
            bound,
        ),
    ] {
        let object = json!({
            "apiVersion": VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec,
        });
        let api = world.dynamic(
            ("admissionregistration.k8s.io", "v1", &kind, &plural),
            false,
        );
        let object = serde_json::from_value(object).unwrap();
        api.create(&PostParams::default(), &object).await.unwrap();
    }
}

fn deployment(name: &str, replicas: i64) -> Deployment {
    let labels = json!({"app": "test"});
    serde_json::from_value(json!({
        "metadata": {"name": name, "annotations": {"own": "yes"}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers()}},
        },
    }))
    .unwrap()
}

async fn deploy(world: &World, name: &str, replicas: i64) -> kube::Result<Deployment> {
    let deployments = world.api::<Deployment>();
    let deployment = deployment(name, replicas);
    deployments
        .create(&PostParams::default(), &deployment)
        .await
}

/// A Deployment as it would be made, once that is as a policy wants it.
async fn rehearsed(world: &World, is_wanted: impl Fn(&kube::Result<Deployment>) -> bool) {
    let rehearsal = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let deployments = world.api::<Deployment>();
    eventually_async("the policy counts", DEADLINE, || async {
        let answered = deployments
            .create(&rehearsal, &deployment("rehearsed", 1))
            .await;
        anyhow::ensure!(is_wanted(&answered), "{answered:?}");
        Ok(())
    })
    .await
    .unwrap();
}

const VALIDATING: (&str, &str) = ("ValidatingAdmissionPolicy", "validatingadmissionpolicies");
const MUTATING: (&str, &str) = ("MutatingAdmissionPolicy", "mutatingadmissionpolicies");

async fn validate(world: &World, spec: Value) {
    let binding = json!({"validationActions": ["Deny"]});
    bind(world, VALIDATING.0, VALIDATING.1, spec, binding).await;
    let refused = |made: &kube::Result<Deployment>| matches!(made, Err(kube::Error::Api(status)) if status.code == 422);
    rehearsed(world, refused).await;
}

async fn mutate(world: &World, expression: &str) {
    let spec = json!({
        "reinvocationPolicy": "Never",
        "mutations": [{
            "patchType": "ApplyConfiguration",
            "applyConfiguration": {"expression": expression},
        }],
    });
    bind(world, MUTATING.0, MUTATING.1, spec, json!({})).await;
}

#[tokio::test]
async fn a_validating_policy_judges_deployments() {
    let world = World::new("validating-deployments").await;
    let own = &world.namespace;
    let spec = json!({"validations": [
        {
            "expression": "object.spec.replicas > 1",
            "messageExpression": "'wants replicas > 1, got ' + string(object.spec.replicas)",
        },
        {
            "expression": format!("namespaceObject.metadata.name == '{own}'"),
            "message": "another namespace is none of its business",
        },
    ]});
    validate(&world, spec).await;
    let status = refusal(deploy(&world, "one", 1).await);
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    let told = "denied request: wants replicas > 1, got 1";
    assert!(status.message.ends_with(told), "{}", status.message);
    deploy(&world, "two", 2).await.unwrap();
}

#[tokio::test]
async fn expressions_of_a_validating_policy_refer_to_its_variables() {
    let world = World::new("validating-variables").await;
    let spec = json!({
        "variables": [
            {"name": "replicas", "expression": "object.spec.replicas"},
            {"name": "oddReplicas", "expression": "variables.replicas % 2 == 1"},
        ],
        "validations": [
            {"expression": "variables.replicas > 1"},
            {"expression": "variables.oddReplicas"},
        ],
    });
    validate(&world, spec).await;
    for (name, replicas, failed) in [
        ("one", 1, "variables.replicas > 1"),
        ("two", 2, "variables.oddReplicas"),
    ] {
        let status = refusal(deploy(&world, name, replicas).await);
        let told = format!("denied request: failed expression: {failed}");
        assert!(status.message.ends_with(&told), "{}", status.message);
    }
    deploy(&world, "three", 3).await.unwrap();
}

#[tokio::test]
async fn a_mutating_policy_changes_deployments() {
    let world = World::new("mutating-deployments").await;
    let more = "Object{spec: Object.spec{replicas: object.spec.replicas + 10}}";
    mutate(&world, more).await;
    let replicas = |made: &Deployment| made.spec.as_ref().unwrap().replicas;
    rehearsed(&world, |made| {
        made.as_ref().is_ok_and(|made| replicas(made) == Some(11))
    })
    .await;
    let made = deploy(&world, "two", 2).await.unwrap();
    assert_eq!(replicas(&made), Some(12));
    let stored = world.api::<Deployment>().get("two").await.unwrap();
    assert_eq!(replicas(&stored), Some(12));
}

#[tokio::test]
async fn a_mutating_policy_adds_annotations_to_deployments() {
    let world = World::new("mutating-annotations").await;
    let more = r#"Object{metadata: Object.metadata{annotations: {"mutated-by": "a-policy"}}}"#;
    mutate(&world, more).await;
    let has = |made: &Deployment| {
        let all = made.metadata.annotations.clone().unwrap_or_default();
        all.get("mutated-by").is_some_and(|by| by == "a-policy")
    };
    rehearsed(&world, |made| made.as_ref().is_ok_and(has)).await;
    let made = deploy(&world, "marked", 2).await.unwrap();
    let annotations = made.metadata.annotations.unwrap();
    assert_eq!(annotations.get("own").map(String::as_str), Some("yes"));
    assert_eq!(
        annotations.get("mutated-by").map(String::as_str),
        Some("a-policy")
    );
}
