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

/// Has an object be owned by others, as references of these kinds.
fn own(servers: &Servers, what: &str, owners: &[(&str, &str, bool)]) {
    let references: Vec<serde_json::Value> = owners
        .iter()
        .map(|(kind, name, blocks)| {
            let uid = servers.json(&["get", kind, name])["metadata"]["uid"].clone();
            serde_json::json!({"apiVersion": "v1", "kind": kind, "name": name, "uid": uid, "blockOwnerDeletion": blocks})
        })
        .collect();
    let patch = serde_json::json!({"metadata": {"ownerReferences": references}});
    servers.ok(&["patch", what, "--type=merge", "-p", &patch.to_string()]);
}

#[tokio::test]
async fn foreground_spares_what_others_own_too() {
    let servers = Servers::start(1).await;
    make(&servers, "one", &[]);
    make(&servers, "two", &[]);
    make(&servers, "child", &["one", "two"]);
    servers.ok(&["delete", "configmap", "one", "--cascade=foreground"]);
    let child = servers.json(&["get", "configmap", "child"]);
    let owners = child["metadata"]["ownerReferences"].as_array().unwrap();
    assert_eq!(owners.len(), 1, "{child}");
    assert_eq!(owners[0]["name"], "two");
    assert!(
        child["metadata"].get("deletionTimestamp").is_none(),
        "{child}"
    );
}

#[tokio::test]
async fn objects_that_own_each_other_do_not_wait_for_each_other() {
    let servers = Servers::start(1).await;
    make(&servers, "a", &[]);
    make(&servers, "b", &["a"]);
    own(&servers, "configmap/a", &[("ConfigMap", "b", true)]);
    servers.ok(&["delete", "configmap", "a", "--cascade=foreground"]);
    goes(&servers, "b");
}

#[tokio::test]
async fn an_owner_of_the_same_name_is_another_one() {
    let servers = Servers::start(1).await;
    make(&servers, "owner", &[]);
    let old = servers.json(&["get", "configmap", "owner"])["metadata"]["uid"].clone();
    servers.ok(&["delete", "configmap", "owner"]);
    make(&servers, "owner", &[]);
    let text = format!(
        "{MAP}child\n  ownerReferences:\n  - {{apiVersion: v1, kind: ConfigMap, name: owner, uid: {old}}}\n"
    );
    servers.ok_with(&["create", "-f", "-"], &text);
    goes(&servers, "child");
    assert!(is_there(&servers, "owner"));
}

#[tokio::test]
async fn an_object_without_namespace_stays_though_its_owner_has_one() {
    let servers = Servers::start(1).await;
    make(&servers, "owner", &[]);
    servers.ok(&["create", "namespace", "cluster-wide"]);
    own(
        &servers,
        "namespace/cluster-wide",
        &[("ConfigMap", "owner", false)],
    );
    let get = [
        "get",
        "events",
        "--field-selector=reason=OwnerRefInvalidNamespace",
        "-o",
        "json",
    ];
    let events = servers.until(0, &get, |ended| ended.out.contains("cluster-wide"));
    let list: serde_json::Value = serde_json::from_str(&events.out).unwrap();
    let event = &list["items"][0];
    let uid = servers.json(&["get", "configmap", "owner"])["metadata"]["uid"].clone();
    let message = format!(
        "ownerRef [v1/ConfigMap, namespace: , name: owner, uid: {}] does not exist in namespace \"\"",
        uid.as_str().unwrap()
    );
    assert_eq!(event["message"], message);
    assert_eq!(event["type"], "Warning");
    servers.ok(&["delete", "configmap", "owner"]);
    // What is decided after that deletion shows that it was decided about the namespace too.
    make(&servers, "other", &[]);
    make(&servers, "child", &["other"]);
    servers.ok(&["delete", "configmap", "other"]);
    goes(&servers, "child");
    assert!(
        servers
            .run_on(0, &["get", "namespace", "cluster-wide"], "")
            .ok
    );
}

#[tokio::test]
async fn naming_an_owner_takes_the_right_to_delete_and_to_finalize_where_that_is_asked_for() {
    let plugin =
        "--kube-apiserver-arg=enable-admission-plugins=OwnerReferencesPermissionEnforcement";
    let servers = Servers::start_with(1, &[plugin]).await;
    servers.ok(&["create", "configmap", "owner"]);
    let uid = servers.json(&["get", "configmap", "owner"])["metadata"]["uid"].clone();
    let verbs = "--verb=create,get,patch,update";
    servers.ok(&[
        "create",
        "clusterrole",
        "writes",
        verbs,
        "--resource=secrets",
    ]);
    servers.ok(&[
        "create",
        "clusterrolebinding",
        "b",
        "--clusterrole=writes",
        "--user=bob",
    ]);
    servers.until(
        0,
        &["auth", "can-i", "create", "secrets", "--as=bob"],
        |ended| ended.ok,
    );
    let owned = |name: &str, blocks: bool| {
        serde_json::json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "ownerReferences": [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid, "blockOwnerDeletion": blocks}]}})
        .to_string()
    };
    let create = |name: &str, blocks: bool| {
        servers.run_on(0, &["create", "--as=bob", "-f", "-"], &owned(name, blocks))
    };
    assert!(create("plain", false).ok);
    let refused = create("blocks", true).err;
    assert_eq!(
        refused,
        "Error from server (Forbidden): error when creating \"STDIN\": secrets \"blocks\" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>\n"
    );
    let drop_owner = r#"{"metadata": {"ownerReferences": null}}"#;
    let patch = [
        "patch",
        "secret",
        "plain",
        "--as=bob",
        "--type=merge",
        "-p",
        drop_owner,
    ];
    let refused = servers.fails(&patch);
    assert!(
        refused.contains("cannot set an ownerRef on a resource you can't delete: , <nil>"),
        "{refused}"
    );
    servers.ok(&[
        "create",
        "clusterrole",
        "more",
        "--verb=delete",
        "--resource=secrets",
    ]);
    servers.ok(&[
        "create",
        "clusterrole",
        "ends",
        "--verb=update",
        "--resource=configmaps/finalizers",
    ]);
    for role in ["more", "ends"] {
        servers.ok(&[
            "create",
            "clusterrolebinding",
            role,
            &format!("--clusterrole={role}"),
            "--user=bob",
        ]);
    }
    servers.until(0, &patch, |ended| ended.ok);
    skerry_tests_harness::eventually(
        "finalizers may be set",
        skerry_tests_kubectl::DEADLINE,
        || {
            let ended = create("blocks", true);
            anyhow::ensure!(ended.ok, "{ended:?}");
            Ok(())
        },
    )
    .unwrap();
}
