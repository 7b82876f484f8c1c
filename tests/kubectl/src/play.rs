//! Plays scripts against a server, with both versions of kubectl at the same time.
//!
//! Knows nothing about what the scripts are about. Each runs in a folder and a namespace of its
//! own, both named after it, `NS` in its environment; `NET` there is where it may take Services' addresses from. The environment variable
//! `SKERRY_KUBECTL_SCRIPTS=write` writes what is seen into the scripts, for a reader to judge.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use skerry_tests_harness::{kubectl_binary, old_kubectl_binary};

use crate::Servers;
use crate::mask::{is_log, mask};
use crate::script::{Step, VERSIONS, parse, render};

const PRELUDE: &str = include_str!("prelude.sh");

/// How long one command may take, in seconds.
const COMMAND_SECONDS_MAX: &str = "60";

/// Plays all scripts in a folder of `tests/kubectl/scripts` against a server of their own.
pub async fn play(group: &str) {
    let servers = Servers::start(1).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder.join(group))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let only = std::env::var("SKERRY_KUBECTL_ONLY").unwrap_or_default();
    paths.retain(|path| path.to_string_lossy().contains(&only));
    let scripts: Vec<Vec<Step>> = paths
        .iter()
        .map(|path| parse(&std::fs::read_to_string(path).unwrap()))
        .collect();
    let seen = std::thread::scope(|scope| {
        let run = |version| {
            let all = paths.iter().zip(&scripts);
            let seen = all.map(|(path, steps)| Stage::new(&servers, path, version).play(steps));
            seen.collect::<Vec<_>>()
        };
        let [old, new] = [0, 1].map(|version| scope.spawn(move || run(version)));
        [old.join().unwrap(), new.join().unwrap()]
    });
    let write = std::env::var("SKERRY_KUBECTL_SCRIPTS").is_ok_and(|wanted| wanted == "write");
    let mut differences = String::new();
    for (index, (path, steps)) in paths.iter().zip(&scripts).enumerate() {
        let of_script = [&seen[0][index], &seen[1][index]].map(Clone::clone);
        if write {
            std::fs::write(path, render(steps, &of_script)).unwrap();
        } else {
            for version in [0, 1] {
                compare(path, steps, version, &of_script[version], &mut differences);
            }
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

fn compare(
    path: &Path,
    steps: &[Step],
    version: usize,
    seen: &[Vec<String>],
    differences: &mut String,
) {
    for (step, seen) in steps.iter().zip(seen) {
        let expected = step.expected_of(version);
        if expected == *seen {
            continue;
        }
        let name = path.file_stem().unwrap().to_string_lossy();
        let command = step.command.join("\n");
        let _ = writeln!(differences, "\n{name}, {}: {command}", VERSIONS[version]);
        for line in &expected {
            let sign = if seen.iter().any(|seen| seen == line) {
                ' '
            } else {
                '-'
            };
            let _ = writeln!(differences, "  {sign} {line}");
        }
        for line in seen
            .iter()
            .filter(|line| !expected.contains(&line.as_str()))
        {
            let _ = writeln!(differences, "  + {line}");
        }
    }
}

/// Where one script is played with one version.
struct Stage {
    folder: PathBuf,
    namespace: String,
    /// What the namespace is called in the script: as long, and the same for all versions.
    shown: String,
    host: String,
    /// The start of addresses of Services that are its own.
    net: String,
}

impl Stage {
    fn new(servers: &Servers, script: &Path, version: usize) -> Stage {
        let name = script.file_stem().unwrap().to_string_lossy();
        let namespace = format!("{name}-{}", &VERSIONS[version][2..]);
        let folder = servers.cluster.folder().join(&namespace);
        std::fs::create_dir_all(folder.join("bin")).unwrap();
        let kubectl = [old_kubectl_binary, kubectl_binary][version]().unwrap();
        std::os::unix::fs::symlink(kubectl, folder.join("bin/kubectl")).unwrap();
        std::fs::write(folder.join("prelude"), PRELUDE).unwrap();
        std::fs::copy(servers.kubeconfig(0), folder.join("kubeconfig")).unwrap();
        let stage = Stage {
            folder,
            shown: format!("{name}-xx"),
            namespace,
            net: format!("10.43.1{}", &VERSIONS[version][2..]),
            host: servers.cluster.addresses.hosts[0].to_string(),
        };
        for command in [
            "kubectl create namespace $NS",
            "kubectl config set-context --current --namespace=$NS",
            "eventually kubectl get serviceaccount/default configmap/kube-root-ca.crt",
        ] {
            let seen = stage.run(command);
            assert!(!seen.iter().any(|line| line == "[1]"), "{seen:?}");
        }
        stage
    }

    fn play(&self, steps: &[Step]) -> Vec<Vec<String>> {
        let seen = steps.iter().map(|step| self.run(&step.command.join("\n")));
        seen.collect()
    }

    /// What a command prints, and how it ends.
    fn run(&self, command: &str) -> Vec<String> {
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("timeout")
            .args([COMMAND_SECONDS_MAX, "bash", "-c"])
            .arg(format!("set -o pipefail; . ./prelude; {command}"))
            .current_dir(&self.folder)
            .env(
                "PATH",
                format!("{}:{path}", self.folder.join("bin").display()),
            )
            .env("HOME", &self.folder)
            .env("KUBECONFIG", self.folder.join("kubeconfig"))
            .env("NS", &self.namespace)
            .env("NET", &self.net)
            .env("TMPDIR", &self.folder)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let mut lines = Vec::new();
        for written in [&output.stdout, &output.stderr] {
            let text = String::from_utf8_lossy(written);
            let text = text
                .replace(&*self.folder.to_string_lossy(), "folder")
                .replace(&self.net, "10.0.xx")
                .replace(&self.namespace, &self.shown)
                .replace(&self.host, "server");
            let told = text.lines().filter(|line| !is_log(line));
            lines.extend(told.map(|line| mask(line).trim_end().to_owned()));
        }
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        match output.status.code() {
            Some(0) => {}
            Some(code) => lines.push(format!("[{code}]")),
            None => lines.push("[killed]".to_owned()),
        }
        lines
    }
}

impl Drop for Stage {
    /// Ends what a script has left running.
    fn drop(&mut self) {
        for entry in std::fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "pid") {
                let pid = std::fs::read_to_string(path).unwrap_or_default();
                let _ = Command::new("kill").arg(pid.trim()).status();
            }
        }
    }
}
