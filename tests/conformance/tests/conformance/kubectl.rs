//! kubectl's own commands, as far as they go without a kubelet.

use serde_json::{Value, json};
use skerry_tests_conformance::{World, containers};

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn the_versions_have_v1() {
    let world = World::new("kubectl-versions").await;
    let out = world.kubectl(&["api-versions"]).await;
    assert!(out.lines().any(|line| line == "v1"), "{out}");
}

#[tokio::test]
async fn the_control_plane_is_running() {
    let world = World::new("kubectl-cluster").await;
    let out = world.kubectl(&["cluster-info"]).await;
    assert!(
        out.contains("Kubernetes control plane") && out.contains("is running at"),
        "{out}"
    );
}

#[tokio::test]
async fn both_versions_are_printed() {
    let world = World::new("kubectl-version").await;
    let out = parsed(&world.kubectl(&["version", "-o", "json"]).await);
    for side in ["clientVersion", "serverVersion"] {
        for part in ["major", "minor", "gitVersion", "platform"] {
            assert!(
                !out[side][part].as_str().unwrap().is_empty(),
                "{side} {part}"
            );
        }
    }
}

fn deployment(image: &str) -> String {
    let manifest = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "httpd"},
        "spec": {
            "selector": {"matchLabels": {"app": "httpd"}},
            "template": {
                "metadata": {"labels": {"app": "httpd"}},
                "spec": {"containers": [{"name": "httpd", "image": image}]},
            },
        },
    });
    manifest.to_string()
}

#[tokio::test]
async fn another_image_is_a_difference() {
    let world = World::new("kubectl-diff").await;
    let live = deployment("example.test/httpd");
    world.kubectl_ok(&["apply", "-f", "-"], &live).await;
    let same = world.kubectl_with(&["diff", "-f", "-"], &live).await;
    assert_eq!((same.code, same.out.as_str()), (Some(0), ""));
    let other = deployment("example.test/busybox");
    let ended = world.kubectl_with(&["diff", "-f", "-"], &other).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.out.contains("-      - image: example.test/httpd"),
        "{}",
        ended.out
    );
    assert!(
        ended.out.contains("+      - image: example.test/busybox"),
        "{}",
        ended.out
    );
}

#[tokio::test]
async fn a_pod_is_run() {
    let world = World::new("kubectl-run").await;
    let image = "--image=example.test/httpd";
    world
        .kubectl(&["run", "one", "--restart=Never", image])
        .await;
    let pod = parsed(&world.kubectl(&["get", "pod", "one", "-o", "json"]).await);
    assert_eq!(pod["spec"]["containers"][0]["image"], "example.test/httpd");
    assert_eq!(pod["spec"]["restartPolicy"], "Never");
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let world = World::new("kubectl-dry").await;
    world
        .kubectl(&["run", "one", "--image=example.test/httpd"])
        .await;
    let patch = r#"{"spec":{"containers":[{"name":"one","image":"example.test/busybox"}]}}"#;
    let dry = [
        "patch",
        "pod",
        "one",
        "-p",
        patch,
        "--dry-run=server",
        "-o",
        "json",
    ];
    let answered = parsed(&world.kubectl(&dry).await);
    assert_eq!(
        answered["spec"]["containers"][0]["image"],
        "example.test/busybox"
    );
    let pod = parsed(&world.kubectl(&["get", "pod", "one", "-o", "json"]).await);
    assert_eq!(pod["spec"]["containers"][0]["image"], "example.test/httpd");
}

#[tokio::test]
async fn the_image_of_a_pod_is_replaced() {
    let world = World::new("kubectl-replace").await;
    world
        .kubectl(&["run", "one", "--image=example.test/httpd"])
        .await;
    let mut pod = parsed(&world.kubectl(&["get", "pod", "one", "-o", "json"]).await);
    pod["spec"]["containers"][0]["image"] = json!("example.test/busybox");
    world
        .kubectl_ok(&["replace", "-f", "-"], &pod.to_string())
        .await;
    let read = parsed(&world.kubectl(&["get", "pod", "one", "-o", "json"]).await);
    assert_eq!(
        read["spec"]["containers"][0]["image"],
        "example.test/busybox"
    );
    let force = ["replace", "--force", "--grace-period=0", "-f", "-"];
    world.kubectl_ok(&force, &pod.to_string()).await;
    let again = parsed(&world.kubectl(&["get", "pod", "one", "-o", "json"]).await);
    assert_ne!(again["metadata"]["uid"], read["metadata"]["uid"]);
}

