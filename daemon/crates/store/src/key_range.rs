//! A range of keys as etcd's requests mean it.
//!
//! Knows nothing about storage. Invariant: the order of keys is the order of their bytes.

use std::ops::Bound;

use bytes::Bytes;

/// The keys that a request speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyRange {
    /// One key (`range_end` is empty).
    Key(Bytes),
    /// All keys from `start` up to, but without, `end`.
    Span {
        /// The first key.
        start: Bytes,
        /// The first key that is not meant.
        end: Bytes,
    },
    /// All keys from this one on (`range_end` is `\0`).
    From(Bytes),
}

impl KeyRange {
    /// The range of a request's `key` and `range_end`.
    pub fn new(key: &Bytes, range_end: &Bytes) -> KeyRange {
        match range_end.as_ref() {
            [] => KeyRange::Key(key.clone()),
            [0] => KeyRange::From(key.clone()),
            _ => KeyRange::Span {
                start: key.clone(),
                end: range_end.clone(),
            },
        }
    }

    /// All keys there can be.
    pub fn all() -> KeyRange {
        KeyRange::From(Bytes::new())
    }

    /// Whether the key is meant.
    pub fn contains(&self, key: &[u8]) -> bool {
        match self {
            KeyRange::Key(one) => one == key,
            KeyRange::Span { start, end } => start <= key && key < &end[..],
            KeyRange::From(start) => start <= key,
        }
    }

    /// Whether no key can be meant.
    pub fn is_empty(&self) -> bool {
        matches!(self, KeyRange::Span { start, end } if end <= start)
    }

    /// The first key that can be meant.
    pub fn start(&self) -> &Bytes {
        match self {
            KeyRange::Key(start) | KeyRange::Span { start, .. } | KeyRange::From(start) => start,
        }
    }

    /// The bounds of an ordered search.
    pub(crate) fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        match self {
            KeyRange::Key(key) => (Bound::Included(key), Bound::Included(key)),
            KeyRange::Span { start, end } => (Bound::Included(start), Bound::Excluded(end)),
            KeyRange::From(start) => (Bound::Included(start), Bound::Unbounded),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(key: &'static str, end: &'static str) -> KeyRange {
        KeyRange::new(
            &Bytes::from_static(key.as_bytes()),
            &Bytes::from_static(end.as_bytes()),
        )
    }

    #[test]
    fn range_end_decides_between_one_key_a_span_and_all_that_follows() {
        assert!(range("b", "").contains(b"b"));
        assert!(!range("b", "").contains(b"ba"));
        assert!(range("b", "d").contains(b"b"));
        assert!(range("b", "d").contains(b"c\xff"));
        assert!(!range("b", "d").contains(b"d"));
        assert!(range("b", "\0").contains(b"zzz"));
        assert!(!range("b", "\0").contains(b"a"));
        assert!(KeyRange::all().contains(b""));
    }

    #[test]
    fn a_span_that_ends_before_it_starts_is_empty() {
        assert!(range("b", "a").is_empty());
        assert!(range("b", "b").is_empty());
        assert!(!range("b", "").is_empty());
        assert!(!range("b", "\0").is_empty());
    }
}
