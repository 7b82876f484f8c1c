//! Dask's operator, which others wrote on kopf, unchanged against three members of which one is
//! killed. Nothing runs the pods that it asks for: what is seen is what it makes and takes away.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use skerry_tests_harness::{Cluster, Kind, Options, eventually, kubectl_binary, peers_folder};

/// How long the operator may take for anything: it waits itself after what failed.
const DEADLINE: Duration = Duration::from_secs(180);

/// What stands before the members: each connection goes to the first that takes it.
struct Balancer {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
}

impl Balancer {
    fn start(hosts: &[IpAddr]) -> Balancer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ends = Arc::new(AtomicBool::new(false));
        let (hosts, done) = (hosts.to_vec(), Arc::clone(&ends));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if done.load(Ordering::SeqCst) {
                    return;
                }
                let hosts = hosts.clone();
                std::thread::spawn(move || client.map(|client| pass(client, &hosts)));
            }
        });
        Balancer { address, ends }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn pass(client: TcpStream, hosts: &[IpAddr]) -> Option<()> {
    let mut all = hosts.iter().map(|host| SocketAddr::new(*host, 6443));
    let server = all.find_map(|host| TcpStream::connect(host).ok())?;
    let (mut from, mut to) = (client.try_clone().ok()?, server.try_clone().ok()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
    let (mut from, mut to) = (server, client);
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Both);
    Some(())
}

/// The operator's process. Ends when it is dropped.
struct Operator(Child, PathBuf);

impl Operator {
    fn start(python: &Path, kubeconfig: &Path, log: PathBuf) -> Operator {
        let out = std::fs::File::create(&log).unwrap();
        let child = Command::new(python)
            .args([
                "-B",
                "-m",
                "kopf",
                "run",
                "-m",
                "dask_kubernetes.operator.controller",
            ])
            .args(["--verbose", "--all-namespaces"])
            .env("KUBECONFIG", kubeconfig)
            .env("HOME", log.parent().unwrap())
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        Operator(child, log)
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.1).unwrap_or_default();
            let lines: Vec<_> = log.lines().rev().take(40).collect();
            eprintln!(
                "--- the operator's last lines, the newest first\n{}",
                lines.join("\n")
            );
        }
    }
}

/// kubectl through the balancer.
struct Kubectl(PathBuf);

impl Kubectl {
    fn run(&self, arguments: &[&str], input: &str) -> anyhow::Result<String> {
        let mut child = Command::new(kubectl_binary()?)
            .arg("--kubeconfig")
            .arg(&self.0)
            .args(arguments)
            .env("HOME", self.0.parent().unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        // It may end without having read all of it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output()?;
        let err = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "kubectl {arguments:?}: {err}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The names of the test's objects of a kind.
    fn names(&self, kind: &str) -> anyhow::Result<Vec<String>> {
        let selector = "dask.org/cluster-name=fleet";
        let out = self.run(&["get", kind, "-l", selector, "-o", "name"], "")?;
        Ok(out.lines().map(ToOwned::to_owned).collect())
    }

    fn until_count(&self, kind: &str, count: usize) {
        eventually(&format!("{count} {kind}"), DEADLINE, || {
            let names = self.names(kind)?;
            anyhow::ensure!(names.len() == count, "{names:?}");
            Ok(())
        })
        .unwrap();
    }
}

fn fleet() -> Value {
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

#[ignore = "350 MB of packages: SKERRY_OPERATORS=1 tests/run -- --ignored"]
#[tokio::test]
async fn dasks_operator_goes_on_when_its_member_is_killed() {
    let environment = peers_folder().join("python-dask");
    let python = environment.join("bin/python");
    assert!(
        python.exists(),
        "{} is missing: tests/peers makes it",
        python.display()
    );
    let options = Options {
        kubernetes: true,
        ..Options::default()
    };
    let mut cluster = Cluster::start(Kind::Skerry, 3, &options).await.unwrap();
    let balancer = Balancer::start(&cluster.addresses.hosts);
    let own = std::fs::read_to_string(cluster.folder().join("m1.kubeconfig")).unwrap();
    let member = format!("https://{}:6443", cluster.addresses.hosts[0]);
    assert!(own.contains(&member), "{member}");
    let kubeconfig = cluster.folder().join("balanced.kubeconfig");
    let address = format!("https://{}", balancer.address);
    std::fs::write(&kubeconfig, own.replace(&member, &address)).unwrap();
    let kubectl = Kubectl(kubeconfig.clone());
    eventually("every namespace is complete", DEADLINE, || {
        kubectl.run(&["get", "configmap/kube-root-ca.crt"], "")
    })
    .unwrap();

    // Its definitions as they come with it.
    let place = Command::new(&python)
        .args([
            "-c",
            "import dask_kubernetes; print(dask_kubernetes.__path__[0])",
        ])
        .output()
        .unwrap();
    let place = PathBuf::from(String::from_utf8(place.stdout).unwrap().trim());
    let chart = place.join("operator/deployment/helm/dask-kubernetes-operator/crds");
    kubectl
        .run(&["create", "-f", chart.to_str().unwrap()], "")
        .unwrap();
    let all = [
        "wait",
        "crd",
        "--all",
        "--for=condition=Established",
        "--timeout=60s",
    ];
    kubectl.run(&all, "").unwrap();
    let operator = Operator::start(&python, &kubeconfig, cluster.folder().join("operator.log"));

    kubectl
        .run(&["create", "-f", "-"], &fleet().to_string())
        .unwrap();
    // Two workers and the scheduler.
    kubectl.until_count("deployments", 3);
    kubectl.until_count("services", 1);
    kubectl.until_count("daskworkergroups", 1);

    cluster.members[0].kill().unwrap();
    let more = r#"{"spec":{"worker":{"replicas":4}}}"#;
    eventually("the others take writes", DEADLINE, || {
        kubectl.run(
            &["patch", "daskcluster", "fleet", "--type=merge", "-p", more],
            "",
        )
    })
    .unwrap();
    kubectl.until_count("deployments", 5);

    kubectl
        .run(&["delete", "daskcluster", "fleet", "--wait=false"], "")
        .unwrap();
    for kind in [
        "daskclusters",
        "daskworkergroups",
        "deployments",
        "services",
    ] {
        kubectl.until_count(kind, 0);
    }
    drop(operator);
}
