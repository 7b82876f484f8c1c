//! What a test needs around an operator that others wrote: three members, an address that goes to
//! whichever of them lives, the operator's process, and kubectl on the same way.
//!
//! Nothing runs the pods that operators ask for: what is seen is what they make and take away.

use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use skerry_tests_harness::{Cluster, Kind, Options, eventually, kubectl_binary};

/// How long an operator may take for anything: it waits itself after what failed.
pub const DEADLINE: Duration = Duration::from_secs(180);

/// How often one looks whether an operator is to end or to start again.
const GLANCE: Duration = Duration::from_millis(100);

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

/// Three members, the way to those that live, and kubectl on it.
pub struct Fleet {
    /// The members.
    pub cluster: Cluster,
    /// kubectl, as their administrator.
    pub kubectl: Kubectl,
    kubeconfig: PathBuf,
    _balancer: Balancer,
}

impl Fleet {
    /// Of three members whose namespaces are complete.
    pub async fn start() -> Fleet {
        let options = Options {
            kubernetes: true,
            ..Options::default()
        };
        let cluster = Cluster::start(Kind::Skerry, 3, &options).await.unwrap();
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
        Fleet {
            cluster,
            kubectl,
            kubeconfig,
            _balancer: balancer,
        }
    }

    /// The operator that `command` is, told of the cluster by its environment.
    pub fn operator(&self, command: Command) -> Operator {
        Operator::start(command, &self.kubeconfig, false)
    }

    /// As [`Fleet::operator`], for one that ends when its connection breaks and counts on being
    /// started again.
    pub fn operator_that_ends(&self, command: Command) -> Operator {
        Operator::start(command, &self.kubeconfig, true)
    }

    /// The member that everything has gone through until now is gone at once.
    pub fn kill_first(&mut self) {
        self.cluster.members[0].kill().unwrap();
    }
}

/// An operator's process. Ends when it is dropped.
pub struct Operator {
    ends: Arc<AtomicBool>,
    keeper: Option<JoinHandle<()>>,
    log: PathBuf,
}

impl Operator {
    fn start(mut command: Command, kubeconfig: &Path, again: bool) -> Operator {
        let log = kubeconfig.with_file_name("operator.log");
        let out = std::fs::File::create(&log).unwrap();
        command
            .env("KUBECONFIG", kubeconfig)
            .env("HOME", kubeconfig.parent().unwrap())
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out);
        let ends = Arc::new(AtomicBool::new(false));
        let (child, done) = (command.spawn().unwrap(), Arc::clone(&ends));
        let keeper = std::thread::spawn(move || keep(child, &mut command, again, &done));
        Operator {
            ends,
            keeper: Some(keeper),
            log,
        }
    }
}

/// Looks after a process until it shall end.
fn keep(mut child: Child, command: &mut Command, again: bool, ends: &AtomicBool) {
    while !ends.load(Ordering::SeqCst) {
        std::thread::sleep(GLANCE);
        if again && matches!(child.try_wait(), Ok(Some(_))) {
            match command.spawn() {
                Ok(next) => child = next,
                Err(_) => return,
            }
        }
    }
    let _ = child.kill();
    let _ = child.wait();
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let _ = self.keeper.take().map(JoinHandle::join);
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<_> = log.lines().rev().take(40).collect();
            eprintln!(
                "--- the operator's last lines, the newest first\n{}",
                lines.join("\n")
            );
        }
    }
}

/// kubectl through the balancer.
pub struct Kubectl(PathBuf);

impl Kubectl {
    /// What it says, or why not.
    pub fn run(&self, arguments: &[&str], input: &str) -> anyhow::Result<String> {
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

    /// Creates or changes what `manifest` says.
    pub fn apply(&self, manifest: &str) -> anyhow::Result<String> {
        self.run(&["apply", "-f", "-"], manifest)
    }

    /// Waits until `path`, a JSON path, of what `arguments` get is `value`.
    pub fn until(&self, arguments: &[&str], path: &str, value: &str) {
        let output = format!("jsonpath={path}");
        let all = [&["get"], arguments, &["-o", &output]].concat();
        eventually(
            &format!("{arguments:?} {path} is {value:?}"),
            DEADLINE,
            || {
                let found = self.run(&all, "")?;
                anyhow::ensure!(found == value, "{found:?}");
                Ok(())
            },
        )
        .unwrap();
    }

    /// Waits until there are `count` objects of a kind with a label.
    pub fn until_count(&self, kind: &str, selector: &str, count: usize) {
        eventually(&format!("{count} {kind}"), DEADLINE, || {
            let out = self.run(&["get", kind, "-l", selector, "-o", "name"], "")?;
            anyhow::ensure!(out.lines().count() == count, "{out:?}");
            Ok(())
        })
        .unwrap();
    }

    /// Waits until definitions are served, those that `names` name.
    pub fn established(&self, names: &[&str]) {
        let start = ["wait", "--for=condition=Established", "--timeout=60s"];
        let names: Vec<_> = names.iter().map(|name| format!("crd/{name}")).collect();
        let names = names.iter().map(String::as_str);
        let all: Vec<_> = start.into_iter().chain(names).collect();
        self.run(&all, "").unwrap();
    }
}
