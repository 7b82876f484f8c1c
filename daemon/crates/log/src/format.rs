//! Bytes of a batch and of the records in it; see the crate's page for the drawing.
//!
//! Pure. Decoding takes any bytes: it never panics and never allocates by a length it was told.

use crate::aligned::AlignedBuf;

/// Version this program writes and reads.
pub(crate) const VERSION: u16 = 1;

/// Bytes before the records of a batch.
pub(crate) const BATCH_HEADER_BYTES: usize = 48;

/// Bytes before the payload of a record.
pub(crate) const RECORD_HEADER_BYTES: usize = 20;

const MAGIC: u32 = u32::from_le_bytes(*b"SkLg");

/// Head of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    pub(crate) version: u16,
    /// Unit to which batches of this segment are padded, as a power of two.
    pub(crate) block_shift: u8,
    pub(crate) body_bytes: u32,
    pub(crate) segment: u64,
    pub(crate) salt: u64,
    pub(crate) sequence: u64,
    pub(crate) offset: u32,
    pub(crate) body_crc: u32,
}

impl BatchHeader {
    pub(crate) fn encode(&self) -> [u8; BATCH_HEADER_BYTES] {
        let mut bytes = [0u8; BATCH_HEADER_BYTES];
        bytes[4..8].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[8..10].copy_from_slice(&self.version.to_le_bytes());
        bytes[10] = self.block_shift;
        bytes[12..16].copy_from_slice(&self.body_bytes.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.segment.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.salt.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.offset.to_le_bytes());
        bytes[44..48].copy_from_slice(&self.body_crc.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[4..]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `None` where the bytes are not a whole, unharmed head.
    pub(crate) fn decode(bytes: &[u8]) -> Option<BatchHeader> {
        let bytes: &[u8; BATCH_HEADER_BYTES] = bytes.first_chunk()?;
        if u32_at(bytes, 4) != MAGIC || u32_at(bytes, 0) != crc32c::crc32c(&bytes[4..]) {
            return None;
        }
        Some(BatchHeader {
            version: u16::from_le_bytes([bytes[8], bytes[9]]),
            block_shift: bytes[10],
            body_bytes: u32_at(bytes, 12),
            segment: u64_at(bytes, 16),
            salt: u64_at(bytes, 24),
            sequence: u64_at(bytes, 32),
            offset: u32_at(bytes, 40),
            body_crc: u32_at(bytes, 44),
        })
    }
}

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An entry; `index` is its own.
    Entry,
    /// All from `index` on is removed.
    Truncate,
    /// All up to and including `index` is removed; the payload is its log id.
    Purge,
    /// The vote.
    Vote,
    /// The committed log id.
    Committed,
    /// First record of a segment; `index` is the one the next entry has.
    Head,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Kind::Entry => 1,
            Kind::Truncate => 2,
            Kind::Purge => 3,
            Kind::Vote => 4,
            Kind::Committed => 5,
            Kind::Head => 6,
        }
    }

    fn from_code(code: u8) -> Option<Kind> {
        [
            Kind::Entry,
            Kind::Truncate,
            Kind::Purge,
            Kind::Vote,
            Kind::Committed,
            Kind::Head,
        ]
        .into_iter()
        .find(|kind| kind.code() == code)
    }
}

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) kind: Kind,
    pub(crate) index: u64,
    pub(crate) payload: &'a [u8],
}

impl Record<'_> {
    /// Bytes it takes on disk.
    pub(crate) fn bytes(&self) -> usize {
        RECORD_HEADER_BYTES + self.payload.len()
    }
}

/// What goes into the CRC of every record of a segment beside its own bytes, so that a record of
/// the segment's earlier use, or of another log, does not pass for one of this.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seal(u32);

impl Seal {
    pub(crate) fn new(salt: u64, segment: u64) -> Seal {
        Seal(crc32c::crc32c_append(
            crc32c::crc32c(&salt.to_le_bytes()),
            &segment.to_le_bytes(),
        ))
    }

    /// Adds a record to a batch that [`begin_batch`] began; answers its offset in the batch.
    pub(crate) fn push(self, batch: &mut AlignedBuf, record: Record<'_>) -> usize {
        let offset = batch.len();
        let mut header = [0u8; RECORD_HEADER_BYTES];
        header[4..8].copy_from_slice(&(record.payload.len() as u32).to_le_bytes());
        header[8..16].copy_from_slice(&record.index.to_le_bytes());
        header[16] = record.kind.code();
        let crc = crc32c::crc32c_append(self.0, &header[4..]);
        let crc = crc32c::crc32c_append(crc, record.payload);
        header[..4].copy_from_slice(&crc.to_le_bytes());
        batch.extend(&header);
        batch.extend(record.payload);
        offset
    }

    /// Makes the CRC of the record at the start of `bytes` right.
    #[cfg(test)]
    pub(crate) fn mend(self, bytes: &mut [u8]) {
        let length = RECORD_HEADER_BYTES.saturating_add(u32_at(bytes, 4) as usize);
        if let Some(record) = bytes.get_mut(..length) {
            let crc = crc32c::crc32c_append(self.0, &record[4..]);
            record[..4].copy_from_slice(&crc.to_le_bytes());
        }
    }

