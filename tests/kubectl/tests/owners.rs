//! What the server does on its own: accounts of namespaces, and what is owned.
#![allow(clippy::unwrap_used)]

use skerry_tests_kubectl::Servers;

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ";

/// Makes a ConfigMap, owned by others where they are given as `name`.
fn make(servers: &Servers, name: &str, owners: &[&str]) {
    let mut text = format!("{MAP}{name}\n");
    if !owners.is_empty() {
        text += "  ownerReferences:\n";
    }
    for owner in owners {
        let uid = servers.json(&["get", "configmap", owner])["metadata"]["uid"].clone();
        text += &format!(
            "  - {{apiVersion: v1, kind: ConfigMap, name: {owner}, uid: {uid}, blockOwnerDeletion: true}}\n"
        );
    }
    servers.ok_with(&["apply", "-f", "-"], &text);
}

fn is_there(servers: &Servers, name: &str) -> bool {
    servers.run_on(0, &["get", "configmap", name], "").ok
}

fn goes(servers: &Servers, name: &str) {
    servers.until(0, &["get", "configmap", name], |ended| !ended.ok);
}

#[tokio::test]
async fn what_is_owned_goes_with_the_last_of_its_owners() {
    let servers = Servers::start(1).await;
    make(&servers, "one", &[]);
    make(&servers, "two", &[]);
    make(&servers, "child", &["one", "two"]);
    make(&servers, "grandchild", &["child"]);
    servers.ok(&["delete", "configmap", "one"]);
    // The reference to who is gone is taken off; the other owner keeps it.
    servers.until(0, &["get", "configmap", "child", "-o", "json"], |ended| {
        ended.ok && !ended.out.contains("\"one\"")
    });
    assert!(is_there(&servers, "grandchild"));
    servers.ok(&["delete", "configmap", "two"]);
    goes(&servers, "child");
    goes(&servers, "grandchild");
}

#[tokio::test]
async fn foreground_waits_for_what_is_owned_and_orphan_leaves_it() {
    let servers = Servers::start(1).await;
    make(&servers, "owner", &[]);
    make(&servers, "child", &["owner"]);
    make(&servers, "grandchild", &["child"]);
    // kubectl waits until it is gone.
    servers.ok(&["delete", "configmap", "owner", "--cascade=foreground"]);
    assert!(!is_there(&servers, "child") && !is_there(&servers, "grandchild"));

    make(&servers, "owner", &[]);
    make(&servers, "child", &["owner"]);
    servers.ok(&["delete", "configmap", "owner", "--cascade=orphan"]);
    let child = servers.json(&["get", "configmap", "child"]);
    assert!(
        child["metadata"].get("ownerReferences").is_none(),
        "{child}"
    );
}

#[tokio::test]
async fn owners_that_went_while_nobody_led_are_noticed() {
    let mut servers = Servers::start(1).await;
    make(&servers, "owner", &[]);
    make(&servers, "child", &["owner"]);
    // An owner that never was: found when everything is read after the restart.
    let text = format!(
        "{MAP}lost\n  ownerReferences:\n  - {{apiVersion: v1, kind: ConfigMap, name: never, uid: 11111111-2222-4333-8444-555555555555}}\n"
    );
    servers.cluster.members[0].kill().unwrap();
    servers.cluster.restart(0).await.unwrap();
    servers.until(0, &["get", "configmap", "child"], |ended| ended.ok);
    // What has no namespace cannot be owned by what has one: it is left alone.
    let class = "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nvalue: 1\nmetadata:\n  name: high\n  ownerReferences:\n  - {apiVersion: v1, kind: ConfigMap, name: never, uid: 11111111-2222-4333-8444-555555555555}\n";
    servers.ok_with(&["apply", "-f", "-"], class);
    servers.ok_with(&["apply", "-f", "-"], &text);
    goes(&servers, "lost");
    servers.ok(&["get", "priorityclass", "high"]);
    assert!(is_there(&servers, "child"));
}

#[tokio::test]
async fn every_namespace_has_its_account_and_the_certificate_of_the_ca() {
    let servers = Servers::start(1).await;
    servers.ok(&["create", "namespace", "shop"]);
    let account = ["-n", "shop", "get", "serviceaccount", "default"];
    let map = [
        "-n",
        "shop",
        "get",
        "configmap",
        "kube-root-ca.crt",
        "-o",
        "json",
    ];
    servers.until(0, &account, |ended| ended.ok);
    let first = servers.until(0, &map, |ended| ended.ok).out;
    assert!(first.contains("BEGIN CERTIFICATE"), "{first}");

    servers.ok(&["-n", "shop", "delete", "serviceaccount", "default"]);
    servers.until(0, &account, |ended| ended.ok);
    servers.ok(&[
        "-n",
        "shop",
        "patch",
        "configmap",
        "kube-root-ca.crt",
        "-p",
        r#"{"data":{"ca.crt":"x"}}"#,
    ]);
    servers.until(0, &map, |ended| ended.out.contains("BEGIN CERTIFICATE"));
    servers.ok(&["delete", "namespace", "shop"]);
}
