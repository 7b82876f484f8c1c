//! Events of a range, one after another, for callers in this process.

use std::collections::VecDeque;
use std::sync::Arc;

use skerry_proto::mvccpb;
use skerry_store::{ApplyError, KeyRange, QueryError};
use tonic::Status;

use crate::api::Api;
use crate::errors;
use crate::limits::CATCH_UP_BYTES;
use crate::watch::Signal;

/// A cursor in the history of a range.
pub(super) struct Events {
    api: Arc<Api>,
    range: KeyRange,
    next: i64,
    read: VecDeque<(mvccpb::Event, i64)>,
    signal: Signal,
}

impl Events {
    /// Events from a revision on; `None` where there are too many watchers.
    pub(super) fn new(api: &Arc<Api>, range: KeyRange, from: i64) -> Option<Events> {
        let signal = api.watches.signal(range.clone())?;
        Some(Events {
            api: Arc::clone(api),
            range,
            next: from,
            read: VecDeque::new(),
            signal,
        })
    }

    /// The next event with its revision; `None` where it was compacted away.
    pub(super) async fn next(&mut self) -> Result<Option<(mvccpb::Event, i64)>, Status> {
        loop {
            if let Some(next) = self.read.pop_front() {
                return Ok(Some(next));
            }
            let view = self.api.view()?;
            let history = match view.events(self.next, &self.range, CATCH_UP_BYTES) {
                Ok(history) => history,
                Err(QueryError::Refused(ApplyError::Compacted)) => return Ok(None),
                Err(error) => return Err(errors::query(&error)),
            };
            self.next = history.next;
            for revision in history.revisions {
                let number = revision.revision;
                self.read
                    .extend(revision.events.into_iter().map(|event| (event, number)));
            }
            if self.read.is_empty() && self.next > view.revision() {
                drop(view);
                self.signal.fired().await;
            }
        }
    }
}
