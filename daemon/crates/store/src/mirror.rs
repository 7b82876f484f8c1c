//! A copy of another store's keys that is read like a member's own state.
//!
//! Disposable: it is built anew from the other store whenever it is lost or falls behind what that
//! store still remembers. Knows nothing about how the other store is asked. Invariant: the copy is
//! what the other store held at [`Mirror::revision`], and history since the base.

use std::path::{Path, PathBuf};

use skerry_proto::mvccpb::{Event, KeyValue};

use crate::file::beside;
use crate::{Options, Reader, Store, StoreError};

/// The copy, and the one who writes it.
#[derive(Debug)]
pub struct Mirror {
    store: Store,
    path: PathBuf,
    options: Options,
}

/// A base that is being gathered, beside the copy that is read meanwhile.
#[derive(Debug)]
pub struct Base {
    store: Store,
    path: PathBuf,
}

impl Mirror {
    /// An empty copy at `path`; what was there goes.
    pub fn create(path: &Path, options: Options) -> Result<Mirror, StoreError> {
        remove(path)?;
        Ok(Mirror {
            store: Store::open(path, options.clone())?,
            path: path.to_owned(),
            options,
        })
    }

    /// A handle for reading, for any thread.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.store.reader()
    }

    /// The revision of the other store that this one shows.
    #[must_use]
    pub fn revision(&self) -> i64 {
        self.store.reader().ring().newest()
    }

    /// Begins anew.
    pub fn base(&self) -> Result<Base, StoreError> {
        let path = beside(&self.path, ".base");
        remove(&path)?;
        Ok(Base {
            store: Store::open(&path, self.options.clone())?,
            path,
        })
    }

    /// Takes the base's place once all of it is there, read at `revision`: what was before can no
    /// longer be read, and watchers that were behind are told so.
    pub fn rebase(&mut self, base: Base, revision: i64) -> Result<(), StoreError> {
        let Base { mut store, path } = base;
        store.mirror(|batch| {
            batch.mirror_base(revision);
            Ok(())
        })?;
        store.commit_durable()?;
        drop(store);
        self.store.replace_with(&path)
    }

    /// Does what was done there: events in order of their revisions, all of each revision at once,
    /// and nothing else up to `newest`.
    pub fn follow(&mut self, events: &[Event], newest: i64) -> Result<(), StoreError> {
        let revision_of = |event: &Event| event.kv.as_ref().map_or(0, |kv| kv.mod_revision);
        self.store.mirror(|batch| {
            for events in events.chunk_by(|a, b| revision_of(a) == revision_of(b)) {
                batch.mirror_revision(revision_of(&events[0]), events)?;
            }
            batch.mirror_up_to(newest);
            Ok(())
        })
    }

    /// Forgets the history before a revision; one that is not between the last and the newest is
    /// left alone.
    pub fn forget(&mut self, revision: i64) -> Result<(), StoreError> {
        self.store.mirror(|batch| {
            batch.mirror_compact(revision);
            Ok(())
        })?;
        while self.store.compact_step()? {}
        // What is not durable, redb cannot use the room of.
        self.store.commit_durable()
    }
}

impl Base {
    /// Adds keys as they were at the revision of the base.
    pub fn add(&mut self, keys: &[KeyValue]) -> Result<(), StoreError> {
        self.store
            .mirror(|batch| keys.iter().try_for_each(|kv| batch.mirror_key(kv)))
    }
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(StoreError::Io {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use skerry_proto::etcdserverpb as pb;
    use skerry_proto::mvccpb::event::EventType;

    use super::*;
    use crate::Since;

    fn kv(key: &str, value: &str, create: i64, modified: i64, version: i64) -> KeyValue {
        KeyValue {
            key: Bytes::copy_from_slice(key.as_bytes()),
            value: Bytes::copy_from_slice(value.as_bytes()),
            create_revision: create,
            mod_revision: modified,
            version,
            lease: 0,
        }
    }

    fn event(kind: EventType, kv: KeyValue) -> Event {
        Event {
            r#type: kind.into(),
            kv: Some(kv),
            prev_kv: None,
        }
    }

    fn based(folder: &Path) -> Mirror {
        let mut mirror = Mirror::create(&folder.join("mirror.redb"), Options::default()).unwrap();
        let mut base = mirror.base().unwrap();
        base.add(&[kv("a", "1", 5, 9, 3), kv("b", "1", 9, 9, 1)])
            .unwrap();
        mirror.rebase(base, 20).unwrap();
        mirror
    }

    #[test]
    fn keys_keep_the_revisions_that_they_have_in_the_other_store() {
        let folder = tempfile::tempdir().unwrap();
        let mut mirror = based(folder.path());
        assert_eq!(mirror.revision(), 20);
        let a = mirror.reader().view().unwrap().get(b"a").unwrap().unwrap();
        assert_eq!(a, kv("a", "1", 5, 9, 3));
        mirror
            .follow(
                &[
                    event(EventType::Put, kv("a", "2", 5, 25, 4)),
                    event(EventType::Put, kv("c", "1", 25, 25, 1)),
                    event(EventType::Delete, kv("b", "", 0, 27, 0)),
                ],
                30,
            )
            .unwrap();
        let view = mirror.reader().view().unwrap();
        assert_eq!(view.get(b"a").unwrap().unwrap(), kv("a", "2", 5, 25, 4));
        assert_eq!(view.get(b"c").unwrap().unwrap(), kv("c", "1", 25, 25, 1));
        assert!(view.get(b"b").unwrap().is_none());
        assert_eq!(mirror.revision(), 30);
        let Since::Revisions(told) = mirror.reader().ring().since(21, 100) else {
            panic!("watchers that keep up read the ring");
        };
        assert_eq!(told.len(), 10);
        assert_eq!(told.iter().map(|told| told.events.len()).sum::<usize>(), 3);
        // Told twice, done once.
        mirror
            .follow(&[event(EventType::Put, kv("a", "2", 5, 25, 4))], 30)
            .unwrap();
        assert_eq!(mirror.revision(), 30);
    }

    #[test]
    fn after_a_long_gap_watchers_read_history_and_forgetting_frees_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut mirror = based(folder.path());
        let far = 20 + 2 * crate::limits::MIRROR_GAP_REVISIONS_MAX;
        mirror
            .follow(&[event(EventType::Put, kv("a", "2", 5, far, 4))], far)
            .unwrap();
        assert_eq!(mirror.reader().ring().since(21, 10), Since::FellOff);
        assert_eq!(mirror.revision(), far);
        mirror.forget(far).unwrap();
        mirror.forget(far).unwrap();
        let range = |revision| pb::RangeRequest {
            key: Bytes::from_static(b"a"),
            revision,
            ..pb::RangeRequest::default()
        };
        let view = mirror.reader().view().unwrap();
        assert!(view.range(&range(20)).is_err());
        assert_eq!(view.range(&range(far)).unwrap().kvs.len(), 1);
    }
}
