//! Rows that prove themselves: a value ends with a checksum over its key and itself.
//!
//! redb checks its pages only when it repairs or is asked to check everything, so a row must not
//! be believed because it is there. Events have a checksum of their own (record.rs). Invariant:
//! what [`open`] gives is what [`seal`] was given for that key.

use crate::fault::Fault;

/// Bytes that the checksum adds to a value.
pub(crate) const SEAL_BYTES: usize = 4;

/// A value with its checksum.
pub(crate) fn seal(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(value.len() + SEAL_BYTES);
    row.extend_from_slice(value);
    row.extend_from_slice(&checksum(key, value));
    row
}

/// Adds the checksum behind the first `used` bytes of `row`; returns the length of the whole.
pub(crate) fn seal_in_place(key: &[u8], row: &mut [u8], used: usize) -> usize {
    let sum = checksum(key, &row[..used]);
    row[used..used + SEAL_BYTES].copy_from_slice(&sum);
    used + SEAL_BYTES
}

/// The value of a row.
pub(crate) fn open<'r>(key: &[u8], row: &'r [u8]) -> Result<&'r [u8], Fault> {
    match row.split_last_chunk::<SEAL_BYTES>() {
        Some((value, sum)) if checksum(key, value) == *sum => Ok(value),
        _ => Err(Fault::corrupt(format!(
            "the row of {} fails its checksum",
            key.escape_ascii()
        ))),
    }
}

fn checksum(key: &[u8], value: &[u8]) -> [u8; SEAL_BYTES] {
    let sum = crc32c::crc32c(key);
    crc32c::crc32c_append(sum, value).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_with_any_bit_flipped_in_key_or_value_is_refused() {
        let row = seal(b"key", b"value");
        assert_eq!(open(b"key", &row).ok(), Some(&b"value"[..]));
        assert!(open(b"kez", &row).is_err());
        assert!(open(b"key", &row[..row.len() - 1]).is_err());
        assert!(open(b"key", b"").is_err());
        for bit in 0..row.len() * 8 {
            let mut flipped = row.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(b"key", &flipped).is_err(), "bit {bit}");
        }
        let mut in_place = [0; 16];
        in_place[..5].copy_from_slice(b"value");
        let used = seal_in_place(b"key", &mut in_place, 5);
        assert_eq!(in_place[..used], row[..]);
    }
}
