//! An operator that others wrote on the crate kube, of another version than ours: an example of
//! the crate kuberator, built as it is published. It holds objects by a finalizer, looks at each
//! generation once and says so in the status. Unchanged, against three members of which one is
//! killed.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use serde_json::json;
use skerry_tests_clients::operators::{DEADLINE, Fleet};
use skerry_tests_harness::{eventually, peers_folder};

/// The definition that the operator asks for, as its derived type describes it.
fn definition() -> String {
    let fields = |fields: serde_json::Value| json!({"type": "object", "properties": fields});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "myresources.example.kuberator.io"},
        "spec": {
            "group": "example.kuberator.io",
            "scope": "Namespaced",
            "names": {"plural": "myresources", "singular": "myresource", "kind": "MyResource"},
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": fields(json!({
                    "spec": fields(json!({"message": {"type": "string"}})),
                    "status": fields(json!({
                        "state": {"type": "string"},
                        "observed_generation": {"type": "integer", "format": "int64"},
                    })),
                }))},
            }],
        },
    })
    .to_string()
}

fn resource(name: &str, message: &str) -> String {
    json!({
        "apiVersion": "example.kuberator.io/v1",
        "kind": "MyResource",
        "metadata": {"name": name},
        "spec": {"message": message},
    })
    .to_string()
}

#[tokio::test]
async fn kuberators_operator_goes_on_when_its_member_is_killed() {
    let binary = peers_folder().join("rust-kuberator/bin/with_status");
    assert!(
        binary.exists(),
        "{} is missing: tests/peers makes it",
        binary.display()
    );
    let mut fleet = Fleet::start().await;
    fleet.kubectl.apply(&definition()).unwrap();
    fleet
        .kubectl
        .established(&["myresources.example.kuberator.io"]);
    let _operator = fleet.operator(Command::new(binary));

    let observed = "{.status.state} {.status.observed_generation}";
    let held = "{.metadata.finalizers[*]}";
    fleet.kubectl.apply(&resource("first", "one")).unwrap();
    fleet
        .kubectl
        .until(&["myresource/first"], observed, "Ready 1");
    let finalizer = "myresources.example.kuberator.io/finalizer";
    fleet.kubectl.until(&["myresource/first"], held, finalizer);

    fleet.kill_first();
    let kubectl = &fleet.kubectl;
    eventually("the others take writes", DEADLINE, || {
        kubectl.apply(&resource("first", "two"))
    })
    .unwrap();
    kubectl.until(&["myresource/first"], observed, "Ready 2");
    kubectl.apply(&resource("second", "one")).unwrap();
    kubectl.until(&["myresource/second"], observed, "Ready 1");

    kubectl
        .run(&["delete", "myresources", "--all", "--wait=false"], "")
        .unwrap();
    kubectl.until(&["myresources"], "{.items[*].metadata.name}", "");
}
