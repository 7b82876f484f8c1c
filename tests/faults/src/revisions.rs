//! Judges a record against the store's own history, revision by revision.
//!
//! Pure. Where `linearizable` looks at answers only, this one takes the events that the store
//! reports from its first revision on, and asks that every answer ever given agrees with
//! them: no acknowledged write is missing, none was invented or applied twice, every read
//! (serializable ones too) shows the store as it was at the revision it names, and revisions
//! follow real time across all keys.

use std::collections::{HashMap, HashSet};

use crate::history::{Event, Key, Operation, Request, Response, Value, Version};

/// An answer or event that the history of the store contradicts.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// A write was acknowledged, and the store does not have it at its revision.
    #[error("an acknowledged write was lost: {0:?}")]
    Lost(Operation),
    /// The store has a value that nobody wrote to that key.
    #[error("the store holds an event that nobody asked for: {0:?}")]
    Invented(Event),
    /// The same request took effect twice.
    #[error("one write took effect twice, the second time as {0:?}")]
    Twice(Event),
    /// An answer shows something else than the key held at that revision.
    #[error("{operation:?} disagrees with the history: the key held {held:?}")]
    Disagrees {
        /// The operation.
        operation: Operation,
        /// What the key held at the revision the answer speaks of.
        held: Option<Version>,
    },
    /// An answer is older than another one that was there before it was asked for.
    #[error("{operation:?} is stale: revision {seen} had been answered before it was asked")]
    Stale {
        /// The operation.
        operation: Operation,
        /// The revision answered before.
        seen: i64,
    },
    /// The history itself goes backwards or changes a key twice in one revision.
    #[error("the history is not in order at {0:?}")]
    Disorder(Event),
}

/// The history of every key, built from the events in their order.
#[derive(Debug, Default)]
pub struct History {
    keys: HashMap<Key, Vec<Event>>,
}

impl History {
    /// Takes the events of the store from its first revision on.
    ///
    /// # Errors
    /// [`Contradiction::Disorder`] where revisions go backwards or repeat for a key.
    pub fn new(events: &[Event]) -> Result<Self, Contradiction> {
        let mut keys: HashMap<Key, Vec<Event>> = HashMap::new();
        let mut last = 0;
        for event in events {
            let of_key = keys.entry(event.key).or_default();
            let repeats = of_key
                .last()
                .is_some_and(|before| before.revision >= event.revision);
            if event.revision < last || repeats {
                return Err(Contradiction::Disorder(*event));
            }
            last = event.revision;
            of_key.push(*event);
        }
        Ok(Self { keys })
    }

    /// What the key held right after this revision.
    #[must_use]
    pub fn at(&self, key: Key, revision: i64) -> Option<Version> {
        let events = self.keys.get(&key)?;
        let after = events.partition_point(|event| event.revision <= revision);
        let event = events[..after].last()?;
        event.value.map(|value| Version {
            value,
            revision: event.revision,
        })
    }

    /// Whether the key was changed at exactly this revision.
    fn changed_at(&self, key: Key, revision: i64) -> bool {
        self.keys.get(&key).is_some_and(|events| {
            events
                .binary_search_by_key(&revision, |e| e.revision)
                .is_ok()
        })
    }
}

/// Judges every answer of the record and every event of the store.
///
/// # Errors
/// The first [`Contradiction`].
pub fn check(operations: &[Operation], events: &[Event]) -> Result<(), Contradiction> {
    let history = History::new(events)?;
    check_events(operations, events)?;
    operations
        .iter()
        .try_for_each(|operation| check_answer(operation, &history))?;
    check_real_time(operations)
}

fn check_events(operations: &[Operation], events: &[Event]) -> Result<(), Contradiction> {
    let asked: HashMap<Value, Key> = operations
        .iter()
        .filter_map(|operation| operation.written().map(|value| (value, operation.key)))
        .collect();
    let mut applied = HashSet::new();
    for event in events {
        let Some(value) = event.value else { continue };
        if asked.get(&value) != Some(&event.key) {
            return Err(Contradiction::Invented(*event));
        }
        if !applied.insert(value) {
            return Err(Contradiction::Twice(*event));
        }
    }
    Ok(())
}

fn check_answer(operation: &Operation, history: &History) -> Result<(), Contradiction> {
    let at = |revision| history.at(operation.key, revision);
    if let Some(revision) = operation.effective_revision() {
        let there = match operation.written() {
            Some(value) => at(revision) == Some(Version { value, revision }),
            None => at(revision).is_none() && history.changed_at(operation.key, revision),
        };
        if !there {
            return Err(Contradiction::Lost(*operation));
        }
    }
    let before = operation.revision - 1;
    let (held, agrees) = match (operation.request, operation.response) {
        (_, Response::Unknown) => return Ok(()),
        (Request::Delete, Response::Replaced(None)) => {
            let held = at(operation.revision);
            (held, held.is_none())
        }
        (_, Response::Replaced(previous)) => (at(before), at(before) == previous),
        (_, Response::Found(found)) => (at(operation.revision), at(operation.revision) == found),
        (Request::Swap { expected, .. }, Response::Swapped) => (
            at(before),
            at(before).map_or(0, |one| one.revision) == expected,
        ),
        (Request::Swap { expected, .. }, Response::Refused(found)) => {
            let held = at(operation.revision);
            (
                held,
                held == found && held.map_or(0, |one| one.revision) != expected,
            )
        }
        (_, Response::Swapped | Response::Refused(_)) => (None, false),
    };
    if agrees {
        Ok(())
    } else {
        Err(Contradiction::Disagrees {
            operation: *operation,
            held,
        })
    }
}

fn check_real_time(operations: &[Operation]) -> Result<(), Contradiction> {
    // At equal times calls come first: the operations count as overlapping.
    let known = || {
        operations
            .iter()
            .filter(|one| one.response != Response::Unknown)
    };
    let calls = known().map(|one| (one.call, false, one));
    let answers = known().map(|one| (one.answer, true, one));
    let mut moments: Vec<_> = calls.chain(answers).collect();
    moments.sort_by_key(|(at, is_answer, _)| (*at, *is_answer));
    let mut seen = 0;
    for (_, is_answer, operation) in moments {
        if is_answer {
            seen = seen.max(operation.revision);
            continue;
        }
        let stale = match operation.request {
            Request::GetSerializable => false,
            _ if operation.effective_revision().is_some() => operation.revision <= seen,
            _ => operation.revision < seen,
        };
        if stale {
            return Err(Contradiction::Stale {
                operation: *operation,
                seen,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "revisions_test.rs"]
mod tests;
