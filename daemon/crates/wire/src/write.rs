//! Protobuf's wire format, written from its end to its start.
//!
//! A message is preceded by its length: whoever starts at the end knows it without measuring
//! first. Knows nothing about messages. Invariant: `finish` gives the bytes in their order.

/// Bytes, the last one first.
#[derive(Debug, Default)]
pub(crate) struct Backward(Vec<u8>);

impl Backward {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend(bytes.iter().rev());
    }

    pub(crate) fn varint(&mut self, mut value: u64) {
        let mut digits = [0; 10];
        let mut length = 0;
        loop {
            // Seven bits at a time.
            #[allow(clippy::cast_possible_truncation)]
            let low = (value & 0x7f) as u8;
            value >>= 7;
            digits[length] = if value > 0 { low | 0x80 } else { low };
            length += 1;
            if value == 0 {
                break;
            }
        }
        self.bytes(&digits[..length]);
    }

    pub(crate) fn tag(&mut self, number: u16, wire_type: u8) {
        self.varint(u64::from(number) << 3 | u64::from(wire_type));
    }

    /// A field of bytes.
    pub(crate) fn run(&mut self, number: u16, bytes: &[u8]) {
        self.bytes(bytes);
        self.varint(bytes.len() as u64);
        self.tag(number, 2);
    }

    /// A field of a number.
    pub(crate) fn number(&mut self, number: u16, value: u64) {
        self.varint(value);
        self.tag(number, 0);
    }

    /// A field of what was written since `end`.
    pub(crate) fn close(&mut self, number: u16, end: usize) {
        self.varint((self.len() - end) as u64);
        self.tag(number, 2);
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.0.reverse();
        self.0
    }
}
