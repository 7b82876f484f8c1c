//! What a data directory says of the foreign datastore that its server is on: `db/foreign.json`.
//!
//! Invariants: it is written once the server's authorities are those of that datastore; a data
//! directory of a member is never served on a foreign datastore, and the other way round: a setting
//! that is lost must not make a new, empty cluster.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use crate::config::Settings;
use crate::identity::Identity;

/// The contents of the file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// The hash that the tokens of the cluster pin.
    pub(crate) ca_hash: String,
}

impl Mark {
    /// None before the server was on a foreign datastore.
    pub(crate) fn load(data_dir: &Path) -> anyhow::Result<Option<Mark>> {
        let path = file(data_dir);
        let place = || path.display().to_string();
        match std::fs::read(&path) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text).with_context(place)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(place),
        }
    }

    /// Writes it so that a power cut leaves the whole of it or none.
    pub(crate) fn save(&self, data_dir: &Path) -> anyhow::Result<()> {
        let path = file(data_dir);
        let write = || -> std::io::Result<()> {
            let beside = path.with_extension("json.new");
            let mut file = File::create(&beside)?;
            file.write_all(&serde_json::to_vec(self)?)?;
            file.sync_all()?;
            std::fs::rename(&beside, &path)?;
            File::open(data_dir.join("db"))?.sync_all()
        };
        write().with_context(|| path.display().to_string())
    }
}

fn file(data_dir: &Path) -> PathBuf {
    data_dir.join("db/foreign.json")
}

/// Refuses a data directory of the other kind than the settings ask for.
pub(crate) fn refuse_change(settings: &Settings) -> anyhow::Result<()> {
    let data_dir = &settings.data_dir;
    let place = data_dir.display();
    match &settings.foreign {
        None if Mark::load(data_dir)?.is_some() => bail!(
            "{place}: this server was on a foreign datastore, and datastore-endpoint names none; \
             name it, or give another --data-dir to form a new cluster"
        ),
        Some(_)
            if Identity::load(data_dir)?.is_some() || data_dir.join("db/state.redb").exists() =>
        {
            bail!(
                "{place}: this is the data directory of a member of an embedded datastore; give \
                 another --data-dir to run on a foreign one"
            )
        }
        _ => Ok(()),
    }
}

/// Refuses what is asked of a member, where the server of the settings is none.
pub(crate) fn refuse_command(settings: &Settings) -> anyhow::Result<()> {
    let is_foreign = settings.foreign.is_some() || Mark::load(&settings.data_dir)?.is_some();
    anyhow::ensure!(
        !is_foreign,
        "this server is not asked: {}; ask that etcd, with its own tools",
        super::NO_MEMBER
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(data_dir: &Path, flags: &str) -> Settings {
        let mut words = vec!["--node-name=n".into(), "--node-ip=127.0.0.1".into()];
        words.push(format!("--data-dir={}", data_dir.display()));
        words.extend(flags.split_whitespace().map(str::to_owned));
        Settings::load(&words, std::iter::empty()).unwrap()
    }

    #[test]
    fn a_data_directory_stays_with_its_kind_of_datastore() {
        const FOREIGN: &str = "--datastore-endpoint http://192.0.2.1:2379";
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("db")).unwrap();
        let load = |flags| settings(directory.path(), flags);
        for flags in ["", FOREIGN] {
            refuse_change(&load(flags)).unwrap();
        }
        refuse_command(&load("")).unwrap();
        let mark = Mark {
            ca_hash: "a".to_owned(),
        };
        mark.save(directory.path()).unwrap();
        assert_eq!(Mark::load(directory.path()).unwrap(), Some(mark));
        refuse_change(&load(FOREIGN)).unwrap();
        let refused = refuse_change(&load("")).unwrap_err().to_string();
        assert!(refused.contains("datastore-endpoint"), "{refused}");
        refuse_command(&load("")).unwrap_err();

        std::fs::remove_file(file(directory.path())).unwrap();
        std::fs::write(directory.path().join("db/state.redb"), "").unwrap();
        let refused = refuse_change(&load(FOREIGN)).unwrap_err().to_string();
        assert!(refused.contains("embedded"), "{refused}");
    }
}
