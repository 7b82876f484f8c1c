//! Dask's operator, which others wrote on kopf, unchanged against three members of which one is
//! killed. Nothing runs the pods that it asks for: what is seen is what it makes and takes away.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use skerry_tests_clients::operators::{DEADLINE, Fleet};
use skerry_tests_harness::{eventually, peers_folder};

/// What all that the operator makes is labelled with.
const OWN: &str = "dask.org/cluster-name=fleet";

fn manifest() -> Value {
    let containers = |name: &str, arguments: &[&str]| {
        json!({"containers": [{
            "name": name, "image": "example.test/dask", "args": arguments,
        }]})
    };
    let port = |name: &str, port: u16| json!({"name": name, "protocol": "TCP", "port": port, "targetPort": name});
    json!({
        "apiVersion": "kubernetes.dask.org/v1",
        "kind": "DaskCluster",
        "metadata": {"name": "fleet"},
        "spec": {
            "worker": {"replicas": 2, "spec": containers("worker", &["dask-worker"])},
            "scheduler": {
                "spec": containers("scheduler", &["dask-scheduler"]),
                "service": {
                    "type": "ClusterIP",
                    "selector": {
                        "dask.org/cluster-name": "fleet", "dask.org/component": "scheduler",
                    },
                    "ports": [port("tcp-comm", 8786), port("http-dashboard", 8787)],
                },
            },
        },
    })
}

#[tokio::test]
async fn dasks_operator_goes_on_when_its_member_is_killed() {
    let python = peers_folder().join("python-dask/bin/python");
    assert!(
        python.exists(),
        "{} is missing: tests/peers makes it",
        python.display()
    );
    let mut fleet = Fleet::start().await;

    // Its definitions as they come with it.
    let place = "import dask_kubernetes; print(dask_kubernetes.__path__[0])";
    let place = Command::new(&python).args(["-c", place]).output().unwrap();
    let place = PathBuf::from(String::from_utf8(place.stdout).unwrap().trim());
    let chart = place.join("operator/deployment/helm/dask-kubernetes-operator/crds");
    let chart = chart.to_str().unwrap();
    fleet.kubectl.run(&["create", "-f", chart], "").unwrap();
    fleet.kubectl.established(&[
        "daskautoscalers.kubernetes.dask.org",
        "daskclusters.kubernetes.dask.org",
        "daskjobs.kubernetes.dask.org",
        "daskworkergroups.kubernetes.dask.org",
    ]);
    let mut kopf = Command::new(&python);
    kopf.args(["-B", "-m", "kopf", "run", "--verbose", "--all-namespaces"])
        .args(["-m", "dask_kubernetes.operator.controller"]);
    let _operator = fleet.operator(kopf);

    let manifest = manifest().to_string();
    fleet
        .kubectl
        .run(&["create", "-f", "-"], &manifest)
        .unwrap();
    // Two workers and the scheduler.
    fleet.kubectl.until_count("deployments", OWN, 3);
    fleet.kubectl.until_count("services", OWN, 1);
    fleet.kubectl.until_count("daskworkergroups", OWN, 1);

    fleet.kill_first();
    let kubectl = &fleet.kubectl;
    let more = r#"{"spec":{"worker":{"replicas":4}}}"#;
    eventually("the others take writes", DEADLINE, || {
        let patch = ["patch", "daskcluster", "fleet", "--type=merge", "-p", more];
        kubectl.run(&patch, "")
    })
    .unwrap();
    kubectl.until_count("deployments", OWN, 5);

    kubectl
        .run(&["delete", "daskcluster", "fleet", "--wait=false"], "")
        .unwrap();
    for kind in ["daskworkergroups", "deployments", "services"] {
        kubectl.until_count(kind, OWN, 0);
    }
    // The last to go: it waits for its finalizers.
    kubectl.until(&["daskclusters"], "{.items[*].metadata.name}", "");
}
