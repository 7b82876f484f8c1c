//! Taking over what another store has done, at that store's own revisions.
//!
//! Knows nothing about where the events come from. Invariant: a key has the revisions here that it
//! has there; what is older than the base that was taken counts as compacted.

use redb::ReadableTable;
use skerry_proto::mvccpb::event::EventType;
use skerry_proto::mvccpb::{self, KeyValue};

use super::Batch;
use crate::Revision;
use crate::fault::Fault;
use crate::keyspace::Keyspace;
use crate::limits::MIRROR_GAP_REVISIONS_MAX;
use crate::record::{EventRecord, Live};
use crate::revision::Position;
use crate::sealed::{self, SEAL_BYTES};
use crate::stored;

impl Batch<'_> {
    /// Puts a key as it is at the base, without an event for watchers.
    pub(crate) fn mirror_key(&mut self, kv: &KeyValue) -> Result<(), Fault> {
        let mut at = Position::new(kv.mod_revision, 0);
        while self.events.get(&at.encode()[..])?.is_some() {
            at.sub += 1;
        }
        if self.live(&kv.key)?.is_some() {
            return Err(Fault::corrupt("a key that the base has twice"));
        }
        let live = Live {
            modified: at,
            create: kv.create_revision,
            version: kv.version,
            lease: kv.lease,
        };
        self.insert_event(
            at,
            EventRecord {
                tombstone: false,
                create: live.create,
                version: live.version,
                lease: live.lease,
                previous: None,
                key: &kv.key,
                value: &kv.value,
            },
        )?;
        let mut row = [0; Live::BYTES_MAX + SEAL_BYTES];
        let used = live.encode(&mut row);
        let used = sealed::seal_in_place(&kv.key, &mut row, used);
        self.keys.insert(&kv.key[..], &row[..used])?;
        self.state.stored_bytes += stored::live_bytes(&kv.key);
        self.move_lease(&kv.key, 0, kv.lease)
    }

    /// All keys of the base are there: nothing before it can be read.
    pub(crate) fn mirror_base(&mut self, revision: i64) {
        self.state.revision = revision;
        self.state.compact_revision = revision;
        self.state.swept = Position::new(revision, 0);
    }

    /// Does what was done at a revision. One that was taken before is skipped.
    pub(crate) fn mirror_revision(
        &mut self,
        revision: i64,
        events: &[mvccpb::Event],
    ) -> Result<(), Fault> {
        if revision <= self.state.revision {
            return Ok(());
        }
        self.mirror_up_to(revision - 1);
        for event in events {
            let Some(kv) = &event.kv else { continue };
            let old = self.live(&kv.key)?;
            match (event.r#type(), old) {
                (EventType::Put, old) => self.write(&kv.key, kv.value.clone(), kv.lease, old)?,
                (EventType::Delete, Some(old)) => self.delete(&kv.key, old)?,
                (EventType::Delete, None) => {}
            }
        }
        self.state.revision = revision;
        self.revisions.push(Revision {
            revision,
            events: std::mem::take(&mut self.changes),
        });
        Ok(())
    }

    /// Nothing else was done up to here. A gap too long to be told to watchers one by one ends
    /// the ring: the revisions gathered so far go, and watchers read history.
    pub(crate) fn mirror_up_to(&mut self, revision: i64) {
        if revision - self.state.revision > MIRROR_GAP_REVISIONS_MAX {
            self.revisions.clear();
            self.leapt = true;
            self.state.revision = revision;
        }
        while self.state.revision < revision {
            self.state.revision += 1;
            self.revisions.push(Revision {
                revision: self.state.revision,
                events: Vec::new(),
            });
        }
    }

    /// Forgets what was before a revision, where there is something to forget.
    pub(crate) fn mirror_compact(&mut self, revision: i64) {
        let state = &mut self.state;
        if (state.compact_revision + 1..=state.revision).contains(&revision) {
            state.compact_revision = revision;
        }
    }
}
