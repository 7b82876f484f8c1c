//! One member of a cluster: a process, its data directory, its log file, and what tests do to it.

use crate::connect::{Client, connect_lazy};
use crate::credentials::Credentials;
use crate::spawn::{bound_command, spawn};
use crate::wait::eventually;
use anyhow::{Context, Result, bail};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;
use tonic::transport::Channel;

pub use nix::sys::signal::Signal;

/// How many last lines of a log are shown when a test fails.
const LOG_LINES_SHOWN: usize = 60;

/// See the module.
pub struct Member {
    /// The member's own name.
    pub name: String,
    /// Where clients of the etcd API connect.
    pub client_address: SocketAddr,
    /// Where its peers connect.
    pub peer_address: SocketAddr,
    /// Where it keeps all it has.
    pub data_dir: PathBuf,
    /// Standard output and error of all its lives.
    pub log: PathBuf,
    /// What clients authenticate with; none: no TLS.
    pub credentials: Option<Credentials>,
    /// Put before the command, such as `ip netns exec name`.
    pub wrapper: Vec<String>,
    /// The command line, wrapper excluded. May be changed between lives.
    pub command: Vec<OsString>,
    /// The environment added to the test's own.
    pub environment: Vec<(String, String)>,
    pub(crate) process: Option<Child>,
}

impl Member {
    /// Starts the process; does not wait until it serves.
    pub fn start(&mut self) -> Result<()> {
        if self.is_running() {
            bail!("{} runs already", self.name);
        }
        std::fs::create_dir_all(&self.data_dir)
            .with_context(|| format!("make {}", self.data_dir.display()))?;
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&self.log)?;
        let mut line = self
            .wrapper
            .iter()
            .map(OsString::from)
            .chain(self.command.iter().cloned());
        let program = line.next().context("a member has a command")?;
        let mut command = bound_command(&program);
        command
            .args(line)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        self.process = Some(spawn(command)?);
        Ok(())
    }

    /// The process id, while a process was started and not yet waited for.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Whether the process runs (or is stopped by SIGSTOP).
    pub fn is_running(&mut self) -> bool {
        self.process
            .as_mut()
            .is_some_and(|process| matches!(process.try_wait(), Ok(None)))
    }

    /// Sends a signal by pid.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self
            .pid()
            .with_context(|| format!("{} has no process", self.name))?;
        kill(Pid::from_raw(pid as i32), signal)
            .with_context(|| format!("send {signal} to {} ({pid})", self.name))
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.wait_for_exit(Duration::from_secs(10)).map(drop)
    }

    /// SIGTERM, and waits for the end.
    pub fn terminate(&mut self, deadline: Duration) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.wait_for_exit(deadline)
    }

    /// Waits until the process has ended.
    pub fn wait_for_exit(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let name = self.name.clone();
        let process = self
            .process
            .as_mut()
            .with_context(|| format!("{name} has no process"))?;
        let status = eventually(&format!("{name} ends"), deadline, || {
            process.try_wait()?.context("it still runs")
        })?;
        self.process = None;
        Ok(status)
    }

    /// A channel to this member; connects at first use, reconnects by itself.
    pub fn channel(&self) -> Result<Channel> {
        connect_lazy(self.client_address, self.credentials.as_ref())
    }

    /// All services of this member, without a token.
    pub fn client(&self) -> Result<Client> {
        Ok(Client::new(self.channel()?))
    }

    /// The URL that clients are given.
    pub fn client_url(&self) -> String {
        let scheme = if self.credentials.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.client_address)
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().collect::<Vec<_>>();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
        if std::thread::panicking() {
            eprintln!(
                "--- last lines of {} ({})\n{}",
                self.name,
                self.log.display(),
                self.log_tail()
            );
        }
    }
}
