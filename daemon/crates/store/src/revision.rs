//! Revisions: where an event stands in the history of the keyspace.
//!
//! Knows nothing about how events are stored. Invariant: the byte order of an encoded position is
//! the order of positions.

use skerry_proto::mvccpb;

/// Bytes of an encoded position.
pub(crate) const POSITION_BYTES: usize = 12;

/// The position of one event: its revision, and its place among the events of that revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Position {
    /// The revision, which all writes of one command share.
    pub main: i64,
    /// 0 for the first write of the command.
    pub sub: u32,
}

impl Position {
    pub(crate) fn new(main: i64, sub: u32) -> Position {
        Position { main, sub }
    }

    /// Big endian; revisions are never negative.
    pub(crate) fn encode(self) -> [u8; POSITION_BYTES] {
        let mut bytes = [0; POSITION_BYTES];
        bytes[..8].copy_from_slice(&self.main.to_be_bytes());
        bytes[8..].copy_from_slice(&self.sub.to_be_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Position> {
        let (main, sub) = bytes.split_first_chunk::<8>()?;
        Some(Position {
            main: i64::from_be_bytes(*main),
            sub: u32::from_be_bytes(sub.try_into().ok()?),
        })
    }
}

/// All events of one revision, in the order they were made.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    /// The revision.
    pub revision: i64,
    /// Its events. `prev_kv` is left out: ask [`View::prev_kv`](crate::View::prev_kv) where a
    /// watcher wants it, as etcd does when it sends.
    pub events: Vec<mvccpb::Event>,
}

impl Revision {
    /// Memory that the events hold, about.
    pub fn bytes(&self) -> usize {
        let payload = |event: &mvccpb::Event| {
            let kv = event.kv.as_ref();
            kv.map_or(0, |kv| kv.key.len() + kv.value.len())
        };
        let fixed = size_of::<Revision>() + self.events.len() * size_of::<mvccpb::Event>();
        fixed + self.events.iter().map(payload).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_positions_sort_as_positions_do() {
        let positions = [
            Position::new(0, 0),
            Position::new(1, 0),
            Position::new(1, 1),
            Position::new(1, u32::MAX),
            Position::new(256, 0),
            Position::new(i64::MAX, u32::MAX),
        ];
        for pair in positions.windows(2) {
            assert!(pair[0].encode() < pair[1].encode());
        }
        for position in positions {
            assert_eq!(Position::decode(&position.encode()), Some(position));
        }
        assert_eq!(Position::decode(&[0; 11]), None);
        assert_eq!(Position::decode(&[0; 13]), None);
    }
}
