//! Volumes, claims, classes and drivers, without one that makes volumes.

use serde_json::{Value, json};
use skerry_tests_conformance::{Subject, World};

const VERSION: &str = "storage.k8s.io/v1";

#[tokio::test]
async fn drivers_have_every_operation() {
    let world = World::new("drivers").await;
    let manifest = json!({
        "apiVersion": VERSION,
        "kind": "CSIDriver",
        "spec": {"attachRequired": false, "volumeLifecycleModes": ["Ephemeral"]},
    });
    Subject::new(&world, manifest).await.every_operation().await;
}

#[tokio::test]
async fn nodes_of_drivers_have_every_operation() {
    let world = World::new("csi-nodes").await;
    let manifest = json!({
        "apiVersion": VERSION,
        "kind": "CSINode",
        "spec": {"drivers": [
            {"name": "driver.example.test", "nodeID": "node-1", "topologyKeys": null},
        ]},
    });
    Subject::new(&world, manifest).await.every_operation().await;
}

#[tokio::test]
async fn capacities_have_every_operation() {
    let world = World::new("capacities").await;
    let manifest = json!({
        "apiVersion": VERSION,
        "kind": "CSIStorageCapacity",
        "storageClassName": "example-class",
        "capacity": "1Gi",
        "nodeTopology": {"matchLabels": {"zone": "one"}},
    });
    Subject::new(&world, manifest).await.every_operation().await;
}

#[tokio::test]
async fn classes_have_every_operation() {
    let world = World::new("storage-classes").await;
    let manifest = json!({
        "apiVersion": VERSION,
        "kind": "StorageClass",
        "provisioner": "driver.example.test",
    });
    let subject = Subject::new(&world, manifest).await;
    subject.every_operation().await;
    let name = "storage-classes-defaulted";
    let made = subject.create(name).await;
    assert_eq!(made.data["reclaimPolicy"], "Delete");
    assert_eq!(made.data["volumeBindingMode"], "Immediate");
    subject.delete(name).await;
}

#[tokio::test]
async fn classes_of_attributes_have_every_operation() {
    let world = World::new("attributes-classes").await;
    let manifest = json!({
        "apiVersion": VERSION,
        "kind": "VolumeAttributesClass",
        "driverName": "driver.example.test",
        "parameters": {"iops": "100"},
    });
    Subject::new(&world, manifest).await.every_operation().await;
}

#[tokio::test]
async fn attachments_have_every_operation() {
    let world = World::new("attachments").await;
    let manifest = json!({
        "apiVersion": VERSION,
        "kind": "VolumeAttachment",
        "spec": {
            "attacher": "driver.example.test",
            "nodeName": "node-1",
            "source": {"persistentVolumeName": "volume-1"},
        },
    });
    let subject = Subject::new(&world, manifest).await;
    assert_eq!(subject.subresources(), ["status"]);
    subject.every_operation().await;
    let made = subject.create("attachments-new").await;
    assert_eq!(made.data["status"], json!({"attached": false}));
    subject.delete("attachments-new").await;
    subject.has_a_status(json!({"attached": true})).await;
}

fn volume() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "spec": {
            "capacity": {"storage": "2Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "no-such-class",
            "persistentVolumeReclaimPolicy": "Retain",
            "csi": {"driver": "driver.example.test", "volumeHandle": "one"},
        },
    })
}

fn claim() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "spec": {
            "resources": {"requests": {"storage": "2Gi"}},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "no-such-class",
        },
    })
}

#[tokio::test]
async fn volumes_and_claims_have_every_operation() {
    let world = World::new("volumes").await;
    Subject::new(&world, volume()).await.every_operation().await;
    Subject::new(&world, claim()).await.every_operation().await;
}

#[tokio::test]
async fn the_status_of_volumes_and_claims_is_changed() {
    let world = World::new("volume-status").await;
    let volumes = Subject::new(&world, volume()).await;
    assert_eq!(volumes.subresources(), ["status"]);
    let made = volumes.create("volume-status-new").await;
    assert_eq!(made.data["status"]["phase"], "Pending");
    let status = json!({"phase": "Available", "reason": "StatusPatched", "message": "as told"});
    volumes.has_a_status(status).await;
    let claims = Subject::new(&world, claim()).await;
    assert_eq!(claims.subresources(), ["status"]);
    let made = claims.create("new").await;
    assert_eq!(made.data["status"], json!({"phase": "Pending"}));
    let condition = json!({
        "type": "StatusPatched", "status": "True", "reason": "Testing", "message": "as told",
    });
    claims
        .has_a_status(json!({"conditions": [condition]}))
        .await;
}

#[tokio::test]
async fn pods_with_inline_volumes_have_every_operation() {
    let world = World::new("inline-volumes").await;
    let manifest = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {
            "containers": [{
                "name": "main", "image": "example.test/web",
                "volumeMounts": [{"name": "inline", "mountPath": "/inline"}],
            }],
            "volumes": [{"name": "inline", "csi": {"driver": "driver.example.test"}}],
        },
    });
    let subject = Subject::new(&world, manifest).await;
    subject.every_operation().await;
    let made = subject.create("one").await;
    let volumes = made.data["spec"]["volumes"].as_array().unwrap();
    assert_eq!(volumes[0]["csi"], json!({"driver": "driver.example.test"}));
}
