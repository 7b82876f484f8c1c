//! What a kubelet may do: its node, its pods, and what they need.

use skerry_tests_kubectl::{Ended, Servers};

const OBJECTS: &str = r#"
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Node, metadata: {name: n1}}
- {apiVersion: v1, kind: Node, metadata: {name: n2}}
- {apiVersion: v1, kind: Secret, metadata: {name: mine}, stringData: {a: b}}
- {apiVersion: v1, kind: Secret, metadata: {name: theirs}, stringData: {a: b}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}
- apiVersion: v1
  kind: Pod
  metadata: {name: p1}
  spec:
    nodeName: n1
    serviceAccountName: default
    containers:
    - name: c
      image: i
      env: [{name: A, valueFrom: {secretKeyRef: {name: mine, key: a}}}]
    volumes: [{name: v, configMap: {name: settings}}]
- apiVersion: v1
  kind: Pod
  metadata: {name: p2}
  spec:
    nodeName: n2
    containers:
    - {name: c, image: i, envFrom: [{secretRef: {name: theirs}}]}
"#;

fn as_n1(servers: &Servers, arguments: &[&str]) -> Ended {
    with_input(servers, arguments, "")
}

fn with_input(servers: &Servers, arguments: &[&str], input: &str) -> Ended {
    let mut all = vec!["--as=system:node:n1", "--as-group=system:nodes"];
    all.extend(arguments);
    servers.run_on(0, &all, input)
}

#[tokio::test]
async fn a_kubelet_reads_what_its_pods_need_and_writes_its_own_node() {
    let servers = Servers::start(1).await;
    servers.ok_with(&["apply", "-f", "-"], OBJECTS);

    for allowed in [
        ["get", "node", "n1"].as_slice(),
        &["get", "pod", "p1"],
        &["get", "pods", "-A", "--field-selector=spec.nodeName=n1"],
        &["get", "secret", "mine"],
        &["get", "secrets", "--field-selector=metadata.name=mine"],
        &["get", "configmap", "settings"],
        &["get", "services", "-A"],
        &[
            "create",
            "token",
            "default",
            "--bound-object-kind=Pod",
            "--bound-object-name=p1",
            "--bound-object-uid",
            &uid(&servers, "p1"),
        ],
        &[
            "label",
            "node",
            "n1",
            "node.kubernetes.io/instance-type=box",
        ],
        &["annotate", "node", "n1", "a=b"],
    ] {
        let ended = as_n1(&servers, allowed);
        assert!(ended.ok, "{allowed:?}: {ended:?}");
    }

    for (refused, why) in [
        (
            ["get", "nodes"].as_slice(),
            "node 'n1' cannot read all nodes, only its own Node object",
        ),
        (
            &["get", "node", "n2"],
            "node 'n1' cannot read 'n2', only its own Node object",
        ),
        (
            &["get", "secret", "theirs"],
            "no relationship found between node 'n1' and this object",
        ),
        (&["get", "secrets"], "No Object name found"),
        (
            &["get", "pod", "p2"],
            "no relationship found between node 'n1' and this object",
        ),
        (
            &["get", "pods"],
            "can only list/watch pods with spec.nodeName field selector",
        ),
        (
            &["get", "deployments"],
            "cannot list resource \"deployments\"",
        ),
        (
            &["create", "token", "default"],
            "node requested token not bound to a pod",
        ),
        (&["annotate", "node", "n2", "a=b"], "cannot read 'n2'"),
        (
            &["taint", "node", "n1", "a=b:NoSchedule"],
            "node \"n1\" is not allowed to modify taints",
        ),
        (
            &["label", "node", "n1", "node-restriction.kubernetes.io/a=b"],
            "is not allowed to modify labels: node-restriction.kubernetes.io/a",
        ),
        (
            &["label", "pod", "p1", "a=b"],
            "cannot patch resource \"pods\"",
        ),
        (
            &["delete", "node", "n1"],
            "cannot delete resource \"nodes\"",
        ),
    ] {
        let ended = as_n1(&servers, refused);
        assert!(
            !ended.ok && ended.err.contains(why),
            "{refused:?}: {ended:?}"
        );
    }

    // A raw delete: kubectl reads what it deletes first.
    let path = "/api/v1/namespaces/default/pods/p2";
    let ended = as_n1(&servers, &["delete", "--raw", path]);
    let why = "pods \"p2\" is forbidden: node \"n1\" can only delete pods with spec.nodeName set to itself";
    assert!(!ended.ok && ended.err.contains(why), "{ended:?}");
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p3}, spec: {nodeName: n1, containers: [{name: c, image: i}]}}";
    let ended = with_input(&servers, &["create", "-f", "-"], pod);
    let why = "pod does not have \"kubernetes.io/config.mirror\" annotation, node \"n1\" can only create mirror pods";
    assert!(!ended.ok && ended.err.contains(why), "{ended:?}");

    // A status as a kubelet sends it; kubectl's own patch of a status reads it first.
    let pod = servers.json(&["get", "pod", "p1"]);
    let path = "/api/v1/namespaces/default/pods/p1/status";
    let put = |pod: &serde_json::Value| {
        with_input(
            &servers,
            &["replace", "--raw", path, "-f", "-"],
            &pod.to_string(),
        )
    };
    let mut running = pod.clone();
    running["status"]["phase"] = "Running".into();
    let ended = put(&running);
    assert!(ended.ok && ended.out.contains("\"Running\""), "{ended:?}");
    let mut labelled = pod.clone();
    labelled["metadata"]["labels"] = serde_json::json!({"a": "b"});
    labelled["metadata"]["resourceVersion"] = "".into();
    let ended = put(&labelled);
    let why = "node \"n1\" cannot update labels through pod status";
    assert!(!ended.ok && ended.err.contains(why), "{ended:?}");

    let asked = servers.ok_with(
        &["create", "-f", "-", "-o", "jsonpath={.status.allowed}"],
        r#"{"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {"user": "system:node:n1", "groups": ["system:nodes"], "resourceAttributes": {"namespace": "default", "resource": "secrets", "name": "mine", "verb": "get"}}}"#,
    );
    assert_eq!(asked, "true");
}

fn uid(servers: &Servers, pod: &str) -> String {
    servers.ok(&["get", "pod", pod, "-o", "jsonpath={.metadata.uid}"])
}

#[tokio::test]
async fn a_role_that_names_an_object_allows_lists_of_just_that_one() {
    let servers = Servers::start(1).await;
    servers.ok(&[
        "create",
        "role",
        "one",
        "--verb=list,watch,get",
        "--resource=configmaps",
        "--resource-name=kube-root-ca.crt",
    ]);
    servers.ok(&["create", "rolebinding", "one", "--role=one", "--user=joe"]);
    let list = ["get", "configmaps", "--as=joe"];
    let mut one = list.to_vec();
    one.push("--field-selector=metadata.name=kube-root-ca.crt");
    servers.until(0, &one, |ended| ended.ok);
    let refused = servers.fails(&list);
    assert!(refused.contains("configmaps is forbidden"), "{refused}");
}
