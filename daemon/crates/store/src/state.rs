//! The counters of the state machine: one small row that is written with every batch.
//!
//! Knows nothing about keys. Invariant: it is in the same transaction as what it speaks of.

use crate::LogId;
use crate::revision::Position;
use crate::varint;

/// The first member of a cluster; ids that are handed out begin after it.
pub const FIRST_MEMBER_ID: u64 = 1;

const VERSION: u64 = 1;

/// Where the state machine stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    /// The last entry that was applied.
    pub applied: Option<LogId>,
    /// The revision of the keyspace: 1 at first, as in etcd.
    pub revision: i64,
    /// The revision of the last compaction; -1 while there was none, as in etcd.
    pub compact_revision: i64,
    /// The member id that is handed out next.
    pub next_member_id: u64,
    /// How far the physical compaction has come: the first event it has not looked at. This
    /// member's own; not part of any hash.
    pub swept: Position,
    /// Bytes of keys and values in the tables of the keyspace. Depends on `swept`.
    pub stored_bytes: u64,
}

impl Default for State {
    fn default() -> State {
        State {
            applied: None,
            revision: 1,
            compact_revision: -1,
            next_member_id: FIRST_MEMBER_ID + 1,
            swept: Position::new(0, 0),
            stored_bytes: 0,
        }
    }
}

impl State {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let applied = self.applied.unwrap_or(LogId {
            term: 0,
            node_id: 0,
            index: 0,
        });
        let mut out = Vec::with_capacity(48);
        for number in [
            VERSION,
            u64::from(self.applied.is_some()),
            applied.term,
            applied.node_id,
            applied.index,
            self.revision as u64,
            (self.compact_revision + 1) as u64,
            self.next_member_id,
            self.swept.main as u64,
            u64::from(self.swept.sub),
            self.stored_bytes,
        ] {
            varint::push(number, &mut out);
        }
        out
    }

    pub(crate) fn decode(mut bytes: &[u8]) -> Option<State> {
        let mut number = || varint::read(&mut bytes);
        if number()? != VERSION {
            return None;
        }
        let has_applied = number()? == 1;
        let applied = LogId {
            term: number()?,
            node_id: number()?,
            index: number()?,
        };
        let state = State {
            applied: has_applied.then_some(applied),
            revision: i64::try_from(number()?).ok()?,
            compact_revision: i64::try_from(number()?).ok()? - 1,
            next_member_id: number()?,
            swept: Position {
                main: i64::try_from(number()?).ok()?,
                sub: u32::try_from(number()?).ok()?,
            },
            stored_bytes: number()?,
        };
        bytes.is_empty().then_some(state)
    }

    /// Whether the physical compaction has something to do.
    pub(crate) fn sweep_pending(&self) -> bool {
        self.swept.main < self.compact_revision
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counters_are_read_back_as_they_were_written() {
        let fresh = State::default();
        let used = State {
            applied: Some(LogId {
                term: 3,
                node_id: 2,
                index: u64::MAX,
            }),
            revision: i64::MAX,
            compact_revision: 0,
            next_member_id: 9,
            swept: Position::new(7, 3),
            stored_bytes: 1 << 40,
        };
        for state in [fresh, used] {
            let bytes = state.encode();
            assert_eq!(State::decode(&bytes), Some(state));
            for cut in 0..bytes.len() {
                assert_eq!(State::decode(&bytes[..cut]), None);
            }
        }
    }
}
