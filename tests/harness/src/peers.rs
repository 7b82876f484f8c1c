//! Finds the binaries under test: Skerry as cargo built it, etcd as `tests/run` unpacked it.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The `skerry` binary: `SKERRY_BIN`, or what cargo builds in this test's own profile.
pub fn skerry_binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("SKERRY_BIN") {
        return existing(PathBuf::from(path));
    }
    // A test binary is <target>/<profile>/deps/<name>, a program <target>/<profile>/<name>.
    let own = std::env::current_exe().context("where this test was built")?;
    let mut folder = own.parent().context("a test binary lies in a folder")?;
    if folder.ends_with("deps") {
        folder = folder.parent().context("deps lies in a profile's folder")?;
    }
    let path = folder.join("skerry");
    existing(path.clone()).with_context(|| {
        format!(
            "{} is missing: run `cargo build -p skerry`{} or set SKERRY_BIN",
            path.display(),
            if folder.ends_with("release") {
                " --release"
            } else {
                ""
            }
        )
    })
}

/// The real etcd, 3.5.
pub fn etcd_binary() -> Result<PathBuf> {
    peer("etcd")
}

/// The real etcdctl, 3.5.
pub fn etcdctl_binary() -> Result<PathBuf> {
    peer("etcdctl")
}

/// The real etcdutl, 3.5.
pub fn etcdutl_binary() -> Result<PathBuf> {
    peer("etcdutl")
}

/// The real kubectl, 1.36.
pub fn kubectl_binary() -> Result<PathBuf> {
    let path = peers_folder().join("usr/bin/kubectl");
    existing(path).context("no kubectl: `tests/run` fetches it")
}

/// The real kubectl of Debian 13, 1.32.
pub fn old_kubectl_binary() -> Result<PathBuf> {
    let path = peers_folder().join("kubectl-1.32/usr/bin/kubectl");
    existing(path).context("no kubectl 1.32: `tests/run` fetches it")
}

/// The folder that `tests/run` unpacks peers into.
pub fn peers_folder() -> PathBuf {
    if let Some(path) = std::env::var_os("SKERRY_PEERS") {
        return PathBuf::from(path);
    }
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .unwrap_or_else(|| {
            PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache")
        });
    cache.join("skerry-peers")
}

fn peer(name: &str) -> Result<PathBuf> {
    let unpacked = peers_folder().join("usr/bin").join(name);
    if unpacked.exists() {
        return Ok(unpacked);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    for candidate in std::env::split_paths(&path).map(|folder| folder.join(name)) {
        if candidate.exists() && is_3_5(&candidate) {
            return Ok(candidate);
        }
    }
    bail!(
        "no {name} 3.5 in {} nor in PATH: `tests/run` fetches it",
        unpacked.display()
    )
}

fn is_3_5(binary: &Path) -> bool {
    let argument = if binary.ends_with("etcd") {
        "--version"
    } else {
        "version"
    };
    Command::new(binary)
        .env("ETCDCTL_API", "3")
        .arg(argument)
        .output()
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("ersion: 3.5."))
}

fn existing(path: PathBuf) -> Result<PathBuf> {
    if path.is_file() {
        Ok(path)
    } else {
        bail!("{} is not a file", path.display())
    }
}
