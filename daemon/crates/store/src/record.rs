//! How events and live keys are written into their tables.
//!
//! Knows nothing about redb. Invariant: every event carries a checksum over its position and all
//! of its bytes, so a flipped bit in a value is found when it is read (redb checks its pages only
//! when it repairs).
//!
//! ```text
//! event   flags u8 | crc32c u32 LE over position and the rest | [create, as distance from the
//!         revision | version | [lease]] (put only) | [revision distance and sub of the event that
//!         this one replaced] | key length | key | value
//! live    revision | sub | create, as distance from the revision | version | lease
//! ```
//! All numbers but the checksum are varints.

use bytes::Bytes;
use skerry_proto::mvccpb;

use crate::revision::Position;
use crate::varint;

const TOMBSTONE: u8 = 1;
const HAS_PREVIOUS: u8 = 2;
const HAS_LEASE: u8 = 4;
const FLAGS_ALL: u8 = TOMBSTONE | HAS_PREVIOUS | HAS_LEASE;
const HEAD_BYTES: usize = 5;

/// One event as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventRecord<'a> {
    /// A deletion; create, version, lease and value are then empty.
    pub tombstone: bool,
    pub create: i64,
    pub version: i64,
    pub lease: i64,
    /// The event of the same key that this one replaced.
    pub previous: Option<Position>,
    pub key: &'a [u8],
    pub value: &'a [u8],
}

impl<'a> EventRecord<'a> {
    /// Bytes that [`encode`](Self::encode) writes.
    pub(crate) fn encoded_len(&self, at: Position) -> usize {
        let mut len = HEAD_BYTES;
        if !self.tombstone {
            len += varint::len((at.main - self.create) as u64) + varint::len(self.version as u64);
            if self.lease != 0 {
                len += varint::len(self.lease as u64);
            }
        }
        if let Some(previous) = self.previous {
            len += varint::len((at.main - previous.main) as u64);
            len += varint::len(u64::from(previous.sub));
        }
        len + varint::len(self.key.len() as u64) + self.key.len() + self.value.len()
    }

    /// Writes the record into `out`, which is as long as [`encoded_len`](Self::encoded_len) says.
    pub(crate) fn encode(&self, at: Position, out: &mut [u8]) {
        let mut used = HEAD_BYTES;
        let mut number = |value: u64| used += varint::write(value, &mut out[used..]);
        let mut flags = 0;
        if self.tombstone {
            flags |= TOMBSTONE;
        } else {
            number((at.main - self.create) as u64);
            number(self.version as u64);
            if self.lease != 0 {
                flags |= HAS_LEASE;
                number(self.lease as u64);
            }
        }
        if let Some(previous) = self.previous {
            flags |= HAS_PREVIOUS;
            number((at.main - previous.main) as u64);
            number(u64::from(previous.sub));
        }
        number(self.key.len() as u64);
        let (key, value) = out[used..].split_at_mut(self.key.len());
        key.copy_from_slice(self.key);
        value.copy_from_slice(self.value);
        out[0] = flags;
        let sum = checksum(at, flags, &out[HEAD_BYTES..]);
        out[1..HEAD_BYTES].copy_from_slice(&sum.to_le_bytes());
    }

    /// Reads a record; nothing where it is not what was written at this position.
    pub(crate) fn decode(at: Position, bytes: &'a [u8]) -> Option<EventRecord<'a>> {
        let (head, mut rest) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        let flags = head[0];
        let sum = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
        if flags & !FLAGS_ALL != 0 || checksum(at, flags, rest) != sum {
            return None;
        }
        let tombstone = flags & TOMBSTONE != 0;
        let (mut create, mut version, mut lease) = (0, 0, 0);
        if !tombstone {
            create = back(at.main, varint::read(&mut rest)?)?;
            version = i64::try_from(varint::read(&mut rest)?).ok()?;
            if flags & HAS_LEASE != 0 {
                lease = varint::read(&mut rest)? as i64;
            }
        }
        let mut previous = None;
        if flags & HAS_PREVIOUS != 0 {
            let main = back(at.main, varint::read(&mut rest)?)?;
            let sub = u32::try_from(varint::read(&mut rest)?).ok()?;
            previous = Some(Position { main, sub });
        }
        let key_len = usize::try_from(varint::read(&mut rest)?).ok()?;
        let (key, value) = rest.split_at_checked(key_len)?;
        Some(EventRecord {
            tombstone,
            create,
            version,
            lease,
            previous,
            key,
            value,
        })
    }

    /// The event as clients see it, copied once.
    pub(crate) fn to_event(self, at: Position) -> mvccpb::Event {
        if self.tombstone {
            let kv = mvccpb::KeyValue {
                key: Bytes::copy_from_slice(self.key),
                mod_revision: at.main,
                ..mvccpb::KeyValue::default()
            };
            return event(mvccpb::event::EventType::Delete, kv);
        }
        event(mvccpb::event::EventType::Put, self.to_kv(at))
    }

    /// The key and its value, in one piece of memory.
    pub(crate) fn to_kv(self, at: Position) -> mvccpb::KeyValue {
        let mut both = Vec::with_capacity(self.key.len() + self.value.len());
        both.extend_from_slice(self.key);
        both.extend_from_slice(self.value);
        let mut key = Bytes::from(both);
        let value = key.split_off(self.key.len());
        mvccpb::KeyValue {
            key,
            create_revision: self.create,
            mod_revision: at.main,
            version: self.version,
            value,
            lease: self.lease,
        }
    }
}

/// An event of the protocol without `prev_kv`.
pub(crate) fn event(kind: mvccpb::event::EventType, kv: mvccpb::KeyValue) -> mvccpb::Event {
    mvccpb::Event {
        r#type: kind as i32,
        kv: Some(kv),
        prev_kv: None,
    }
}

/// What is known of a live key without its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Live {
    /// The event that holds the value.
    pub modified: Position,
    pub create: i64,
    pub version: i64,
    pub lease: i64,
}

