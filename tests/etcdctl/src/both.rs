//! The same command on both clusters, and a list of what differed.

use crate::ctl::{Ctl, Ended, Running};
use crate::plain::Plain;
use anyhow::Result;
use skerry_tests_harness::{Cluster, Kind, Options};
use std::fmt::Write;

/// etcd on the left, the server under test on the right.
pub struct Both {
    /// The clusters.
    pub clusters: [Cluster; 2],
    /// How etcdctl reaches them.
    pub ctls: [Ctl; 2],
    plains: [Plain; 2],
    differences: String,
    extra: Vec<String>,
}

/// A command that runs in the background on both.
pub struct Background {
    running: [Running; 2],
    arguments: String,
}

impl Both {
    /// `members` of each kind. `SKERRY_TESTS_AGAINST_ETCD` compares etcd with itself.
    pub async fn start(members: usize, flags: [&[&str]; 2]) -> Result<Self> {
        let kind = match std::env::var_os("SKERRY_TESTS_AGAINST_ETCD") {
            Some(_) => Kind::Etcd,
            None => Kind::Skerry,
        };
        let options = |kind: Kind| {
            let flags = flags[usize::from(kind == Kind::Skerry)];
            Options {
                flags: flags.iter().map(ToString::to_string).collect(),
                ..Options::default()
            }
        };
        let clusters = [
            Cluster::start(Kind::Etcd, members, &options(Kind::Etcd)).await?,
            Cluster::start(kind, members, &options(kind)).await?,
        ];
        let ctls = [Ctl::new(&clusters[0])?, Ctl::new(&clusters[1])?];
        let plains = [Plain::new(&clusters[0]), Plain::new(&clusters[1])];
        Ok(Self {
            clusters,
            ctls,
            plains,
            differences: String::new(),
            extra: Vec::new(),
        })
    }

    /// Flags that every command from here on gets, such as `--user`.
    pub fn with(&mut self, flags: &[&str]) {
        self.extra = flags.iter().map(ToString::to_string).collect();
    }

    /// From here on the first member alone is asked, instead of all.
    ///
    /// A token is known to a member once it has applied what made it, and a command that goes to
    /// each member by itself (`defrag`) waits for nothing: an etcd that lags calls it invalid.
    pub fn ask_one(&mut self) {
        self.ctls = [0, 1].map(|side| {
            let cluster = &self.clusters[side];
            Ctl::to(cluster, &cluster.endpoints()[..1]).unwrap()
        });
    }

    /// From here on all members are asked again.
    pub fn ask_all(&mut self) {
        self.ctls = [0, 1].map(|side| Ctl::new(&self.clusters[side]).unwrap());
    }

    /// Runs a command on both; they must print the same and end the same.
    pub fn same(&mut self, command: &str) -> [Ended; 2] {
        self.same_with_input(command, "")
    }

    /// As [`Both::same`], with text on the standard input. `LEASE-0` is the first lease learned,
    /// `$PEER-1` and the like are not replaced: addresses are compared by name.
    pub fn same_with_input(&mut self, command: &str, input: &str) -> [Ended; 2] {
        let ended = [0, 1].map(|side| self.run(side, command, input));
        self.compare(command, &ended);
        ended
    }

    /// As [`Both::same`], but only how it ends is compared, not what it prints.
    pub fn ends_the_same(&mut self, command: &str) -> [Ended; 2] {
        let ended = [0, 1].map(|side| self.run(side, command, ""));
        if ended[0].code != ended[1].code {
            let _ = writeln!(
                self.differences,
                "etcdctl {command}\n  etcd: {:?}\n  skerry: {:?}",
                ended[0], ended[1]
            );
        }
        ended
    }

    fn arguments(&self, side: usize, command: &str) -> Vec<String> {
        let words = words(command)
            .into_iter()
            .map(|word| match word.strip_prefix("LEASE-") {
                Some(nth) => self.plains[side].lease(nth.parse().unwrap()).to_owned(),
                None => word,
            });
        self.extra.iter().cloned().chain(words).collect()
    }

