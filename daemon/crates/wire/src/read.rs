//! Protobuf's wire format, read: tags, numbers and runs of bytes.
//!
//! Knows nothing about messages. Refuses what upstream's decoder refuses, in its words. Invariant:
//! nothing is read past the end, and every step consumes at least one byte.

use crate::error::DecodeError;

/// What stands behind a tag.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Wire<'b> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'b [u8]),
    Fixed32(u32),
    /// A group, passed over: nothing of upstream's is in one.
    Group,
}

impl Wire<'_> {
    pub(crate) fn wire_type(self) -> u8 {
        match self {
            Wire::Varint(_) => 0,
            Wire::Fixed64(_) => 1,
            Wire::Bytes(_) => 2,
            Wire::Group => 3,
            Wire::Fixed32(_) => 5,
        }
    }
}

/// The rest of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'b>(pub(crate) &'b [u8]);

impl<'b> Reader<'b> {
    /// The next field of a message: its number and what it holds; none at the end.
    pub(crate) fn field(&mut self, message: &str) -> Result<Option<(u32, Wire<'b>)>, DecodeError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        if tag & 7 == 4 {
            return Err(DecodeError::EndGroup(message.into()));
        }
        // Upstream keeps 32 bits of the number.
        #[allow(clippy::cast_possible_truncation)]
        let number = (tag >> 3) as u32 as i32;
        match u32::try_from(number) {
            Ok(known) if known > 0 => Ok(Some((known, self.value(tag)?))),
            _ => Err(DecodeError::IllegalTag {
                message: message.into(),
                number,
                tag,
            }),
        }
    }

    fn value(&mut self, tag: u64) -> Result<Wire<'b>, DecodeError> {
        Ok(match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = self.length()?;
                Wire::Bytes(self.take(length)?)
            }
            3 => {
                self.skip_group()?;
                Wire::Group
            }
            5 => Wire::Fixed32(u32::from_le_bytes(self.array()?)),
            other => return Err(DecodeError::IllegalWireType(other as u8)),
        })
    }

    /// Up to the end of the group that has begun, and of those in it.
    fn skip_group(&mut self) -> Result<(), DecodeError> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.varint()? & 7 {
                0 => _ = self.varint()?,
                1 => _ = self.take(8)?,
                2 => {
                    let length = self.length()?;
                    self.take(length)?;
                }
                3 => depth += 1,
                4 => depth -= 1,
                5 => _ = self.take(4)?,
                other => return Err(DecodeError::IllegalWireType(other as u8)),
            }
        }
        Ok(())
    }

    fn length(&mut self) -> Result<usize, DecodeError> {
        let length = i64::try_from(self.varint()?).map_err(|_| DecodeError::NegativeLength)?;
        usize::try_from(length).map_err(|_| DecodeError::End)
    }

    pub(crate) fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(DecodeError::End)?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::Overflow)
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8], DecodeError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(DecodeError::End)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(DecodeError::End)?;
        self.0 = rest;
        Ok(*taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_malformed_is_refused_in_upstreams_words() {
        let error = |bytes: &[u8]| Reader(bytes).field("Pod").unwrap_err().to_string();
        assert_eq!(error(&[0x80]), "unexpected EOF");
        assert_eq!(error(&[0xff; 11]), "proto: integer overflow");
        assert_eq!(error(&[0x0f]), "proto: illegal wireType 7");
        assert_eq!(error(&[0x00]), "proto: Pod: illegal tag 0 (wire type 0)");
        assert_eq!(
            error(&[0x0c]),
            "proto: Pod: wiretype end group for non-group"
        );
        assert_eq!(error(&[0x0a, 5, 1]), "unexpected EOF");
        let negative = [0x0a, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
        assert_eq!(
            error(&negative),
            "proto: negative length found during unmarshaling"
        );
    }

    #[test]
    fn groups_are_passed_over_with_what_is_in_them() {
        let mut reader = Reader(&[0x0b, 0x13, 0x08, 1, 0x14, 0x12, 1, 9, 0x0c, 0x10, 7]);
        assert_eq!(reader.field("Pod"), Ok(Some((1, Wire::Group))));
        assert_eq!(reader.field("Pod"), Ok(Some((2, Wire::Varint(7)))));
        assert_eq!(reader.field("Pod"), Ok(None));
    }
}
