//! Namespaces that are to go, and what keeps them.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use skerry_tests_kubectl::Servers;

fn condition(namespace: &str, kind: &str) -> Value {
    let namespace: Value = serde_json::from_str(namespace).unwrap_or_default();
    let all = namespace["status"]["conditions"].as_array().cloned();
    let mut all = all.unwrap_or_default().into_iter();
    all.find(|condition| condition["type"] == kind)
        .unwrap_or_default()
}

#[tokio::test]
async fn a_namespace_says_what_keeps_it_and_goes_once_nothing_does() {
    let servers = Servers::start(1).await;
    servers.ok(&["create", "namespace", "going"]);
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: going}\nspec: {nodeName: a, containers: [{name: c, image: i}]}\n";
    let held = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, namespace: going, finalizers: [example.com/hold]}\n";
    servers.ok_with(&["create", "-f", "-"], pod);
    servers.ok_with(&["create", "-f", "-"], held);
    servers.ok(&["delete", "namespace", "going", "--wait=false"]);
    let get = ["get", "namespace", "going", "-o", "json"];
    // The Pod runs on a node: it has to end before anything that it may use goes.
    let first = servers.until(0, &get, |ended| {
        condition(&ended.out, "NamespaceContentRemaining")["message"]
            == "Some resources are remaining: pods. has 1 resource instances"
    });
    let finished = condition(&first.out, "NamespaceFinalizersRemaining");
    assert_eq!(finished["status"], "False");
    assert_eq!(finished["reason"], "ContentHasNoFinalizers");
    servers.ok(&["get", "configmap", "kube-root-ca.crt", "-n", "going"]);
    servers.ok(&[
        "delete",
        "pod",
        "p",
        "-n",
        "going",
        "--grace-period=0",
        "--force",
    ]);
    let second = servers.until(0, &get, |ended| {
        condition(&ended.out, "NamespaceContentRemaining")["message"]
            == "Some resources are remaining: configmaps. has 1 resource instances"
    });
    let finalizers = condition(&second.out, "NamespaceFinalizersRemaining");
    assert_eq!(
        (&finalizers["status"], &finalizers["reason"], &finalizers["message"]),
        (
            &"True".into(),
            &"SomeFinalizersRemain".into(),
            &"Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances".into()
        )
    );
    for (kind, reason) in [
        ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered"),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "ParsedGroupVersions",
        ),
        ("NamespaceDeletionContentFailure", "ContentDeleted"),
    ] {
        let condition = condition(&second.out, kind);
        assert_eq!(
            (&condition["status"], &condition["reason"]),
            (&"False".into(), &reason.into())
        );
    }
    let patch = r#"{"metadata":{"finalizers":null}}"#;
    servers.ok(&[
        "patch",
        "configmap",
        "m",
        "-n",
        "going",
        "--type=merge",
        "-p",
        patch,
    ]);
    servers.until(0, &get, |ended| !ended.ok);
}
