//! What this node has applied from which file, as far as it may be deleted again.
//!
//! Knows nothing about the API. Invariant: what was to be pruned stands in the file before it is
//! applied, so a crash forgets nothing; a file that is lost or damaged prunes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::limits::RECORD_BYTES_MAX;

/// Which object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reference {
    pub(super) api_version: String,
    pub(super) kind: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Reference {
    pub(super) fn of(object: &Value) -> Reference {
        let text = |path: &str| {
            let text = object.pointer(path).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        Reference {
            api_version: text("/apiVersion"),
            kind: text("/kind"),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
        }
    }
}

/// What is known of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// SHA-256 of what was applied completely, in hex.
    #[serde(default)]
    pub(super) checksum: String,
    /// Objects that may be deleted once no file has them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) prune: BTreeSet<Reference>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Record {
    path: PathBuf,
    entries: BTreeMap<String, Entry>,
}

impl Record {
    pub(super) fn load(path: &Path) -> Record {
        let read = || -> io::Result<BTreeMap<String, Entry>> {
            let mut text = String::new();
            let file = fs::File::open(path)?;
            file.take(RECORD_BYTES_MAX).read_to_string(&mut text)?;
            Ok(serde_json::from_str(&text)?)
        };
        let entries = read().unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                let path = path.display();
                tracing::warn!(%path, %error, "nothing is known of what was applied before");
            }
            BTreeMap::new()
        });
        Record {
            path: path.to_owned(),
            entries,
        }
    }

    pub(super) fn get(&self, file: &str) -> Entry {
        self.entries.get(file).cloned().unwrap_or_default()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&String, &Entry)> {
        self.entries.iter()
    }

    /// Keeps what is known of a file, durably; nothing forgets it.
    pub(super) fn set(&mut self, file: &str, entry: Entry) -> io::Result<()> {
        let before = match entry == Entry::default() {
            true => self.entries.remove(file),
            false => self.entries.insert(file.to_owned(), entry.clone()),
        };
        if before.unwrap_or_default() == entry {
            return Ok(());
        }
        let text = serde_json::to_vec(&self.entries)?;
        let new = self.path.with_extension("json.new");
        let mut options = fs::OpenOptions::new();
        let options = options.create(true).write(true).truncate(true).mode(0o600);
        let mut file = options.open(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_applied_is_known_after_a_restart_and_a_damaged_record_prunes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifests.json");
        let object = serde_json::json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"},
        });
        let entry = Entry {
            checksum: "c".into(),
            prune: BTreeSet::from([Reference::of(&object)]),
        };
        Record::load(&path).set("a.yaml", entry.clone()).unwrap();
        let mut record = Record::load(&path);
        assert_eq!(record.get("a.yaml"), entry);
        record.set("a.yaml", Entry::default()).unwrap();
        assert_eq!(Record::load(&path).all().count(), 0);
        fs::write(&path, "{").unwrap();
        assert_eq!(Record::load(&path).all().count(), 0);
    }
}
