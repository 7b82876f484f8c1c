//! Frames: pieces of a snapshot stream that can be checked one by one.
//!
//! Knows nothing about what is in them. Invariant: a frame is accepted only with its checksum and
//! only in its place.

use crate::limits::SNAPSHOT_CHUNK_BYTES_MAX;

/// Bytes before a frame's payload.
pub(super) const HEAD_BYTES: usize = 13;

/// What a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Head,
    Rows,
    End,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Kind::Head => 1,
            Kind::Rows => 2,
            Kind::End => 3,
        }
    }

    fn of_code(code: u8) -> Option<Kind> {
        [Kind::Head, Kind::Rows, Kind::End]
            .into_iter()
            .find(|kind| kind.code() == code)
    }
}

/// A frame that was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'b> {
    pub kind: Kind,
    pub payload: &'b [u8],
    /// Bytes that all of it took.
    pub len: usize,
}

/// Encodes a frame.
pub(super) fn encode(number: u32, kind: Kind, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEAD_BYTES + payload.len());
    frame.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(&number.to_le_bytes());
    frame.push(kind.code());
    frame.extend_from_slice(payload);
    let sum = crc32c::crc32c(&frame[8..]);
    frame[4..8].copy_from_slice(&sum.to_le_bytes());
    frame
}

/// Takes the frame at the front of `bytes`, which must be the one of this number. Nothing where
/// it is not all there yet.
pub(super) fn decode(bytes: &[u8], number: u32) -> Result<Option<Frame<'_>>, String> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD_BYTES>() else {
        return Ok(None);
    };
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let len = word(0) as usize;
    if len > SNAPSHOT_CHUNK_BYTES_MAX {
        return Err(format!("frame {number} is said to have {len} bytes"));
    }
    let Some(payload) = rest.get(..len) else {
        return Ok(None);
    };
    let frame = &bytes[..HEAD_BYTES + len];
    if crc32c::crc32c(&frame[8..]) != word(4) {
        return Err(format!("frame {number} fails its checksum"));
    }
    if word(8) != number {
        return Err(format!("frame {} came instead of frame {number}", word(8)));
    }
    let kind = Kind::of_code(head[12]).ok_or_else(|| format!("frame {number} is of no kind"))?;
    Ok(Some(Frame {
        kind,
        payload,
        len: frame.len(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_accepted_whole_unchanged_and_in_its_place_only() {
        let frame = encode(7, Kind::Rows, b"payload");
        let whole = Some(Frame {
            kind: Kind::Rows,
            payload: b"payload",
            len: frame.len(),
        });
        assert_eq!(decode(&frame, 7), Ok(whole));
        let mut longer = frame.clone();
        longer.push(0);
        assert_eq!(decode(&longer, 7), Ok(whole));
        assert!(decode(&frame, 8).is_err());
        for cut in 0..frame.len() {
            assert_eq!(decode(&frame[..cut], 7), Ok(None), "cut at {cut}");
        }
        for bit in 0..frame.len() * 8 {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(decode(&flipped, 7), Ok(Some(_))), "bit {bit}");
        }
    }

    #[test]
    fn a_frame_that_claims_more_than_the_limit_is_refused_before_it_is_there() {
        let mut head = encode(0, Kind::Rows, b"");
        head[..4].copy_from_slice(&(SNAPSHOT_CHUNK_BYTES_MAX as u32 + 1).to_le_bytes());
        assert!(decode(&head, 0).is_err());
        let largest = encode(0, Kind::Rows, &vec![0; SNAPSHOT_CHUNK_BYTES_MAX]);
        assert!(matches!(decode(&largest, 0), Ok(Some(_))));
    }
}
