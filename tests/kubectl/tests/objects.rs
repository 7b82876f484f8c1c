//! Making, reading, changing, watching and deleting objects.

use skerry_tests_kubectl::Servers;

const SETTINGS: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  color: red\n";

#[tokio::test]
async fn what_is_created_can_be_read_changed_watched_and_deleted() {
    let servers = Servers::start(1).await;
    let out = servers.ok(&["create", "configmap", "a", "--from-literal=x=y"]);
    assert_eq!(out, "configmap/a created\n");
    let again = servers.fails(&["create", "configmap", "a"]);
    assert_eq!(
        again,
        "error: failed to create configmap: configmaps \"a\" already exists\n"
    );

    let only = ["get", "configmaps", "--field-selector", "metadata.name=a"];
    let watch = servers.background(&[&only[..], &["-w", "--no-headers"]].concat());
    watch.line_with("a ");
    servers.ok(&["patch", "configmap", "a", "-p", r#"{"data":{"z":"1"}}"#]);
    let line = watch.line_with("a ");
    assert_eq!(line.split_whitespace().nth(1), Some("2"), "{line}");

    let shown = servers.ok(&only);
    assert!(
        shown.starts_with("NAME   DATA   AGE\na      2      "),
        "{shown}"
    );
    let object = servers.json(&["get", "configmap", "a"]);
    assert_eq!(object["data"], serde_json::json!({"x": "y", "z": "1"}));
    assert_eq!(object["metadata"]["namespace"], "default");

    let out = servers.ok(&["delete", "configmap", "a"]);
    assert_eq!(out, "configmap \"a\" deleted from default namespace\n");
    let gone = servers.fails(&["get", "configmap", "a"]);
    assert_eq!(
        gone,
        "Error from server (NotFound): configmaps \"a\" not found\n"
    );
}

#[tokio::test]
async fn apply_makes_changes_and_says_what_it_did() {
    let servers = Servers::start(1).await;
    let apply = ["apply", "-f", "-"];
    assert_eq!(
        servers.ok_with(&apply, SETTINGS),
        "configmap/settings created\n"
    );
    assert_eq!(
        servers.ok_with(&apply, SETTINGS),
        "configmap/settings unchanged\n"
    );
    let blue = SETTINGS.replace("red", "blue");
    assert_eq!(
        servers.ok_with(&apply, &blue),
        "configmap/settings configured\n"
    );

    let server_side = ["apply", "--server-side", "--field-manager=other", "-f", "-"];
    let conflict = servers.fails_with(&server_side, SETTINGS);
    assert!(
        conflict.contains("conflict with \"kubectl-client-side-apply\""),
        "{conflict}"
    );
    let forced = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--field-manager=other",
        "-f",
        "-",
    ];
    servers.ok_with(&forced, SETTINGS);
    assert_eq!(
        servers.json(&["get", "configmap", "settings"])["data"]["color"],
        "red"
    );

    let misspelt = SETTINGS.replace("data:", "dada:");
    let refused = servers.fails_with(&["create", "-f", "-"], &misspelt.replace("settings", "b"));
    assert!(
        refused.contains("strict decoding error: unknown field \"dada\""),
        "{refused}"
    );
}

#[tokio::test]
async fn lists_come_in_pages_and_selectors_choose() {
    let servers = Servers::start(1).await;
    for name in ["a", "b", "c"] {
        servers.ok(&["create", "secret", "generic", name]);
    }
    servers.ok(&["label", "secret", "b", "tier=front"]);
    let names = |arguments: &[&str]| {
        let mut all = vec!["get", "secrets", "-o", "name"];
        all.extend(arguments);
        servers.ok(&all)
    };
    assert_eq!(names(&["--chunk-size=1"]), "secret/a\nsecret/b\nsecret/c\n");
    assert_eq!(names(&["-l", "tier in (front, back)"]), "secret/b\n");
    assert_eq!(
        names(&["--field-selector", "metadata.name=c"]),
        "secret/c\n"
    );
    let watch = servers.background(&[
        "get",
        "secrets",
        "-w",
        "--output-watch-events",
        "-l",
        "tier=front",
        "-o",
        "name",
    ]);
    servers.ok(&["label", "secret", "c", "tier=front"]);
    watch.line_with("secret/b");
    watch.line_with("secret/c");
}

#[tokio::test]
async fn a_namespace_takes_everything_in_it_along() {
    let servers = Servers::start(1).await;
    servers.ok(&["create", "namespace", "shop"]);
    servers.ok(&[
        "-n",
        "shop",
        "create",
        "deployment",
        "web",
        "--image=nginx",
        "--replicas=2",
    ]);
    servers.ok(&[
        "-n",
        "shop",
        "create",
        "secret",
        "generic",
        "s",
        "--from-literal=a=b",
    ]);
    servers.ok(&["-n", "shop", "scale", "deployment", "web", "--replicas=3"]);
    let shown = servers.ok(&["-n", "shop", "get", "deployments", "--no-headers"]);
    assert!(shown.starts_with("web   0/3"), "{shown}");
    servers.ok(&["delete", "namespace", "shop"]);
    let gone = servers.fails(&["-n", "shop", "create", "configmap", "late"]);
    assert!(gone.contains("namespaces \"shop\" not found"), "{gone}");
    let kept = servers.fails(&["delete", "namespace", "default"]);
    assert!(kept.contains("this namespace may not be deleted"), "{kept}");
}

#[tokio::test]
async fn any_member_answers_and_without_a_quorum_reads_go_on_with_a_warning() {
    let mut servers = Servers::start(3).await;
    servers.ok(&["create", "secret", "generic", "a"]);
    let out = servers.run_on(2, &["get", "secret", "a", "-o", "name"], "");
    assert_eq!(out.out, "secret/a\n", "{out:?}");
    assert!(
        servers
            .run_on(1, &["create", "secret", "generic", "b"], "")
            .ok
    );

    for member in [1, 2] {
        servers.cluster.members[member].kill().unwrap();
    }
    let read = servers.until(0, &["get", "secrets", "-o", "name"], |ended| {
        ended.err.contains("no quorum")
    });
    assert_eq!(read.out, "secret/a\nsecret/b\n");
    let refused = servers.until(0, &["create", "secret", "generic", "c"], |ended| {
        !ended.ok && ended.err.contains("quorum")
    });
    assert!(
        refused.err.contains("nothing can be written"),
        "{refused:?}"
    );
}
