//! What a watch stream sends: news from the ring, history to those that are behind.

use std::sync::Arc;

use bytes::BytesMut;
use skerry_proto::etcdserverpb as pb;
use skerry_proto::mvccpb;
use skerry_store::{Revision, Since};
use tonic::Status;

use super::encode;
use super::mailbox::Due;
use super::stream::{WatchStream, head_of};
use super::watcher::{Stand, Watcher};
use crate::errors;
use crate::limits::{MESSAGE_BYTES_MAX, WATCH_YIELD_BYTES};

impl WatchStream {
    /// Sends what the hub told of, until there is enough; true where nothing is left.
    pub(super) fn deliver(&mut self, out: &mut BytesMut) -> Result<bool, Status> {
        while out.len() < WATCH_YIELD_BYTES {
            let Some(due) = self.mailbox.take() else {
                // An idle stream holds on to nothing.
                self.current = None;
                self.take_fallen();
                return Ok(true);
            };
            match self.revision(due.revision) {
                Some(revision) => self.send(due.watch_id, &revision, out)?,
                None => self.fall_behind(due),
            }
        }
        Ok(false)
    }

    /// A revision from the ring, where it still is.
    fn revision(&mut self, number: i64) -> Option<Arc<Revision>> {
        if self
            .current
            .as_ref()
            .is_none_or(|current| current.revision != number)
        {
            self.current = match self.hub().ring().since(number, 1) {
                Since::Revisions(mut found) => found.pop(),
                Since::FellOff => None,
            };
        }
        self.current.clone()
    }

    fn send(
        &mut self,
        watch_id: i64,
        revision: &Revision,
        out: &mut BytesMut,
    ) -> Result<(), Status> {
        // It may have been cancelled since, or replaced by another of the same id.
        let current =
            |watcher: &Watcher| watcher.stand == Stand::InStep && watcher.from <= revision.revision;
        if !self.watchers.get(&watch_id).is_some_and(current) {
            return Ok(());
        }
        self.send_events(watch_id, revision.revision, &revision.events, out)
    }

    /// Sends those of the events that the watcher wants to see.
    fn send_events(
        &mut self,
        watch_id: i64,
        revision: i64,
        events: &[mvccpb::Event],
        out: &mut BytesMut,
    ) -> Result<(), Status> {
        let Some(watcher) = self.watchers.get_mut(&watch_id) else {
            return Ok(());
        };
        let wanted = events.iter().filter(|event| watcher.wants(event));
        let count = wanted.clone().count();
        if count == 0 {
            return Ok(());
        }
        let head = head_of(&self.api, watch_id, revision);
        let fragment = watcher.fragment.then_some(MESSAGE_BYTES_MAX);
        if watcher.prev_kv {
            let filled = self.api.watches.with_previous(wanted);
            let filled = filled.map_err(|error| errors::store(&error))?;
            encode::events(out, &head, filled.iter(), fragment);
        } else {
            encode::events(out, &head, wanted, fragment);
        }
        watcher.heard = true;
        self.api.metrics.events_sent.add(count as u64);
        Ok(())
    }

    fn take_fallen(&mut self) {
        while let Some(due) = self.mailbox.take_fallen() {
            self.fall_behind(due);
        }
    }

    /// The watcher reads history from this revision on.
    fn fall_behind(&mut self, due: Due) {
        let Some(watcher) = self.watchers.get_mut(&due.watch_id) else {
            return;
        };
        // Where it had fallen behind before, it reads from the earlier revision on.
        if watcher.stand != Stand::InStep {
            return;
        }
        watcher.stand = Stand::Behind;
        self.lagging
            .insert(due.watch_id, watcher.range.clone(), due.revision);
        self.api.metrics.slow_watchers.add(1);
        self.api.watches.step_out(watcher.id);
    }

    /// Sends a piece of history to the watchers that are behind.
    pub(super) fn catch_up(&mut self, out: &mut BytesMut) -> Result<(), Status> {
        let view = self.api.view()?;
        for watch_id in self.lagging.compacted(view.compact_revision()) {
            self.refuse_compacted(watch_id, view.compact_revision(), out);
        }
        let api = Arc::clone(&self.api);
        let piece = self.lagging.read(api.watches.ring(), &view);
        let piece = piece.map_err(|error| errors::query(&error))?;
        // The ring may be ahead of the view by now.
        let revision = view.revision().max(piece.next - 1);
        for (watch_id, events) in piece.events {
            self.send_events(watch_id, revision, &events, out)?;
        }
        for (watch_id, next) in self.lagging.positions() {
            self.step_in(watch_id, next);
        }
        Ok(())
    }

    fn step_in(&mut self, watch_id: i64, next: i64) {
        let Some(watcher) = self.watchers.get_mut(&watch_id) else {
            return;
        };
        if self.api.watches.step_in(watcher.id, next) {
            watcher.stand = Stand::InStep;
            watcher.from = next;
            self.lagging.remove(watch_id);
            self.api.metrics.slow_watchers.subtract(1);
        }
    }

    /// Tells the client that history begins later; it still has to cancel the watcher.
    fn refuse_compacted(&mut self, watch_id: i64, compact_revision: i64, out: &mut BytesMut) {
        self.lagging.remove(watch_id);
        if let Some(watcher) = self.watchers.get_mut(&watch_id) {
            watcher.stand = Stand::Compacted;
            self.api.metrics.slow_watchers.subtract(1);
        }
        let response = pb::WatchResponse {
            header: Some(self.header(0)),
            watch_id,
            canceled: true,
            compact_revision,
            ..Default::default()
        };
        encode::control(out, &response);
    }
}
