//! What is measured, and with what: the command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use skerry_tests_harness::Kind;

use crate::workload::Workload;

/// How to call the program.
pub(crate) const USAGE: &str = "\
usage: skerry-bench [--members 1,3] [--clients 1,64,256] [--duration SECONDS]
                    [--only put,get,get-serializable,range,cas,watch,lease,start,idle]
                    [--peers etcd,skerry] [--skerry PATH] [--etcd PATH] [--plain-etcd]
                    [--skerry-flag FLAG]... [--dir PATH] [--json FILE]
       skerry-bench --api ...: the Kubernetes API instead

Every connection is mutual TLS, for both peers; --plain-etcd gives etcd none.
--dir is where data directories go: the disk that is measured.";

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) members: Vec<usize>,
    pub(crate) clients: Vec<usize>,
    pub(crate) window: Duration,
    pub(crate) workloads: Vec<Workload>,
    pub(crate) start: bool,
    pub(crate) idle: bool,
    pub(crate) peers: Vec<Kind>,
    skerry: Option<PathBuf>,
    etcd: Option<PathBuf>,
    pub(crate) skerry_flags: Vec<String>,
    pub(crate) tls: bool,
    pub(crate) folder: Option<PathBuf>,
    pub(crate) json: Option<PathBuf>,
}

impl Settings {
    /// Reads the command line.
    pub(crate) fn from_command_line() -> Result<Self> {
        let mut settings = Self {
            members: vec![1, 3],
            clients: vec![1, 64, 256],
            window: Duration::from_secs(5),
            workloads: Workload::ALL.to_vec(),
            start: true,
            idle: true,
            peers: vec![Kind::Etcd, Kind::Skerry],
            skerry: None,
            etcd: None,
            skerry_flags: vec!["--disable-apiserver".into()],
            tls: true,
            folder: None,
            json: None,
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                lexopt::Arg::Long("members") => settings.members = numbers(parser.value()?)?,
                lexopt::Arg::Long("clients") => settings.clients = numbers(parser.value()?)?,
                lexopt::Arg::Long("duration") => {
                    let text = text(parser.value()?)?;
                    let seconds = text.parse().ok();
                    let window = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
                    settings.window = window.with_context(|| format!("not seconds: {text}"))?;
                }
                lexopt::Arg::Long("only") => settings.only(&text(parser.value()?)?)?,
                lexopt::Arg::Long("peers") => {
                    let text = text(parser.value()?)?;
                    settings.peers = text.split(',').map(kind).collect::<Result<_>>()?;
                }
                lexopt::Arg::Long("skerry") => settings.skerry = Some(parser.value()?.into()),
                lexopt::Arg::Long("etcd") => settings.etcd = Some(parser.value()?.into()),
                lexopt::Arg::Long("skerry-flag") => {
                    settings.skerry_flags.push(text(parser.value()?)?);
                }
                lexopt::Arg::Long("plain-etcd") => settings.tls = false,
                lexopt::Arg::Long("dir") => settings.folder = Some(parser.value()?.into()),
                lexopt::Arg::Long("json") => settings.json = Some(parser.value()?.into()),
                _ => bail!("{}\n{USAGE}", argument.unexpected()),
            }
        }
        Ok(settings)
    }

    fn only(&mut self, list: &str) -> Result<()> {
        self.workloads.clear();
        (self.start, self.idle) = (false, false);
        for name in list.split(',') {
            match name {
                "start" => self.start = true,
                "idle" => self.idle = true,
                name => {
                    let found = Workload::ALL.into_iter().find(|one| one.name() == name);
                    let workload = found.with_context(|| format!("no workload {name}\n{USAGE}"))?;
                    self.workloads.push(workload);
                }
            }
        }
        Ok(())
    }

    /// The binary of this peer, where one was named.
    pub(crate) fn binary(&self, kind: Kind) -> Option<PathBuf> {
        match kind {
            Kind::Etcd => self.etcd.clone(),
            Kind::Skerry => self.skerry.clone(),
        }
    }
}

fn text(value: OsString) -> Result<String> {
    value
        .into_string()
        .map_err(|value| anyhow::anyhow!("not UTF-8: {value:?}"))
}

fn numbers(value: OsString) -> Result<Vec<usize>> {
    let text = text(value)?;
    let list: Vec<usize> = text
        .split(',')
        .map(|one| one.parse().with_context(|| format!("not a number: {one}")))
        .collect::<Result<_>>()?;
    ensure!(
        list.iter().all(|&number| number > 0),
        "numbers start at 1: {text}"
    );
    Ok(list)
}

fn kind(name: &str) -> Result<Kind> {
    match name {
        "etcd" => Ok(Kind::Etcd),
        "skerry" => Ok(Kind::Skerry),
        other => bail!("no such peer: {other}\n{USAGE}"),
    }
}
