//! Which member of which cluster this data directory belongs to: `db/identity.json`.
//!
//! Invariant: it is there before the datastore is, and once written only its stage goes forward; a
//! member that was removed comes back with a new data directory and a new id, for Raft ids are
//! never reused.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// How far this server has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    /// It makes a new cluster; what was cut short is repeated.
    Forming,
    /// The cluster has given it an id, and has not been seen to reach it.
    Joining,
    /// Its datastore holds something: from now on an empty one is a lost one.
    Member,
}

/// The contents of `db/identity.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    /// The same on every member.
    pub(crate) cluster_id: u64,
    /// This member's Raft id.
    pub(crate) member_id: u64,
    /// The node name that the id was given to.
    pub(crate) node_name: String,
    pub(crate) stage: Stage,
}

/// The identity cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    #[error("{path}: {source}", path = path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "{path}: not an identity ({source}); move the data directory aside and rejoin as a new member",
        path = path.display()
    )]
    Malformed {
        path: PathBuf,
        source: serde_json::Error,
    },
}

impl Identity {
    /// The identity of a data directory; `None` before the member was formed or joined.
    pub(crate) fn load(data_dir: &Path) -> Result<Option<Self>, IdentityError> {
        let path = file(data_dir);
        match std::fs::read(&path) {
            Ok(text) => match serde_json::from_slice(&text) {
                Ok(identity) => Ok(Some(identity)),
                Err(source) => Err(IdentityError::Malformed { path, source }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(IdentityError::Io { path, source }),
        }
    }

    /// Writes it so that a power cut leaves the whole identity or none.
    pub(crate) fn save(&self, data_dir: &Path) -> Result<(), IdentityError> {
        let path = file(data_dir);
        self.write(&path)
            .map_err(|source| IdentityError::Io { path, source })
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let directory = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory)?;
        let beside = path.with_extension("json.new");
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        File::open(directory)?.sync_all()
    }
}

fn file(data_dir: &Path) -> PathBuf {
    data_dir.join("db").join("identity.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Identity::load(directory.path()).unwrap(), None);
        let identity = Identity {
            cluster_id: u64::MAX,
            member_id: 3,
            node_name: "a".into(),
            stage: Stage::Joining,
        };
        identity.save(directory.path()).unwrap();
        assert_eq!(Identity::load(directory.path()).unwrap(), Some(identity));
    }

    #[test]
    fn a_malformed_identity_says_which_file_and_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("db")).unwrap();
        std::fs::write(file(directory.path()), "{}").unwrap();
        let error = Identity::load(directory.path()).unwrap_err().to_string();
        assert!(
            error.contains("db/identity.json") && error.contains("rejoin"),
            "{error}"
        );
    }
}