    /// Reads the record at the start of `bytes`.
    pub(crate) fn read(self, bytes: &[u8]) -> Result<Record<'_>, &'static str> {
        let header: &[u8; RECORD_HEADER_BYTES] =
            bytes.first_chunk().ok_or("record header is cut off")?;
        let length = u32_at(header, 4) as usize;
        let payload = bytes[RECORD_HEADER_BYTES..]
            .get(..length)
            .ok_or("record is cut off")?;
        let crc = crc32c::crc32c_append(self.0, &header[4..]);
        if u32_at(header, 0) != crc32c::crc32c_append(crc, payload) {
            return Err("record checksum does not match");
        }
        let kind = Kind::from_code(header[16]).ok_or("record is of an unknown kind")?;
        Ok(Record {
            kind,
            index: u64_at(header, 8),
            payload,
        })
    }
}

/// Clears `batch` and leaves room for its head.
pub(crate) fn begin_batch(batch: &mut AlignedBuf) {
    batch.clear();
    batch.resize(BATCH_HEADER_BYTES);
}

/// Where a batch goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position {
    pub(crate) segment: u64,
    pub(crate) salt: u64,
    pub(crate) sequence: u64,
    pub(crate) offset: u32,
    pub(crate) block_bytes: usize,
}

/// Writes the head of a batch whose records are complete, and pads it to whole blocks.
pub(crate) fn finish_batch(batch: &mut AlignedBuf, at: Position) {
    let body = &batch.as_slice()[BATCH_HEADER_BYTES..];
    let header = BatchHeader {
        version: VERSION,
        block_shift: at.block_bytes.trailing_zeros() as u8,
        body_bytes: body.len() as u32,
        segment: at.segment,
        salt: at.salt,
        sequence: at.sequence,
        offset: at.offset,
        body_crc: crc32c::crc32c(body),
    };
    batch.as_mut_slice()[..BATCH_HEADER_BYTES].copy_from_slice(&header.encode());
    batch.resize(batch.len().next_multiple_of(at.block_bytes));
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(eight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> AlignedBuf {
        let mut batch = AlignedBuf::with_capacity(0);
        begin_batch(&mut batch);
        let seal = Seal::new(7, 3);
        seal.push(
            &mut batch,
            Record {
                kind: Kind::Vote,
                index: 0,
                payload: b"vote",
            },
        );
        seal.push(
            &mut batch,
            Record {
                kind: Kind::Entry,
                index: 9,
                payload: b"entry",
            },
        );
        let at = Position {
            segment: 3,
            salt: 7,
            sequence: 5,
            offset: 512,
            block_bytes: 512,
        };
        finish_batch(&mut batch, at);
        batch
    }

    #[test]
    fn a_batch_is_read_as_it_was_written() {
        let batch = batch();
        assert_eq!(batch.len(), 512);
        let header = BatchHeader::decode(batch.as_slice()).unwrap();
        assert_eq!(
            (header.segment, header.salt, header.sequence, header.offset),
            (3, 7, 5, 512)
        );
        assert_eq!(header.block_shift, 9);
        let body = &batch.as_slice()[BATCH_HEADER_BYTES..][..header.body_bytes as usize];
        assert_eq!(crc32c::crc32c(body), header.body_crc);
        let seal = Seal::new(7, 3);
        let vote = seal.read(body).unwrap();
        assert_eq!((vote.kind, vote.payload), (Kind::Vote, &b"vote"[..]));
        let entry = seal.read(&body[vote.bytes()..]).unwrap();
        assert_eq!(
            (entry.kind, entry.index, entry.payload),
            (Kind::Entry, 9, &b"entry"[..])
        );
        assert_eq!(vote.bytes() + entry.bytes(), body.len());
    }

    #[test]
    fn a_record_of_another_segment_or_another_log_does_not_pass() {
        let batch = batch();
        let body = &batch.as_slice()[BATCH_HEADER_BYTES..];
        assert!(Seal::new(7, 3).read(body).is_ok());
        assert!(Seal::new(7, 4).read(body).is_err());
        assert!(Seal::new(8, 3).read(body).is_err());
    }

    #[test]
    fn every_flipped_bit_of_a_head_or_a_record_is_seen() {
        let batch = batch();
        let used = BATCH_HEADER_BYTES + 2 * RECORD_HEADER_BYTES + 9;
        for bit in 0..used * 8 {
            let mut bytes = batch.as_slice().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let whole = BatchHeader::decode(&bytes).is_some_and(|header| {
                let body = bytes[BATCH_HEADER_BYTES..].get(..header.body_bytes as usize);
                body.is_some_and(|body| crc32c::crc32c(body) == header.body_crc)
            });
            assert!(!whole, "bit {bit}");
        }
    }

    #[test]
    fn cut_off_bytes_are_refused_at_every_length() {
        let batch = batch();
        for length in 0..BATCH_HEADER_BYTES {
            assert_eq!(BatchHeader::decode(&batch.as_slice()[..length]), None);
        }
        let body = &batch.as_slice()[BATCH_HEADER_BYTES..];
        for length in 0..RECORD_HEADER_BYTES + 4 {
            assert!(Seal::new(7, 3).read(&body[..length]).is_err());
        }
    }
}
