//! What keys held before an event, read once for all watchers that want to see it.
//!
//! Invariant: what is held is bounded in number and in bytes; it is a cache and may be empty.

use std::collections::VecDeque;

use skerry_proto::mvccpb;
use skerry_store::{StoreError, View};

use crate::limits::{PREVIOUS_BYTES_MAX, PREVIOUS_VALUES_MAX};

/// The values before the newest events.
#[derive(Debug, Default)]
pub(super) struct Previous {
    values: VecDeque<Value>,
    bytes: usize,
}

#[derive(Debug)]
struct Value {
    revision: i64,
    key: bytes::Bytes,
    before: Option<mvccpb::KeyValue>,
}

impl Value {
    fn bytes(&self) -> usize {
        let before = self
            .before
            .as_ref()
            .map_or(0, |kv| kv.key.len() + kv.value.len());
        size_of::<Value>() + self.key.len() + before
    }
}

impl Previous {
    /// The event with what its key held before.
    pub(super) fn fill(
        &mut self,
        view: &View,
        event: &mvccpb::Event,
    ) -> Result<mvccpb::Event, StoreError> {
        let mut filled = event.clone();
        let Some(kv) = &event.kv else {
            return Ok(filled);
        };
        let known = self
            .values
            .iter()
            .rev()
            .find(|value| value.revision == kv.mod_revision && value.key == kv.key);
        filled.prev_kv = match known {
            Some(value) => value.before.clone(),
            None => {
                let before = view.prev_kv(event)?;
                self.keep(kv, before.clone());
                before
            }
        };
        Ok(filled)
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> (usize, usize) {
        (self.values.len(), self.bytes)
    }

    fn keep(&mut self, kv: &mvccpb::KeyValue, before: Option<mvccpb::KeyValue>) {
        let value = Value {
            revision: kv.mod_revision,
            key: kv.key.clone(),
            before,
        };
        self.bytes += value.bytes();
        self.values.push_back(value);
        while self.values.len() > PREVIOUS_VALUES_MAX || self.bytes > PREVIOUS_BYTES_MAX {
            let Some(oldest) = self.values.pop_front() else {
                return;
            };
            self.bytes -= oldest.bytes();
        }
    }
}
