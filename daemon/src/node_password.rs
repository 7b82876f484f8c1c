//! `<data-dir>/node-password`: what shows that a node under this name is the one that had it before.
//!
//! Knows nothing about who asks for it. Invariant: a new one is kept only once the node is a member,
//! so that a start that was cut short does not make it another node.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use skerry_pki::Password;
use skerry_supervisor::NodePassword;

/// Below the data directory.
pub(crate) const FILE: &str = "node-password";

fn file(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}

/// The password that is kept, or a new one.
pub(crate) fn of(data_dir: &Path) -> anyhow::Result<NodePassword> {
    let path = file(data_dir);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(NodePassword {
            password: Password::new(text.trim()).with_context(|| path.display().to_string())?,
            is_new: false,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(NodePassword::generate()?),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Keeps it, so that a power cut leaves all of it or nothing.
pub(crate) fn keep(data_dir: &Path, password: &NodePassword) -> anyhow::Result<()> {
    if !password.is_new {
        return Ok(());
    }
    let path = file(data_dir);
    write(&path, password.password.expose()).with_context(|| path.display().to_string())
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut options = File::options();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_password_is_kept_when_it_is_told_to_be_and_stays_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let new = of(directory.path()).unwrap();
        assert!(new.is_new && of(directory.path()).unwrap().hash() != new.hash());
        keep(directory.path(), &new).unwrap();
        let kept = of(directory.path()).unwrap();
        assert!(!kept.is_new);
        assert_eq!(kept.hash(), new.hash());
    }
}
