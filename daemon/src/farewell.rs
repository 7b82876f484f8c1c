//! A server that was removed from its cluster stays away until it is told to join again.
//!
//! What it holds is kept, and belongs to a member that is none any more: serving it would answer
//! from the past. Invariant: the mark is written once the removal is committed, and a data
//! directory with the mark is never served.

use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, bail};
use skerry_consensus::Status;

/// Below the data directory.
const MARK: &str = "db/removed";

/// What consensus says of a committed membership that is without this member, its own or one that
/// a peer has told it of.
const REMOVED: &str = "removed from the cluster";

/// Whether this member ended because it is none any more.
pub(crate) fn was_removed(status: &Status) -> bool {
    status.fatal.as_deref() == Some(REMOVED)
}

/// Marks the data directory as that of a removed member; `Err` says what it means for the user.
pub(crate) fn mark(data_dir: &Path) -> anyhow::Result<()> {
    let path = data_dir.join(MARK);
    File::create(&path)
        .and_then(|file| file.sync_all())
        .and_then(|()| File::open(data_dir.join("db"))?.sync_all())
        .with_context(|| path.display().to_string())?;
    refuse(data_dir)
}

/// Refuses a data directory that has the mark.
pub(crate) fn refuse(data_dir: &Path) -> anyhow::Result<()> {
    if is_marked(data_dir)? {
        bail!(
            "this server was removed from its cluster; its data is kept in {}: start it with --rejoin, which moves that aside, to join again as a new member",
            data_dir.display()
        );
    }
    Ok(())
}

/// Whether a data directory has the mark.
pub(crate) fn is_marked(data_dir: &Path) -> anyhow::Result<bool> {
    let path = data_dir.join(MARK);
    path.try_exists()
        .with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_data_directory_is_refused_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        assert!(refuse(directory.path()).is_ok());
        std::fs::create_dir(directory.path().join("db")).unwrap();
        let told = mark(directory.path()).unwrap_err().to_string();
        assert!(told.contains("removed from its cluster"), "{told}");
        assert_eq!(refuse(directory.path()).unwrap_err().to_string(), told);
    }
}
