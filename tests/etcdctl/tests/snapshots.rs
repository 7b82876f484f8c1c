//! Snapshots that the real etcdutl and the real etcd take for their own.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use skerry_tests_etcdctl::Ctl;
use skerry_tests_harness::{Cluster, Kind, Options, etcdutl_binary, kubectl_binary};

fn run(command: &mut Command) -> String {
    let ended = command.env("ETCDCTL_API", "3").output().unwrap();
    assert!(ended.status.success(), "{command:?}: {ended:?}");
    String::from_utf8(ended.stdout).unwrap()
}

fn said(ctl: &Ctl, line: &str) -> String {
    let words: Vec<_> = line.split(' ').collect();
    let ended = ctl.run(&words, "").unwrap();
    assert_eq!(ended.code, Some(0), "{line}: {ended:?}");
    ended.stdout
}

fn json(ctl: &Ctl, line: &str) -> Value {
    serde_json::from_str(&said(ctl, &format!("{line} -w json"))).unwrap()
}

fn status(snapshot: &Path) -> Value {
    let mut command = Command::new(etcdutl_binary().unwrap());
    let command = command.args(["snapshot", "status", "-w", "json"]);
    serde_json::from_str(&run(command.arg(snapshot))).unwrap()
}

/// A real etcd that serves what the snapshot holds.
async fn restored(snapshot: &Path) -> Cluster {
    let mut etcd = Cluster::prepare(Kind::Etcd, 1, &Options::default()).unwrap();
    let member = &etcd.members[0];
    let peer = format!("https://{}", member.peer_address);
    run(Command::new(etcdutl_binary().unwrap())
        .args(["snapshot", "restore"])
        .arg(snapshot)
        .arg("--data-dir")
        .arg(&member.data_dir)
        .args(["--name", &member.name])
        .args(["--initial-cluster", &format!("{}={peer}", member.name)])
        .args(["--initial-advertise-peer-urls", &peer]));
    etcd.form().await.unwrap();
    etcd
}

fn kubectl(cluster: &Cluster, line: &str) {
    run(Command::new(kubectl_binary().unwrap())
        .arg("--kubeconfig")
        .arg(cluster.folder().join("m1.kubeconfig"))
        .args(line.split(' ')));
}

/// Keys of Kubernetes and of etcd's clients, with versions, a deletion, a compaction, a lease,
/// users and roles. Says the lease.
fn fill(skerry: &Cluster, ctl: &Ctl) -> String {
    kubectl(skerry, "create namespace snapshot");
    for n in 0..20 {
        let line = format!("create configmap c{n} -n snapshot --from-literal=number={n}");
        kubectl(skerry, &line);
    }
    for n in 0..3 {
        said(ctl, &format!("put versions {n}"));
    }
    said(ctl, "put deleted soon");
    said(ctl, "del deleted");
    let revision = json(ctl, "get versions")["header"]["revision"].to_string();
    said(ctl, &format!("compaction {revision}"));
    said(ctl, "put versions after");
    said(ctl, "put deleted again");
    said(ctl, "del deleted");
    let large = "v".repeat(300_000);
    // By standard input: an argument may not be as long.
    assert_eq!(ctl.run(&["put", "large"], &large).unwrap().code, Some(0));
    let granted = json(ctl, "lease grant 3600");
    let lease = format!("{:x}", granted["ID"].as_i64().unwrap());
    said(ctl, &format!("put leased v --lease={lease}"));
    said(ctl, "role add reader");
    said(ctl, "role grant-permission reader read a b");
    said(ctl, "user add someone:password");
    said(ctl, "user grant-role someone reader");
    lease
}

#[tokio::test]
async fn what_is_saved_from_skerry_the_real_etcd_goes_on_with() {
    let options = Options {
        kubernetes: true,
        ..Options::default()
    };
    let skerry = Cluster::start(Kind::Skerry, 1, &options).await.unwrap();
    let ctl = Ctl::new(&skerry).unwrap();
    let lease = fill(&skerry, &ctl);
    let path = skerry.folder().join("snapshot.db");
    said(&ctl, &format!("snapshot save {}", path.display()));
    let status = status(&path);
    let revision = status["revision"].as_i64().unwrap();

    let etcd = restored(&path).await;
    let there = Ctl::new(&etcd).unwrap();
    // The empty key: all of them.
    let all = format!("get  --from-key --rev={revision}");
    let (here, now_there) = (json(&ctl, &all), json(&there, &all));
    let keys = here["kvs"].as_array().unwrap().len();
    assert!(keys > 25, "{keys} keys");
    assert_eq!(here["kvs"], now_there["kvs"]);
    // etcdutl counts versions and deletions too.
    assert!(status["totalKey"].as_u64().unwrap() > keys as u64);
    assert_eq!(now_there["header"]["revision"].as_i64(), Some(revision));

    for line in ["role get reader", "user get someone"] {
        assert_eq!(said(&ctl, line), said(&there, line), "{line}");
    }
    let lease = said(&there, &format!("lease timetolive {lease} --keys"));
    let whole = "granted with TTL(3600s)";
    assert!(
        lease.contains(whole) && lease.contains("[leased]"),
        "{lease}"
    );
    let history = |ctl: &Ctl| {
        let newest = json(ctl, "get versions")["kvs"][0]["mod_revision"].clone();
        let before = newest.as_i64().unwrap() - 1;
        json(ctl, &format!("get versions --rev={before}"))["kvs"].clone()
    };
    assert_eq!(history(&ctl), history(&there));
    let compacted = ctl.run(&["get", "versions", "--rev=3"], "").unwrap();
    assert!(compacted.stderr.contains("compacted"), "{compacted:?}");
    let compacted = there.run(&["get", "versions", "--rev=3"], "").unwrap();
    assert!(compacted.stderr.contains("compacted"), "{compacted:?}");
    let put = json(&there, "put versions more");
    assert_eq!(put["header"]["revision"].as_i64(), Some(revision + 1));
    said(&there, &format!("compaction {}", revision + 1));
}

#[tokio::test]
async fn users_keep_their_passwords_and_permissions_in_the_real_etcd() {
    let options = Options::default();
    let skerry = Cluster::start(Kind::Skerry, 1, &options).await.unwrap();
    let ctl = Ctl::new(&skerry).unwrap();
    for line in [
        "put a/key value",
        "put b/key value",
        "user add root:rootpw",
        "user grant-role root root",
        "role add reader",
        "role grant-permission reader read a/ --prefix",
        "user add ann:annpw",
        "user grant-role ann reader",
        "auth enable",
    ] {
        said(&ctl, line);
    }
    let path = skerry.folder().join("snapshot.db");
    said(
        &ctl,
        &format!("--user=root:rootpw snapshot save {}", path.display()),
    );
    let etcd = restored(&path).await;
    let there = Ctl::new(&etcd).unwrap();
    assert_eq!(said(&there, "--user=ann:annpw get a/key"), "a/key\nvalue\n");
    for refused in ["--user=ann:annpw get b/key", "--user=ann:wrong get a/key"] {
        let words: Vec<_> = refused.split(' ').collect();
        let ended = there.run(&words, "").unwrap();
        assert_ne!(ended.code, Some(0), "{refused}: {ended:?}");
    }
    assert_eq!(
        said(&there, "--user=root:rootpw get b/key"),
        "b/key\nvalue\n"
    );
}
