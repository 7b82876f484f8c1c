//! An operator on Node's client, by a framework that others wrote, against three members of which
//! one is killed. The framework ends when a watch breaks and is started again, as a kubelet does.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::process::{Command, Stdio};

use serde_json::json;
use skerry_tests_clients::operators::{DEADLINE, Fleet};
use skerry_tests_harness::{eventually, peers_folder};

fn definition() -> String {
    let fields = |fields: serde_json::Value| json!({"type": "object", "properties": fields});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "sheets.example.test"},
        "spec": {
            "group": "example.test",
            "scope": "Namespaced",
            "names": {"plural": "sheets", "singular": "sheet", "kind": "Sheet"},
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": fields(json!({
                    "spec": fields(json!({"text": {"type": "string"}})),
                    "status": fields(json!({"observed": {"type": "integer"}})),
                }))},
            }],
        },
    })
    .to_string()
}

fn sheet(name: &str, text: &str) -> String {
    json!({
        "apiVersion": "example.test/v1",
        "kind": "Sheet",
        "metadata": {"name": name},
        "spec": {"text": text},
    })
    .to_string()
}

#[tokio::test]
async fn an_operator_on_nodes_client_goes_on_when_its_member_is_killed() {
    let has_node = Command::new("node")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !has_node {
        eprintln!("skipped: there is no node on this machine");
        return;
    }
    let modules = peers_folder().join("node-operator/node_modules");
    assert!(
        modules.exists(),
        "{} is missing: tests/peers makes it",
        modules.display()
    );
    let mut fleet = Fleet::start().await;
    fleet.kubectl.apply(&definition()).unwrap();
    fleet.kubectl.established(&["sheets.example.test"]);
    let mut node = Command::new("node");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/node/operator.js");
    node.arg(script).env("NODE_PATH", modules);
    let _operator = fleet.operator_that_ends(node);

    let text = "{.data.text}";
    fleet.kubectl.apply(&sheet("first", "one")).unwrap();
    let observed = "{.status.observed}";
    fleet.kubectl.until(&["sheet/first"], observed, "1");
    fleet.kubectl.until(&["configmap/first"], text, "one");

    fleet.kill_first();
    let kubectl = &fleet.kubectl;
    eventually("the others take writes", DEADLINE, || {
        kubectl.apply(&sheet("first", "two"))
    })
    .unwrap();
    kubectl.until(&["sheet/first"], observed, "2");
    kubectl.until(&["configmap/first"], text, "two");
    kubectl.apply(&sheet("second", "one")).unwrap();
    kubectl.until(&["configmap/second"], text, "one");

    kubectl
        .run(&["delete", "sheets", "--all", "--wait=false"], "")
        .unwrap();
    kubectl.until(&["sheets"], "{.items[*].metadata.name}", "");
    kubectl.until_count("configmaps", "sheet=yes", 0);
}
