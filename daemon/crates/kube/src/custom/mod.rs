//! Custom resources: what the store's definitions make of the API.
//!
//! Each member follows the definitions in its own store. Of each it keeps names and little more;
//! schemas are read and compiled when an object needs them. Invariant: what is served is what the
//! definitions said at one revision.

mod convert;
mod definition;
pub(crate) mod follow;
pub(crate) mod json_path;
mod newly;
mod publish;
mod read;
mod review;
mod shelf;
mod special;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use skerry_custom::definition::Version;
use tokio::sync::watch;

pub(crate) use definition::{Definition, is_true, path};
pub(crate) use shelf::Shelf;
pub(crate) use special::{
    CLEANUP, begin_deletion, cells, columns, note_storage_version, prepare_create, prepare_update,
    remove_condition, set_condition,
};

use crate::registry::Resource;

/// The group of definitions.
pub(crate) const GROUP: &str = "apiextensions.k8s.io";
/// Their resource.
pub(crate) const PLURAL: &str = "customresourcedefinitions";

/// What a version of a custom resource has that built-in ones have no need of.
#[derive(Debug)]
pub(crate) struct Custom {
    pub(crate) definition: Arc<Definition>,
    pub(crate) version: Version,
}

/// A definition and what it makes of the API: a resource for each version.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    definition: Arc<Definition>,
    versions: Vec<Arc<Resource>>,
    /// Dropped when another entry takes its place: watches end then.
    standing: Arc<watch::Sender<()>>,
}

/// See the module.
pub(crate) struct Customs {
    /// By plural and group.
    entries: RwLock<Arc<BTreeMap<String, Entry>>>,
    /// The revision up to which definitions were read; 0: not yet.
    seen: watch::Sender<i64>,
}

impl Default for Customs {
    fn default() -> Customs {
        Customs {
            entries: RwLock::default(),
            seen: watch::Sender::new(0),
        }
    }
}

impl Customs {
    fn entries(&self) -> Arc<BTreeMap<String, Entry>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&entries)
    }

    fn change(&self, act: impl FnOnce(&mut BTreeMap<String, Entry>)) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        act(Arc::make_mut(&mut entries));
    }

    /// Tells of every change of what the definitions make.
    pub(crate) fn progress(&self) -> watch::Receiver<i64> {
        self.seen.subscribe()
    }

    /// Waits until definitions were read up to a revision.
    pub(crate) async fn wait_for(&self, revision: i64) {
        let mut seen = self.seen.subscribe();
        _ = seen.wait_for(|seen| *seen >= revision).await;
    }

    pub(crate) fn served(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        let entries = self.entries();
        let entry = entries.get(&format!("{plural}.{group}"))?;
        let mut versions = entry.versions.iter();
        let found = versions.find(|one| one.version == version && is_served(one))?;
        Some(Arc::clone(found))
    }

    /// A version, whether it is served or not.
    pub(crate) fn known(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        let entries = self.entries();
        let entry = entries.get(&format!("{plural}.{group}"))?;
        let mut versions = entry.versions.iter();
        versions.find(|one| one.version == version).cloned()
    }

    /// All versions that are served.
    pub(crate) fn versions(&self, group: &str, plural: &str) -> Vec<Arc<Resource>> {
        let entries = self.entries();
        let entry = entries.get(&format!("{plural}.{group}"));
        let all = entry.into_iter().flat_map(|entry| &entry.versions);
        all.filter(|one| is_served(one)).cloned().collect()
    }

    /// The version that objects are kept in.
    pub(crate) fn kept(&self, group: &str, plural: &str) -> Option<Arc<Resource>> {
        let entries = self.entries();
        kept(entries.get(&format!("{plural}.{group}"))?)
    }

    pub(crate) fn all_kept(&self) -> Vec<Arc<Resource>> {
        self.entries().values().filter_map(kept).collect()
    }

    pub(crate) fn all_served(&self) -> Vec<Arc<Resource>> {
        let entries = self.entries();
        let all = entries.values().flat_map(|entry| &entry.versions);
        all.filter(|one| is_served(one)).cloned().collect()
    }
}

fn is_served(resource: &Resource) -> bool {
    let custom = resource.custom.as_ref();
    custom.is_some_and(|custom| custom.version.served && custom.definition.established)
}

fn kept(entry: &Entry) -> Option<Arc<Resource>> {
    let mut versions = entry.versions.iter();
    let stored = &entry.definition.storage_version;
    versions.find(|one| one.version == *stored).cloned()
}
