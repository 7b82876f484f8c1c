//! The real kubectl, once.

use anyhow::Result;
use skerry_tests_harness::{Cluster, kubectl_binary};
use std::path::Path;
use std::process::{Command, Stdio};

/// What it says of one member, with this kubeconfig and standard input; an error with what it says
/// where it fails. Warnings come behind the answer.
pub fn kubectl(
    cluster: &Cluster,
    kubeconfig: &Path,
    index: usize,
    words: &str,
    input: &str,
) -> Result<String> {
    let host = cluster.addresses.hosts[index];
    let given = tempfile::NamedTempFile::new_in(cluster.folder())?;
    std::fs::write(given.path(), input)?;
    let output = Command::new(kubectl_binary()?)
        .env("HOME", cluster.folder())
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .arg(format!("--server=https://{host}:6443"))
        .args(words.split_whitespace())
        .stdin(Stdio::from(std::fs::File::open(given.path())?))
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let why = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "kubectl {words}: {said}{why}");
    Ok(format!("{said}{why}"))
}
