//! What a body in JSON costs in memory once it is a value, told from its bytes.
//!
//! Knows nothing about whether it is JSON. Invariant: one pass, no memory; values are counted at
//! their separators, so what stands in strings costs only its own bytes.

use skerry_listen::pressure;

/// Bytes of a value in a list.
const ELEMENT_BYTES: usize = 40;
/// Bytes of a field with all that is made of it on the way: its name, its place in the object, and
/// the same in the set of those that a manager owns. Measured: 800 bytes with four bytes of JSON.
const FIELD_BYTES: usize = 800;

/// The bytes that `body` costs, itself included.
pub(crate) fn of_json(body: &[u8]) -> usize {
    let (mut elements, mut fields) = (0_usize, 0_usize);
    let mut bytes = body.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'\\' => _ = bytes.next(),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            b',' | b'[' | b'{' => elements += 1,
            b':' => fields += 1,
            _ => {}
        }
    }
    body.len() + elements * ELEMENT_BYTES + fields * FIELD_BYTES
}

/// How many fields any body may have, of so many at most: half of the memory is theirs.
pub(crate) fn fields_max(most: usize) -> usize {
    most.min(pressure::limit() / 2 / FIELD_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_outside_of_strings_cost() {
        assert_eq!(of_json(b""), 0);
        assert_eq!(of_json(b"[1,2]"), 5 + 2 * ELEMENT_BYTES);
        let text = br#"{"a:,\"[{": ":,"}"#;
        assert_eq!(of_json(text), text.len() + ELEMENT_BYTES + FIELD_BYTES);
        assert_eq!(of_json(b"\"\\"), 2);
    }
}
