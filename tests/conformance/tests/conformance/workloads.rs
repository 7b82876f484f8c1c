//! What controllers of workloads stand on: their objects, status and scale, without them.

use serde_json::{Value, json};
use skerry_tests_conformance::{Subject, World, containers};

const APPS: &str = "apps/v1";

fn template() -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers()}})
}

fn workload(kind: &str, replicas: Option<u32>) -> Value {
    let mut manifest = json!({
        "apiVersion": APPS,
        "kind": kind,
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template()},
    });
    if let Some(replicas) = replicas {
        manifest["spec"]["replicas"] = json!(replicas);
    }
    manifest
}

fn condition() -> Value {
    json!({
        "type": "StatusUpdate", "status": "True", "reason": "Testing", "message": "as told",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    })
}

#[tokio::test]
async fn deployments_have_every_operation() {
    let world = World::new("deployments").await;
    let subject = Subject::new(&world, workload("Deployment", Some(1))).await;
    assert_eq!(subject.subresources(), ["scale", "status"]);
    subject.every_operation().await;
    let status = json!({"replicas": 1, "readyReplicas": 1, "conditions": [condition()]});
    subject.has_a_status(status).await;
}

#[tokio::test]
async fn deployments_are_scaled() {
    let world = World::new("deployments-scaled").await;
    let subject = Subject::new(&world, workload("Deployment", Some(1))).await;
    subject.is_scaled().await;
}

#[tokio::test]
async fn replica_sets_have_every_operation() {
    let world = World::new("replica-sets").await;
    let subject = Subject::new(&world, workload("ReplicaSet", Some(1))).await;
    assert_eq!(subject.subresources(), ["scale", "status"]);
    subject.every_operation().await;
    subject
        .has_a_status(json!({"replicas": 1, "conditions": [condition()]}))
        .await;
}

#[tokio::test]
async fn replica_sets_are_scaled() {
    let world = World::new("replica-sets-scaled").await;
    let subject = Subject::new(&world, workload("ReplicaSet", Some(1))).await;
    subject.is_scaled().await;
}

#[tokio::test]
async fn stateful_sets_have_every_operation() {
    let world = World::new("stateful-sets").await;
    let subject = Subject::new(&world, workload("StatefulSet", Some(1))).await;
    assert_eq!(subject.subresources(), ["scale", "status"]);
    subject.every_operation().await;
    subject
        .has_a_status(json!({"replicas": 1, "conditions": [condition()]}))
        .await;
}

#[tokio::test]
async fn stateful_sets_are_scaled() {
    let world = World::new("stateful-sets-scaled").await;
    let subject = Subject::new(&world, workload("StatefulSet", Some(1))).await;
    subject.is_scaled().await;
}

#[tokio::test]
async fn daemon_sets_have_every_operation() {
    let world = World::new("daemon-sets").await;
    let subject = Subject::new(&world, workload("DaemonSet", None)).await;
    assert_eq!(subject.subresources(), ["status"]);
    subject.every_operation().await;
    let status = json!({
        "currentNumberScheduled": 1, "numberMisscheduled": 0, "desiredNumberScheduled": 1,
        "numberReady": 0, "conditions": [condition()],
    });
    subject.has_a_status(status).await;
}

fn replication_controller() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "spec": {"replicas": 1, "selector": {"app": "web"}, "template": template()},
    })
}

#[tokio::test]
async fn replication_controllers_have_every_operation() {
    let world = World::new("replication-controllers").await;
    let subject = Subject::new(&world, replication_controller()).await;
    assert_eq!(subject.subresources(), ["scale", "status"]);
    subject.every_operation().await;
    subject
        .has_a_status(json!({"replicas": 1, "conditions": [condition()]}))
        .await;
}

#[tokio::test]
async fn replication_controllers_are_scaled() {
    let world = World::new("replication-scaled").await;
    let subject = Subject::new(&world, replication_controller()).await;
    subject.is_scaled().await;
}

#[tokio::test]
async fn jobs_have_every_operation() {
    let world = World::new("jobs").await;
    let mut template = template();
    template["spec"]["restartPolicy"] = json!("Never");
    let manifest = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "spec": {"suspend": true, "parallelism": 2, "completions": 2, "template": template},
    });
    let subject = Subject::new(&world, manifest).await;
    assert_eq!(subject.subresources(), ["status"]);
    subject.every_operation().await;
    let mut suspended = condition();
    suspended["type"] = json!("CustomConditionType");
    subject
        .has_a_status(json!({"conditions": [suspended]}))
        .await;
}

#[tokio::test]
async fn cron_jobs_have_every_operation() {
    let world = World::new("cron-jobs").await;
    let mut template = template();
    template["spec"]["restartPolicy"] = json!("OnFailure");
    let manifest = json!({
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "spec": {
            "schedule": "*/1 * * * *",
            "concurrencyPolicy": "Allow",
            "jobTemplate": {"spec": {"template": template}},
        },
    });
    let subject = Subject::new(&world, manifest).await;
    assert_eq!(subject.subresources(), ["status"]);
    subject.every_operation().await;
    subject
        .has_a_status(json!({"lastScheduleTime": "2026-01-02T03:04:05Z"}))
        .await;
}

#[tokio::test]
async fn disruption_budgets_have_every_operation() {
    let world = World::new("disruption-budgets").await;
    let manifest = json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
    });
    let subject = Subject::new(&world, manifest).await;
    assert_eq!(subject.subresources(), ["status"]);
    subject.every_operation().await;
    let status = json!({
        "disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2,
        "disruptedPods": {"some-pod": "2026-01-02T03:04:05Z"},
    });
    subject.has_a_status(status).await;
}

#[tokio::test]
async fn controller_revisions_have_every_operation() {
    let world = World::new("controller-revisions").await;
    let manifest = json!({
        "apiVersion": APPS,
        "kind": "ControllerRevision",
        "revision": 3,
        "data": {"spec": {"template": template()}},
    });
    let subject = Subject::new(&world, manifest).await;
    subject.every_operation().await;
}