#[tokio::test]
async fn labels_are_set_and_removed() {
    let world = World::new("kubectl-labels").await;
    world
        .kubectl(&["run", "one", "--image=example.test/httpd"])
        .await;
    world
        .kubectl(&["label", "pods", "one", "testing-label=testing-value"])
        .await;
    let column = ["get", "pod", "one", "-L", "testing-label"];
    assert!(world.kubectl(&column).await.contains("testing-value"));
    let select = ["get", "pod", "-l", "testing-label", "-o", "name"];
    assert_eq!(world.kubectl(&select).await, "pod/one\n");
    world
        .kubectl(&["label", "pods", "one", "testing-label-"])
        .await;
    assert!(!world.kubectl(&column).await.contains("testing-value"));
    assert_eq!(world.kubectl(&select).await, "");
}

#[tokio::test]
async fn controllers_and_services_are_exposed() {
    let world = World::new("kubectl-expose").await;
    let controller = json!({
        "apiVersion": "v1", "kind": "ReplicationController",
        "metadata": {"name": "primary"},
        "spec": {
            "selector": {"app": "agnhost"},
            "template": {
                "metadata": {"labels": {"app": "agnhost"}},
                "spec": {"containers": containers()},
            },
        },
    });
    world
        .kubectl_ok(&["create", "-f", "-"], &controller.to_string())
        .await;
    let target = "--target-port=6379";
    world
        .kubectl(&[
            "expose",
            "rc",
            "primary",
            "--name=rm2",
            "--port=1234",
            target,
        ])
        .await;
    world
        .kubectl(&[
            "expose",
            "service",
            "rm2",
            "--name=rm3",
            "--port=2345",
            target,
        ])
        .await;
    for (name, port) in [("rm2", 1234), ("rm3", 2345)] {
        let service = parsed(&world.kubectl(&["get", "service", name, "-o", "json"]).await);
        assert_eq!(service["spec"]["selector"], json!({"app": "agnhost"}));
        assert_eq!(service["spec"]["ports"][0]["port"], port);
        assert_eq!(service["spec"]["ports"][0]["targetPort"], 6379);
    }
}

#[tokio::test]
async fn objects_are_described() {
    let world = World::new("kubectl-describe").await;
    world
        .kubectl(&[
            "run",
            "one",
            "--image=example.test/httpd",
            "--labels=app=web",
        ])
        .await;
    world.kubectl(&["expose", "pod", "one", "--port=80"]).await;
    let pod = world.kubectl(&["describe", "pod", "one"]).await;
    for line in [
        "Name:",
        "Namespace:",
        "Labels:",
        "Status:",
        "Image:",
        "QoS Class:",
    ] {
        assert!(pod.contains(line), "{line}: {pod}");
    }
    let service = world.kubectl(&["describe", "service", "one"]).await;
    for line in ["Name:", "Selector:", "Type:", "IP:", "Port:", "Endpoints:"] {
        assert!(service.contains(line), "{line}: {service}");
    }
    let own = world.namespace.clone();
    let namespace = world.kubectl(&["describe", "namespace", &own]).await;
    for line in ["Name:", "Labels:", "Status:"] {
        assert!(namespace.contains(line), "{line}: {namespace}");
    }
}

/// What a proxy of kubectl answers to a request for the versions.
fn ask(stream: &mut (impl std::io::Read + std::io::Write)) -> String {
    let request = "GET /api/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn the_proxy_chooses_a_port() {
    let world = World::new("kubectl-proxy").await;
    let mut proxy = world.kubectl_background(&["proxy", "--port=0"]);
    let line = proxy.line();
    let place = line.trim().strip_prefix("Starting to serve on ").unwrap();
    let answer = ask(&mut std::net::TcpStream::connect(place).unwrap());
    assert!(answer.contains("\"v1\""), "{answer}");
}

#[tokio::test]
async fn the_proxy_listens_on_a_socket() {
    let world = World::new("kubectl-socket").await;
    let socket = world.cluster.folder().join("kubectl-proxy.sock");
    let argument = format!("--unix-socket={}", socket.display());
    let mut proxy = world.kubectl_background(&["proxy", &argument]);
    assert!(proxy.line().starts_with("Starting to serve on "));
    let answer = ask(&mut std::os::unix::net::UnixStream::connect(&socket).unwrap());
    assert!(answer.contains("\"v1\""), "{answer}");
}