    /// Runs a command on one side only.
    pub fn run(&self, side: usize, command: &str, input: &str) -> Ended {
        let arguments = self.arguments(side, command);
        let arguments = arguments.iter().map(String::as_str).collect::<Vec<_>>();
        self.ctls[side].run(&arguments, input).unwrap()
    }

    /// Compares what one command did on either side.
    pub fn compare(&mut self, command: &str, ended: &[Ended; 2]) {
        let format = format_of(command);
        let told = [0, 1].map(|side| {
            let Ended {
                code,
                stdout,
                stderr,
            } = &ended[side];
            let plain = &self.plains[side];
            let (mut out, err) = (plain.plain(stdout, &format), plain.plain(stderr, &format));
            if command.starts_with("member ") || command == "lease list" {
                // In the order of their ids, or of their ends.
                let mut lines = out.lines().collect::<Vec<_>>();
                lines.sort_unstable();
                out = lines.join("\n");
            }
            format!("code {code:?}\n{out}\n--\n{err}")
        });
        if told[0] != told[1] {
            let _ = writeln!(
                self.differences,
                "=== etcdctl {command}\n--- etcd\n{}\n--- skerry\n{}",
                told[0], told[1]
            );
        }
    }

    /// Grants a lease on both sides; further commands name it `LEASE-n`.
    pub fn grant_lease(&mut self, ttl: u32) {
        let command = format!("lease grant {ttl}");
        let ended = [0, 1].map(|side| self.run(side, &command, ""));
        for (plain, ended) in std::iter::zip(&mut self.plains, &ended) {
            // "lease 2b8f granted with TTL(60s)"
            plain.learn_lease(
                ended
                    .stdout
                    .split(' ')
                    .nth(1)
                    .unwrap_or("no lease was granted"),
            );
        }
        self.compare(&command, &ended);
    }

    /// Starts a command that goes on, on both sides.
    pub fn start_background(&self, command: &str, input: &str) -> Result<Background> {
        let start = |side: usize| {
            let arguments = self.arguments(side, command);
            let arguments = arguments.iter().map(String::as_str).collect::<Vec<_>>();
            self.ctls[side].start(&arguments, input)
        };
        Ok(Background {
            running: [start(0)?, start(1)?],
            arguments: command.to_owned(),
        })
    }

    /// Waits until both printed enough, stops them, compares what they had printed.
    pub fn finish(
        &mut self,
        mut background: Background,
        enough: impl Fn(&str) -> bool,
    ) -> Result<()> {
        for running in &mut background.running {
            if let Err(error) = running.wait_for(&background.arguments, &enough) {
                let _ = writeln!(self.differences, "{error:#}");
            }
        }
        let arguments = background.arguments.clone();
        self.compare(&arguments, &background.interrupt()?);
        Ok(())
    }

    /// Fails with all that differed.
    pub fn conclude(self) {
        assert!(self.differences.is_empty(), "{}", self.differences);
    }
}

impl Background {
    /// Stops both, as from a terminal.
    pub fn interrupt(self) -> Result<[Ended; 2]> {
        let [one, two] = self.running;
        Ok([one.interrupt()?, two.interrupt()?])
    }

    /// Waits until both printed enough.
    pub fn wait_for(&mut self, enough: impl Fn(&str) -> bool) -> Result<()> {
        for running in &mut self.running {
            running.wait_for(&self.arguments, &enough)?;
        }
        Ok(())
    }
}

fn format_of(command: &str) -> String {
    let words = words(command);
    let position = words.iter().position(|word| word == "-w");
    position
        .and_then(|at| words.get(at + 1))
        .cloned()
        .unwrap_or_default()
}

/// Words are parted by spaces; single quotes keep them together.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in command.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}
