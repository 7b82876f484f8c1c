//! The data directory: made private, and locked so that two servers never share it.

use std::fs::OpenOptions;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context as _, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Held for as long as the server runs; the kernel drops it when the process ends, however.
pub(crate) struct DataDirLock(#[allow(dead_code)] Flock<std::fs::File>);

/// Makes the directory if need be and locks it.
pub(crate) fn lock(data_dir: &Path) -> anyhow::Result<DataDirLock> {
    make(data_dir)?;
    let path = data_dir.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .with_context(|| path.display().to_string())?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(DataDirLock(lock)),
        Err((_, Errno::EWOULDBLOCK)) => bail!(
            "{}: another skerry server uses this data directory; stop it or give --data-dir",
            data_dir.display()
        ),
        Err((_, error)) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Makes the directory, and the one for the state in it, where they are not there.
pub(crate) fn make(data_dir: &Path) -> anyhow::Result<()> {
    // One that the administrator made may be open to all; what lies in `db` is for nobody else.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .and_then(|()| {
            let mut db = std::fs::DirBuilder::new();
            match db.mode(0o700).create(data_dir.join("db")) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
                made => made,
            }
        })
        .with_context(|| format!("{}: cannot make the data directory", data_dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_private_even_in_a_directory_that_is_open_to_all() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(directory.path(), open).unwrap();
        let _lock = lock(directory.path()).unwrap();
        let mode = std::fs::metadata(directory.path().join("db")).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn two_servers_never_share_a_data_directory() {
        let directory = tempfile::tempdir().unwrap();
        let first = lock(directory.path()).unwrap();
        let error = lock(directory.path()).err().unwrap().to_string();
        assert!(error.contains("another skerry server"), "{error}");
        drop(first);
        assert!(lock(directory.path()).is_ok());
    }
}
