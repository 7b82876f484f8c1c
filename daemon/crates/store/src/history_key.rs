//! Keys of the `history` table: a client's key and a position, in one string of bytes that sorts
//! by key first.
//!
//! Knows nothing about what the rows mean. Invariant: byte order of rows is (key, position) order
//! for any keys. To that end a zero byte of the key is written as `00 ff`, and the key ends with
//! `00 00`.

use crate::revision::{POSITION_BYTES, Position};

const END: [u8; 2] = [0, 0];
const ESCAPED_ZERO: [u8; 2] = [0, 0xff];

/// The part of a row that all positions of one key share.
pub(crate) fn prefix(key: &[u8]) -> Vec<u8> {
    let mut row = open_prefix(key);
    row.extend_from_slice(&END);
    row
}

/// Where the rows of all keys that are greater than or equal to `key` begin.
pub(crate) fn open_prefix(key: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(key.len() + END.len() + POSITION_BYTES);
    for part in key.split_inclusive(|byte| *byte == 0) {
        match part.split_last() {
            Some((0, before)) => {
                row.extend_from_slice(before);
                row.extend_from_slice(&ESCAPED_ZERO);
            }
            _ => row.extend_from_slice(part),
        }
    }
    row
}

/// The row of an event of `key`.
pub(crate) fn row(key: &[u8], position: Position) -> Vec<u8> {
    let mut row = prefix(key);
    row.extend_from_slice(&position.encode());
    row
}

/// Splits a row into its prefix and its position.
pub(crate) fn split(row: &[u8]) -> Option<(&[u8], Position)> {
    let (prefix, position) = row.split_last_chunk::<POSITION_BYTES>()?;
    Some((prefix, Position::decode(position)?))
}

/// The key that a prefix was made of.
pub(crate) fn key(prefix: &[u8]) -> Option<Vec<u8>> {
    let escaped = prefix.strip_suffix(&END)?;
    let mut key = Vec::with_capacity(escaped.len());
    let mut bytes = escaped.iter();
    while let Some(&byte) = bytes.next() {
        if byte == 0 && bytes.next() != Some(&ESCAPED_ZERO[1]) {
            return None;
        }
        key.push(byte);
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_sort_by_key_and_then_by_position() {
        let keys: [&[u8]; 9] = [
            b"", b"\0", b"\0\0", b"\0\x01", b"\0\xff", b"a", b"a\0", b"a\0b", b"a\x01",
        ];
        let positions = [
            Position::new(1, 0),
            Position::new(1, 1),
            Position::new(2, 0),
        ];
        let rows: Vec<Vec<u8>> = keys
            .iter()
            .flat_map(|key| positions.map(|position| row(key, position)))
            .collect();
        assert!(rows.is_sorted());
        for (at, encoded) in rows.iter().enumerate() {
            let (prefix, position) = split(encoded).unwrap();
            assert_eq!(position, positions[at % 3]);
            assert_eq!(key(prefix).as_deref(), Some(keys[at / 3]));
            for later in &keys[at / 3..] {
                assert!(open_prefix(keys[at / 3]) <= row(later, positions[0]));
            }
            for earlier in &keys[..at / 3] {
                assert!(row(earlier, positions[2]) < open_prefix(keys[at / 3]));
            }
        }
    }

    #[test]
    fn a_row_that_was_not_made_here_is_refused() {
        assert_eq!(split(&[0; 11]), None);
        assert_eq!(key(b"a"), None);
        assert_eq!(key(b"a\0\x01\0\0"), None);
    }
}