impl Live {
    /// The longest encoding.
    pub(crate) const BYTES_MAX: usize = 5 * varint::BYTES_MAX;

    /// Writes the record into `out`, which has room for the longest, and returns its length.
    pub(crate) fn encode(&self, out: &mut [u8]) -> usize {
        let numbers = [
            self.modified.main as u64,
            u64::from(self.modified.sub),
            (self.modified.main - self.create) as u64,
            self.version as u64,
            self.lease as u64,
        ];
        let mut used = 0;
        for number in numbers {
            used += varint::write(number, &mut out[used..]);
        }
        used
    }

    /// Reads a record; nothing where it is not one.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Live> {
        let main = i64::try_from(varint::read(&mut bytes)?).ok()?;
        let sub = u32::try_from(varint::read(&mut bytes)?).ok()?;
        let create = back(main, varint::read(&mut bytes)?)?;
        let version = i64::try_from(varint::read(&mut bytes)?).ok()?;
        let lease = varint::read(&mut bytes)? as i64;
        bytes.is_empty().then_some(Live {
            modified: Position { main, sub },
            create,
            version,
            lease,
        })
    }

    /// The key as a client sees it that asked for keys only.
    pub(crate) fn to_kv(self, key: Bytes) -> mvccpb::KeyValue {
        mvccpb::KeyValue {
            key,
            create_revision: self.create,
            mod_revision: self.modified.main,
            version: self.version,
            value: Bytes::new(),
            lease: self.lease,
        }
    }
}

/// The revision that lies `distance` before `main`.
fn back(main: i64, distance: u64) -> Option<i64> {
    let distance = i64::try_from(distance).ok()?;
    main.checked_sub(distance).filter(|revision| *revision >= 0)
}

fn checksum(at: Position, flags: u8, rest: &[u8]) -> u32 {
    let sum = crc32c::crc32c(&at.encode());
    let sum = crc32c::crc32c_append(sum, &[flags]);
    crc32c::crc32c_append(sum, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(record: &EventRecord<'_>, at: Position) -> Vec<u8> {
        let mut out = vec![0; record.encoded_len(at)];
        record.encode(at, &mut out);
        out
    }

    fn samples() -> Vec<(Position, EventRecord<'static>)> {
        let put = EventRecord {
            tombstone: false,
            create: 3,
            version: 7,
            lease: -5,
            previous: Some(Position::new(11, 127)),
            key: b"key",
            value: b"value",
        };
        let first = EventRecord {
            create: 2,
            version: 1,
            lease: 0,
            previous: None,
            value: b"",
            ..put
        };
        let tombstone = EventRecord {
            tombstone: true,
            create: 0,
            version: 0,
            lease: 0,
            key: b"",
            value: b"",
            ..put
        };
        vec![
            (Position::new(300, 1), put),
            (Position::new(2, 0), first),
            (Position::new(12, 0), tombstone),
        ]
    }

    #[test]
    fn an_event_is_read_back_as_it_was_written() {
        for (at, record) in samples() {
            let bytes = encoded(&record, at);
            assert_eq!(EventRecord::decode(at, &bytes), Some(record));
        }
    }

    #[test]
    fn an_event_with_any_bit_flipped_or_byte_missing_is_refused() {
        for (at, record) in samples() {
            let bytes = encoded(&record, at);
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(EventRecord::decode(at, &flipped), None, "bit {bit}");
            }
            for cut in 0..bytes.len() {
                assert_eq!(EventRecord::decode(at, &bytes[..cut]), None, "cut at {cut}");
            }
            let elsewhere = Position::new(at.main + 1, at.sub);
            assert_eq!(EventRecord::decode(elsewhere, &bytes), None);
        }
    }

    #[test]
    fn a_live_key_is_read_back_as_it_was_written() {
        let live = Live {
            modified: Position::new(i64::MAX, u32::MAX),
            create: 1,
            version: i64::MAX,
            lease: i64::MIN,
        };
        let mut out = [0; Live::BYTES_MAX];
        let used = live.encode(&mut out);
        assert_eq!(Live::decode(&out[..used]), Some(live));
        assert_eq!(Live::decode(&out[..used - 1]), None);
        assert_eq!(Live::decode(&out[..used + 1]), None);
    }
}
