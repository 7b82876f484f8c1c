//! The real kubectl against real servers: what it prints and how it ends.
//!
//! Knows nothing about what the tests assert.

#![allow(clippy::unwrap_used)]

pub mod behind;
mod mask;
mod on_etcd;
mod play;
mod port;
mod script;
mod streams;
pub mod webhook;

pub use on_etcd::{ON_ETCD_DEADLINE, flags_of};
pub use play::play;

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub use port::{Answer, Begun, Port};
use serde_json::Value;
use skerry_tests_harness::{Cluster, Kind, Options, eventually, kubectl_binary};
pub use streams::{Stream, Streams};

/// How long anything may take.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Servers with the Kubernetes API, and kubectl as their administrator.
pub struct Servers {
    /// The members.
    pub cluster: Cluster,
    kubectl: PathBuf,
}

/// How a run of kubectl has ended.
#[derive(Debug)]
pub struct Ended {
    /// Whether it succeeded.
    pub ok: bool,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Servers {
    /// Starts some and waits until what every cluster has is there.
    pub async fn start(size: usize) -> Servers {
        Servers::start_with(size, &[]).await
    }

    /// As [`Servers::start`], with settings of the servers' own.
    pub async fn start_with(size: usize, settings: &[&str]) -> Servers {
        let always = ["--heartbeat-interval=100ms", "--election-timeout=1000ms"];
        let flags = always.iter().chain(settings);
        let options = Options {
            kubernetes: true,
            flags: flags.map(ToString::to_string).collect(),
            ..Options::default()
        };
        let cluster = Cluster::start(Kind::Skerry, size, &options).await.unwrap();
        let servers = Servers::of(cluster);
        for member in 0..size {
            for last in [
                ["get", "clusterrolebinding/cluster-admin"].as_slice(),
                &["get", "configmap/kube-root-ca.crt"],
            ] {
                servers.until(member, last, |ended| ended.ok);
            }
        }
        servers
    }

    /// Those of a cluster that serves the Kubernetes API, or will.
    pub fn of(cluster: Cluster) -> Servers {
        Servers {
            cluster,
            kubectl: kubectl_binary().unwrap(),
        }
    }

    /// The administrator's kubeconfig for one member.
    pub fn kubeconfig(&self, member: usize) -> PathBuf {
        let name = format!("m{}.kubeconfig", member + 1);
        self.cluster.folder().join(name)
    }

    fn command(&self, member: usize, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.kubectl);
        command
            .arg("--kubeconfig")
            .arg(self.kubeconfig(member))
            .args(arguments)
            .env("HOME", self.cluster.folder())
            .env_remove("KUBECONFIG")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs kubectl against one member, with this on its standard input.
    pub fn run_on(&self, member: usize, arguments: &[&str], input: &str) -> Ended {
        let mut child = self
            .command(member, arguments)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        // It may end without having read all of it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Ended {
            ok: output.status.success(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs kubectl against the first member; it must succeed.
    pub fn ok(&self, arguments: &[&str]) -> String {
        self.ok_with(arguments, "")
    }

    /// As [`Servers::ok`], with this on its standard input.
    pub fn ok_with(&self, arguments: &[&str], input: &str) -> String {
        let ended = self.run_on(0, arguments, input);
        assert!(ended.ok, "kubectl {arguments:?}: {ended:?}");
        ended.out
    }

    /// Runs kubectl against the first member; it must fail. What it says.
    pub fn fails(&self, arguments: &[&str]) -> String {
        self.fails_with(arguments, "")
    }

    /// As [`Servers::fails`], with this on its standard input.
    pub fn fails_with(&self, arguments: &[&str], input: &str) -> String {
        let ended = self.run_on(0, arguments, input);
        assert!(!ended.ok, "kubectl {arguments:?}: {ended:?}");
        ended.err
    }

    /// What an object looks like.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.extend(["-o", "json"]);
        serde_json::from_str(&self.ok(&all)).unwrap()
    }

    /// Runs kubectl until it ends as it should.
    pub fn until(
        &self,
        member: usize,
        arguments: &[&str],
        mut wanted: impl FnMut(&Ended) -> bool,
    ) -> Ended {
        eventually(&format!("kubectl {arguments:?}"), DEADLINE, || {
            let ended = self.run_on(member, arguments, "");
            anyhow::ensure!(wanted(&ended), "{ended:?}");
            Ok(ended)
        })
        .unwrap()
    }

    /// A token with which everything may be done, though not as one of `system:masters`.
    pub fn token_of_admin(&self) -> String {
        self.ok(&["create", "serviceaccount", "admin"]);
        self.ok(&[
            "create",
            "clusterrolebinding",
            "all-for-admin",
            "--clusterrole=cluster-admin",
            "--serviceaccount=default:admin",
        ]);
        let who = "--as=system:serviceaccount:default:admin";
        self.until(0, &["auth", "can-i", "*", "*", who], |ended| ended.ok);
        self.ok(&["create", "token", "admin"]).trim().to_owned()
    }

    /// Starts kubectl and leaves it running.
    pub fn background(&self, arguments: &[&str]) -> Running {
        let mut child = self.command(0, arguments).spawn().unwrap();
        let out = child.stdout.take().unwrap();
        let (send, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Running { child, lines }
    }
}

/// A kubectl that runs, for watches. Ends when it is dropped.
pub struct Running {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Running {
    /// The next line that it prints.
    pub fn line(&self) -> String {
        self.lines.recv_timeout(DEADLINE).unwrap()
    }

    /// Waits for a line that starts so.
    pub fn line_with(&self, start: &str) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            let line = self.line();
            if line.starts_with(start) {
                return line;
            }
            assert!(Instant::now() < until, "no line starts with {start}");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
