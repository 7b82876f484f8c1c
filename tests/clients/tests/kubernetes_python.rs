//! The Python client `kubernetes` against one server. What is promised stands in the scripts.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{Cluster, Kind, Options, eventually, peers_folder};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// How long a script may take.
const DEADLINE: Duration = Duration::from_secs(120);

async fn server() -> Cluster {
    let options = Options {
        kubernetes: true,
        ..Options::default()
    };
    let cluster = Cluster::start(Kind::Skerry, 1, &options).await.unwrap();
    // The last of what every cluster has from the start.
    let mut client = cluster.client(0).unwrap();
    let last = pb::RangeRequest {
        key: "/registry/configmaps/kube-node-lease/kube-root-ca.crt".into(),
        ..Default::default()
    };
    let ready = async {
        while client
            .kv
            .range(last.clone())
            .await
            .unwrap()
            .into_inner()
            .count
            == 0
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, ready).await.unwrap();
    cluster
}

/// Runs one of the scripts to its end, which must be a good one.
fn keeps_its_promises(cluster: &Cluster, script: &str) {
    let python = peers_folder().join("python-kubernetes/bin/python");
    assert!(
        python.exists(),
        "{} is missing: tests/peers makes it",
        python.display()
    );
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/python/kubernetes");
    let mut child = Command::new(python)
        .arg("-B")
        .arg(format!("{folder}/{script}"))
        .arg(cluster.folder().join("m1.kubeconfig"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let ended = eventually(script, DEADLINE, || {
        child.try_wait()?.ok_or(anyhow::anyhow!("it goes on"))
    });
    if ended.is_err() {
        child.kill().unwrap();
    }
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr),
    );
    assert!(status.success(), "{out}{err}");
    println!("{out}");
}

#[tokio::test]
async fn the_typed_client_makes_reads_changes_and_deletes_objects() {
    keeps_its_promises(&server().await, "objects.py");
}

#[tokio::test]
async fn the_dynamic_client_finds_resources_applies_and_watches() {
    keeps_its_promises(&server().await, "dynamic_client.py");
}

#[tokio::test]
async fn watches_resume_and_informers_list_again_after_a_compaction() {
    let cluster = server().await;
    let mut client = cluster.client(0).unwrap();
    let range = pb::RangeRequest {
        key: "any".into(),
        ..Default::default()
    };
    let now = client.kv.range(range).await.unwrap().into_inner().header;
    let compaction = pb::CompactionRequest {
        revision: now.unwrap().revision,
        ..Default::default()
    };
    client.kv.compact(compaction).await.unwrap();
    keeps_its_promises(&cluster, "following.py");
}

#[tokio::test]
async fn of_two_candidates_one_leads_and_the_other_follows_it() {
    keeps_its_promises(&server().await, "election.py");
}
