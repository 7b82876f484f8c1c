//! Runs etcdctl against one cluster.

use anyhow::{Context, Result, bail};
use skerry_tests_harness::{Cluster, etcdctl_binary, eventually};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// No command of the tests takes longer.
const COMMAND_DEADLINE: Duration = Duration::from_secs(60);

/// The flags that lead etcdctl to a cluster.
#[derive(Debug, Clone)]
pub struct Ctl {
    binary: PathBuf,
    flags: Vec<String>,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The exit code; none: by a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ctl {
    /// All members of `cluster` are endpoints.
    pub fn new(cluster: &Cluster) -> Result<Self> {
        Self::to(cluster, &cluster.endpoints())
    }

    /// Some of the members, by URL.
    pub fn to(cluster: &Cluster, endpoints: &[String]) -> Result<Self> {
        let mut flags = vec![format!("--endpoints={}", endpoints.join(","))];
        if let Some(credentials) = cluster.credentials() {
            flags.push(format!("--cacert={}", credentials.server_ca.display()));
            flags.push(format!("--cert={}", credentials.certificate.display()));
            flags.push(format!("--key={}", credentials.key.display()));
        }
        Ok(Self {
            binary: etcdctl_binary()?,
            flags,
        })
    }

    /// The flags for the same cluster as the destination of `make-mirror`.
    pub fn mirror_flags(&self) -> Vec<String> {
        let flag = |flag: &String| {
            let (name, value) = flag.split_once('=').expect("flags are name=value");
            match name {
                "--endpoints" => value.to_owned(),
                name => format!("--dest-{}={value}", name.trim_start_matches("--")),
            }
        };
        // The destination itself comes last.
        self.flags
            .iter()
            .skip(1)
            .chain(self.flags.first())
            .map(flag)
            .collect()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .env("ETCDCTL_API", "3")
            .args(&self.flags)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end with `input` on its standard input.
    pub fn run(&self, arguments: &[&str], input: &str) -> Result<Ended> {
        let mut running = self.start(arguments, input)?;
        running.stdin = None;
        let until = Instant::now() + COMMAND_DEADLINE;
        loop {
            if let Some(status) = running.child.try_wait()? {
                let (stdout, stderr) = running.finish();
                return Ok(Ended {
                    code: status.code(),
                    stdout,
                    stderr,
                });
            }
            if Instant::now() > until {
                let _ = running.child.kill();
                let (stdout, stderr) = running.finish();
                bail!("{arguments:?} does not end: {stdout}{stderr}");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Starts a command that goes on until it is stopped.
    pub fn start(&self, arguments: &[&str], input: &str) -> Result<Running> {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped());
        let mut child = command
            .spawn()
            .with_context(|| format!("start etcdctl {arguments:?}"))?;
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(input.as_bytes())?;
        let stdout = collect(child.stdout.take().expect("piped"));
        let stderr = collect(child.stderr.take().expect("piped"));
        Ok(Running {
            child,
            stdin: Some(stdin),
            stdout,
            stderr,
        })
    }
}

type Collected = (Arc<Mutex<String>>, std::thread::JoinHandle<()>);

fn collect(mut from: impl Read + Send + 'static) -> Collected {
    let text = Arc::new(Mutex::new(String::new()));
    let into = text.clone();
    let thread = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            into.lock()
                .unwrap()
                .push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    });
    (text, thread)
}

/// A command that runs in the background.
pub struct Running {
    child: Child,
    // Open as long as the command may read on.
    stdin: Option<ChildStdin>,
    stdout: Collected,
    stderr: Collected,
}

impl Running {
    /// Waits until what it printed satisfies `enough`.
    pub fn wait_for(&mut self, what: &str, enough: impl Fn(&str) -> bool) -> Result<()> {
        eventually(what, Duration::from_secs(30), || {
            let text = self.stdout.0.lock().unwrap().clone();
            if enough(&text) {
                return Ok(());
            }
            bail!(
                "printed {text:?}, complained {:?}",
                self.stderr.0.lock().unwrap()
            )
        })
    }

    /// SIGINT, as from a terminal, and what it had printed.
    pub fn interrupt(mut self) -> Result<Ended> {
        let status = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status()?;
        anyhow::ensure!(status.success(), "kill -INT {}", self.child.id());
        let status = eventually("etcdctl ends", Duration::from_secs(10), || {
            self.child.try_wait()?.context("it goes on")
        })?;
        let (stdout, stderr) = self.finish();
        Ok(Ended {
            code: status.code(),
            stdout,
            stderr,
        })
    }

    /// Waits for its own end.
    pub fn wait(mut self) -> Result<Ended> {
        self.stdin = None;
        let status = eventually("etcdctl ends", COMMAND_DEADLINE, || {
            self.child.try_wait()?.context("it goes on")
        })?;
        let (stdout, stderr) = self.finish();
        Ok(Ended {
            code: status.code(),
            stdout,
            stderr,
        })
    }

    fn finish(&mut self) -> (String, String) {
        let mut texts = Vec::new();
        for (text, thread) in [&mut self.stdout, &mut self.stderr] {
            let thread = std::mem::replace(thread, std::thread::spawn(|| {}));
            let _ = thread.join();
            texts.push(std::mem::take(&mut *text.lock().unwrap()));
        }
        let stderr = texts.pop().unwrap_or_default();
        (texts.pop().unwrap_or_default(), stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
