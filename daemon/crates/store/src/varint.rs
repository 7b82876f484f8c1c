//! Whole numbers in as few bytes as they need (LEB128).
//!
//! Knows nothing about records. Invariant: what `read` takes is what `write` gave, and nothing
//! longer than [`BYTES_MAX`] is read.

/// The longest encoding of a number.
pub(crate) const BYTES_MAX: usize = 10;

/// Bytes that a number takes.
pub(crate) fn len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Writes a number at the start of `out`, which must have room, and returns the bytes used.
pub(crate) fn write(mut value: u64, out: &mut [u8]) -> usize {
    let mut at = 0;
    while value >= 0x80 {
        out[at] = (value as u8) | 0x80;
        value >>= 7;
        at += 1;
    }
    out[at] = value as u8;
    at + 1
}

/// Appends a number.
pub(crate) fn push(value: u64, out: &mut Vec<u8>) {
    let mut bytes = [0; BYTES_MAX];
    let used = write(value, &mut bytes);
    out.extend_from_slice(&bytes[..used]);
}

/// Reads a number off the front of `bytes`; nothing where there is none.
pub(crate) fn read(bytes: &mut &[u8]) -> Option<u64> {
    let mut value: u64 = 0;
    for (at, &byte) in bytes.iter().take(BYTES_MAX).enumerate() {
        let part = u64::from(byte & 0x7f);
        if at == BYTES_MAX - 1 && part > 1 {
            return None;
        }
        value |= part << (7 * at);
        if byte & 0x80 == 0 {
            *bytes = &bytes[at + 1..];
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        let numbers = [0, 1, 127, 128, 16_383, 16_384, u64::MAX >> 1, u64::MAX];
        for number in numbers {
            let mut out = Vec::new();
            push(number, &mut out);
            assert_eq!(out.len(), len(number));
            let mut rest = &out[..];
            assert_eq!(read(&mut rest), Some(number));
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn a_number_that_is_cut_or_too_long_is_refused() {
        assert_eq!(read(&mut &[][..]), None);
        assert_eq!(read(&mut &[0x80][..]), None);
        assert_eq!(read(&mut &[0xff; 11][..]), None);
        let mut too_large = [0xff; 10];
        too_large[9] = 2;
        assert_eq!(read(&mut &too_large[..]), None);
    }
}
