//! Files that a server applies by itself.

use std::fs;
use std::path::PathBuf;

use skerry_tests_harness::eventually;
use skerry_tests_kubectl::{DEADLINE, Servers};

fn folder(servers: &Servers, member: usize) -> PathBuf {
    servers.cluster.members[member].data_dir.join("manifests")
}

fn map(name: &str, says: &str, annotations: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: default, \
         annotations: {{{annotations}}}}}\ndata: {{says: '{says}'}}\n---\n"
    )
}

const PRUNE: &str = "skerry.io/prune: 'true'";

fn until_says(servers: &Servers, member: usize, name: &str, says: &str) {
    let asked = ["get", "configmap", name, "-o", "jsonpath={.data.says}"];
    servers.until(member, &asked, |ended| ended.ok && ended.out == says);
}

fn until_gone(servers: &Servers, name: &str) {
    servers.until(0, &["get", "configmap", name], |ended| {
        ended.err.contains("NotFound")
    });
}

/// A kind and an object of it, the object first, and in a namespace that comes last.
const KIND_AND_OBJECT: &str = r#"
apiVersion: shop.example.com/v1
kind: Till
metadata: {name: one, namespace: shop}
spec: {drawers: 3}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: tills.shop.example.com}
spec:
  group: shop.example.com
  names: {kind: Till, plural: tills}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties: {spec: {type: object, properties: {drawers: {type: integer}}}}
---
{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
"#;

#[tokio::test]
async fn files_are_applied_when_they_come_and_when_they_change_and_deleting_them_deletes_nothing() {
    let servers = Servers::start_with(1, &["--disable=traefik"]).await;
    let folder = folder(&servers, 0);
    fs::create_dir_all(folder.join("apps/deep")).unwrap();
    fs::write(folder.join("apps/deep/shop.yaml"), KIND_AND_OBJECT).unwrap();
    let drawers = [
        "get",
        "till",
        "one",
        "-n",
        "shop",
        "-o",
        "jsonpath={.spec.drawers}",
    ];
    servers.until(0, &drawers, |ended| ended.ok && ended.out == "3");

    // What is skipped, disabled or hidden is not applied with what comes at the same time.
    fs::write(folder.join("left.yaml.skip"), "").unwrap();
    for name in ["left", "traefik", ".hidden"] {
        let object = map(&name.replace('.', ""), "no", "");
        fs::write(folder.join(format!("{name}.yaml")), object).unwrap();
    }
    let both = map("kept", "one", "") + &map("pruned", "one", PRUNE);
    fs::write(folder.join("maps.yaml"), &both).unwrap();
    until_says(&servers, 0, "kept", "one");
    until_says(&servers, 0, "pruned", "one");
    let all = servers.ok(&["get", "configmaps", "-o", "name"]);
    for name in ["left", "traefik", "hidden"] {
        assert!(!all.contains(name), "{all}");
    }
    let applied = ["get", "events", "-n", "kube-system", "-o", "wide"];
    servers.until(0, &applied, |ended| ended.out.contains("AppliedManifest"));
    let live = servers.json(&["get", "configmap", "kept", "--show-managed-fields"]);
    assert_eq!(live["metadata"]["managedFields"][0]["manager"], "deploy@m1");

    // Renamed over, as careful editors write.
    let new = folder.join("maps.new");
    fs::write(&new, both.replace("'one'", "'two'")).unwrap();
    fs::rename(&new, folder.join("maps.yaml")).unwrap();
    until_says(&servers, 0, "kept", "two");

    fs::remove_file(folder.join("left.yaml.skip")).unwrap();
    fs::remove_file(folder.join("maps.yaml")).unwrap();
    until_gone(&servers, "pruned");
    until_says(&servers, 0, "left", "no");
    until_says(&servers, 0, "kept", "two");
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_an_event_and_is_tried_until_it_is_right() {
    let mut servers = Servers::start(1).await;
    let folder = folder(&servers, 0);
    let of = |name: &str| {
        let selector = format!("--field-selector=involvedObject.name={name}");
        vec![
            "get".to_owned(),
            "events".into(),
            "-n".into(),
            "kube-system".into(),
            selector,
        ]
    };
    let told = |servers: &Servers, name: &str, words: &[&str]| {
        let asked = of(name);
        let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
        servers.until(0, &asked, |ended| {
            words.iter().all(|word| ended.out.contains(word))
        });
    };
    let broken = map("a", "b", "") + "kind: [\n";
    fs::write(folder.join("Broken_File.yaml"), broken).unwrap();
    let elsewhere = map("waits", "yes", "").replace("namespace: default", "namespace: later");
    let good = map("good", "yes", "");
    fs::write(folder.join("waits.yaml"), elsewhere + &good).unwrap();
    told(
        &servers,
        "broken-file",
        &["ParseManifestFailed", "begins in line 5"],
    );
    let words = ["ApplyManifestFailed", "namespaces \"later\" not found"];
    told(&servers, "waits", &words);
    until_says(&servers, 0, "good", "yes");
    servers.ok(&["create", "namespace", "later"]);
    let waits = ["get", "configmap", "waits", "-n", "later"];
    // Between two attempts there may be a minute.
    eventually("the file is applied", 4 * DEADLINE, || {
        let ended = servers.run_on(0, &waits, "");
        anyhow::ensure!(ended.ok, "{ended:?}");
        Ok(())
    })
    .unwrap();
    told(&servers, "waits", &["AppliedManifest"]);

    // A crash, and what came meanwhile.
    servers.cluster.members[0].kill().unwrap();
    fs::write(folder.join("late.yaml"), map("late", "yes", "")).unwrap();
    servers.cluster.restart(0).await.unwrap();
    until_says(&servers, 0, "late", "yes");
}

#[tokio::test]
async fn what_two_servers_have_is_pruned_once_neither_has_it() {
    let servers = Servers::start(2).await;
    let object = map("shared", "yes", PRUNE);
    let files = [0, 1].map(|member| folder(&servers, member).join("shared.yaml"));
    let managers = |servers: &Servers| {
        let managers = "jsonpath={.metadata.managedFields[*].manager}";
        let asked = [
            "get",
            "configmap",
            "shared",
            "--show-managed-fields",
            "-o",
            managers,
        ];
        servers.run_on(0, &asked, "").out
    };
    let until = |wanted: &[&str]| {
        eventually("the managers", DEADLINE, || {
            let found = managers(&servers);
            let mut found: Vec<&str> = found.split_whitespace().collect();
            found.sort_unstable();
            anyhow::ensure!(found == wanted, "{found:?}");
            Ok(())
        })
        .unwrap();
    };
    for file in &files {
        fs::write(file, &object).unwrap();
    }
    until(&["deploy@m1", "deploy@m2"]);
    fs::remove_file(&files[0]).unwrap();
    until(&["deploy@m2"]);
    fs::remove_file(&files[1]).unwrap();
    until_gone(&servers, "shared");
}
