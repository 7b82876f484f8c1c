//! Entries from commands, and stores to apply them to.

use std::path::Path;

use bytes::Bytes;
use prost::Message;
use redb::backends::InMemoryBackend;
use skerry_proto::command::{Command, command::Operation};
use skerry_store::{Applied, ApplyError, Entry, LogId, Options, Payload, Reply, Store};

pub(crate) const TERM: u64 = 3;

/// How much longer than usual the seeded tests run: `SKERRY_ROUNDS`.
pub(crate) fn rounds() -> u64 {
    let rounds = std::env::var("SKERRY_ROUNDS").ok();
    rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(1)
}

/// An entry that carries a command.
pub(crate) fn entry(index: u64, operation: Operation) -> Entry {
    let command = Command {
        origin: 1,
        request: index,
        operation: Some(operation),
        ..Command::default()
    };
    raw_entry(index, Bytes::from(command.encode_to_vec()))
}

/// An entry that carries any bytes as a command.
pub(crate) fn raw_entry(index: u64, command: Bytes) -> Entry {
    Entry {
        log_id: log_id(index),
        payload: Payload::Command(command),
    }
}

pub(crate) fn log_id(index: u64) -> LogId {
    LogId {
        term: TERM,
        node_id: 1,
        index,
    }
}

/// An empty store in memory.
pub(crate) fn store() -> Store {
    Store::open_with_backend(
        InMemoryBackend::new(),
        Path::new("state.redb"),
        Options::default(),
    )
    .expect("an empty store opens")
}

/// Applies operations one after the other, as they come.
pub(crate) struct Applier {
    pub(crate) store: Store,
    next: u64,
}

impl Applier {
    pub(crate) fn new() -> Applier {
        Applier {
            store: store(),
            next: 0,
        }
    }

    pub(crate) fn apply(&mut self, operation: Operation) -> Result<Reply, ApplyError> {
        let entry = entry(self.next, operation);
        self.next += 1;
        let batch = self.store.apply(&[entry]).expect("the store works");
        let [applied] = <[Applied; 1]>::try_from(batch.applied).expect("one answer");
        applied.outcome
    }

    pub(crate) fn skip_to(&mut self, index: u64) {
        self.next = index;
    }
}
