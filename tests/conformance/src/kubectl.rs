//! The real kubectl as the administrator of the shared server.
//!
//! Knows nothing about what the tests assert.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use skerry_tests_harness::kubectl_binary;

use crate::World;

/// How a run of kubectl has ended.
#[derive(Debug)]
pub struct Ended {
    /// Whether it succeeded.
    pub ok: bool,
    /// Its status.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// A kubectl that runs. Ends when it is dropped.
pub struct Background(Child);

impl Background {
    /// The first line that it prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        let out = self.0.stdout.as_mut().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl World {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(kubectl_binary().unwrap());
        command
            .arg("--kubeconfig")
            .arg(self.cluster.folder().join("m1.kubeconfig"))
            .args(["--namespace", &self.namespace])
            .args(arguments)
            .env("HOME", self.cluster.folder())
            .env_remove("KUBECONFIG")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs kubectl in the test's namespace, with this on its standard input.
    pub async fn kubectl_with(&self, arguments: &[&str], input: &str) -> Ended {
        let mut command = self.command(arguments);
        let input = input.to_owned();
        let run = move || {
            let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
            // It may end without having read all of it.
            let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
            child.wait_with_output().unwrap()
        };
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        Ended {
            ok: output.status.success(),
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs kubectl, which must succeed; what it prints.
    pub async fn kubectl(&self, arguments: &[&str]) -> String {
        self.kubectl_ok(arguments, "").await
    }

    /// As [`World::kubectl`], with this on its standard input.
    pub async fn kubectl_ok(&self, arguments: &[&str], input: &str) -> String {
        let ended = self.kubectl_with(arguments, input).await;
        assert!(ended.ok, "kubectl {arguments:?}: {ended:?}");
        ended.out
    }

    /// Starts kubectl and leaves it running.
    pub fn kubectl_background(&self, arguments: &[&str]) -> Background {
        Background(self.command(arguments).spawn().unwrap())
    }
}
