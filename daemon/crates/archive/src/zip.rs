//! Compressed snapshots: a zip file of one file, as K3s writes them and as any system opens them.
//!
//! Knows nothing about what is in the file. Memory does not grow with it. Invariant: what is taken
//! out is what was put in, by its CRC, or an error is returned.
//!
//! ```text
//! file   local header | name | deflated bytes | central header | name | end of the directory
//! ```
//! Sizes and CRC are written into the local header once they are known. Reading goes by the central
//! header, so that files are taken too whose writer could not go back.

use std::io::{self, Read, Seek, SeekFrom, Write};

use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
use miniz_oxide::deflate::stream::deflate;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

use crate::ArchiveError;
use crate::limits::{COMPRESSED_BYTES_MAX, NAME_BYTES_MAX};

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const LOCAL_BYTES: usize = 30;
const CENTRAL_BYTES: usize = 46;
const END_BYTES: usize = 22;
/// A comment may stand behind the end.
const COMMENT_BYTES_MAX: usize = 65_535;
/// Version 2.0 of the format: it knows deflate.
const VERSION: u16 = 20;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// The name is UTF-8.
const UTF8: u16 = 1 << 11;
/// The first of January 1980: what the format can say at least. The name says the time.
const DATE: u16 = 33;
/// A regular file, 0600, of a Unix system.
const ATTRIBUTES: u32 = 0o100_600 << 16;
const MADE_BY_UNIX: u16 = 3 << 8;
/// Of ten levels: most of what there is to win, at a fraction of the time.
const LEVEL: i32 = 4;
const WINDOW_BITS: i32 = -15;
const BUFFER_BYTES: usize = 32 * 1024;

/// Compresses what is written into it.
pub struct ZipWriter<W> {
    out: W,
    name: String,
    compressor: Box<CompressorOxide>,
    buffer: Vec<u8>,
    crc: Crc,
    plain_bytes: u64,
    packed_bytes: u64,
}

impl<W: Write + Seek> ZipWriter<W> {
    /// Begins a zip file that holds a file of this name.
    pub fn new(out: W, name: &str) -> io::Result<ZipWriter<W>> {
        let flags = create_comp_flags_from_zip_params(LEVEL, WINDOW_BITS, 0);
        let mut writer = ZipWriter {
            out,
            name: name.to_owned(),
            compressor: Box::new(CompressorOxide::new(flags)),
            buffer: vec![0; BUFFER_BYTES],
            crc: Crc::new(),
            plain_bytes: 0,
            packed_bytes: 0,
        };
        let header = writer.local_header();
        writer.out.write_all(&header)?;
        Ok(writer)
    }

    /// Ends the file, and gives back what it was written to.
    pub fn finish(mut self) -> io::Result<W> {
        loop {
            if self.pump(&[], MZFlush::Finish)?.1 == MZStatus::StreamEnd {
                break;
            }
        }
        let directory = (LOCAL_BYTES + self.name.len()) as u64 + self.packed_bytes;
        let limit = u64::from(u32::MAX);
        if self.plain_bytes > limit || directory > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let central = self.central_header();
        self.out.write_all(&central)?;
        let mut end = Vec::with_capacity(END_BYTES);
        put32(&mut end, END);
        // This disk, that of the directory, entries here, all entries.
        for number in [0, 0, 1, 1] {
            put16(&mut end, number);
        }
        put32(&mut end, central.len() as u32);
        put32(&mut end, directory as u32);
        put16(&mut end, 0);
        self.out.write_all(&end)?;
        self.out.seek(SeekFrom::Start(0))?;
        let header = self.local_header();
        self.out.write_all(&header)?;
        self.out.seek(SeekFrom::End(0))?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn local_header(&self) -> Vec<u8> {
        let mut header = Vec::with_capacity(LOCAL_BYTES + self.name.len());
        put32(&mut header, LOCAL);
        self.put_common(&mut header);
        header.extend_from_slice(self.name.as_bytes());
        header
    }

    fn central_header(&self) -> Vec<u8> {
        let mut header = Vec::with_capacity(CENTRAL_BYTES + self.name.len());
        put32(&mut header, CENTRAL);
        put16(&mut header, MADE_BY_UNIX | VERSION);
        self.put_common(&mut header);
        // Comment, disk, whether it is text.
        for _ in 0..3 {
            put16(&mut header, 0);
        }
        put32(&mut header, ATTRIBUTES);
        // Where the local header is.
        put32(&mut header, 0);
        header.extend_from_slice(self.name.as_bytes());
        header
    }

    fn put_common(&self, header: &mut Vec<u8>) {
        for number in [VERSION, UTF8, DEFLATED, 0, DATE] {
            put16(header, number);
        }
        put32(header, self.crc.sum());
        put32(header, self.packed_bytes as u32);
        put32(header, self.plain_bytes as u32);
        put16(header, self.name.len() as u16);
        put16(header, 0);
    }

    /// Takes some of the bytes; says how many, and how the compressor stands.
    fn pump(&mut self, bytes: &[u8], flush: MZFlush) -> io::Result<(usize, MZStatus)> {
        let result = deflate(&mut self.compressor, bytes, &mut self.buffer, flush);
        // No progress without input or room: not an error.
        let status = match result.status {
            Ok(status) => status,
            Err(MZError::Buf) => MZStatus::Ok,
            Err(error) => return Err(io::Error::other(format!("deflate: {error:?}"))),
        };
        self.out.write_all(&self.buffer[..result.bytes_written])?;
        self.packed_bytes += result.bytes_written as u64;
        Ok((result.bytes_consumed, status))
    }
}

impl<W: Write + Seek> Write for ZipWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        while taken < bytes.len() {
            let (more, _) = self.pump(&bytes[taken..], MZFlush::None)?;
            taken += more;
        }
        self.crc.update(bytes);
        self.plain_bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    /// What is not compressed yet stays: see [`ZipWriter::finish`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a file begins as a zip file does. Leaves the file at its beginning.
pub fn is_zip<F: Read + Seek>(file: &mut F) -> io::Result<bool> {
    file.seek(SeekFrom::Start(0))?;
    let mut magic = Vec::new();
    file.by_ref().take(4).read_to_end(&mut magic)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(magic == LOCAL.to_le_bytes())
}

/// Writes the one file that a zip file holds. Refused where it is longer than
/// [`COMPRESSED_BYTES_MAX`], or longer than it says.
pub fn unzip<F: Read + Seek>(file: &mut F, out: &mut impl Write) -> Result<(), ArchiveError> {
    let entry = entry(file)?;
    file.seek(SeekFrom::Start(entry.start))?;
    let mut packed = file.by_ref().take(entry.packed_bytes);
    let (mut crc, mut plain_bytes) = (Crc::new(), 0);
    let mut take = |bytes: &[u8]| -> Result<(), ArchiveError> {
        plain_bytes += bytes.len() as u64;
        if plain_bytes > entry.plain_bytes {
            return Err(broken("it is longer than it says"));
        }
        crc.update(bytes);
        Ok(out.write_all(bytes)?)
    };
    let (mut input, mut output) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    if entry.method == STORED {
        loop {
            match packed.read(&mut input)? {
                0 => break,
                read => take(&input[..read])?,
            }
        }
    } else {
        let mut state = InflateState::new_boxed(DataFormat::Raw);
        let mut pending = 0..0;
        loop {
            if pending.is_empty() {
                pending = 0..packed.read(&mut input)?;
            }
            let result = inflate(
                &mut state,
                &input[pending.clone()],
                &mut output,
                MZFlush::None,
            );
            pending.start += result.bytes_consumed;
            take(&output[..result.bytes_written])?;
            match result.status {
                Ok(MZStatus::StreamEnd) => break,
                Ok(_) if result.bytes_consumed + result.bytes_written > 0 => {}
                _ => return Err(broken("its bytes cannot be inflated")),
            }
        }
    }
    if plain_bytes != entry.plain_bytes || crc.sum() != entry.crc {
        return Err(broken("its content fails its checksum"));
    }
    Ok(())
}

/// Where the content is.
struct Entry {
    method: u16,
    crc: u32,
    packed_bytes: u64,
    plain_bytes: u64,
    start: u64,
}

fn entry<F: Read + Seek>(file: &mut F) -> Result<Entry, ArchiveError> {
    let length = file.seek(SeekFrom::End(0))?;
    let tail_bytes = length.min((END_BYTES + COMMENT_BYTES_MAX) as u64);
    let tail = read_at(file, length - tail_bytes, tail_bytes as usize)?;
    let end = (0..=tail.len().saturating_sub(END_BYTES))
        .rev()
        .find(|at| u32_at(&tail, *at) == Some(END))
        .ok_or_else(|| broken("it has no directory; it was cut short, or is no zip file"))?;
    let cut = || broken("its directory is cut short");
    if u16_at(&tail, end + 10).ok_or_else(cut)? != 1 {
        return Err(broken("it does not hold exactly one file"));
    }
    let directory = u32_at(&tail, end + 16).ok_or_else(cut)?;
    let central = read_at(file, directory.into(), CENTRAL_BYTES)?;
    if u32_at(&central, 0) != Some(CENTRAL) {
        return Err(broken("its directory is not where it should be"));
    }
    let half = |at| u16_at(&central, at).ok_or_else(cut);
    let word = |at| u32_at(&central, at).ok_or_else(cut);
    let method = half(10)?;
    if half(8)? & 1 != 0 || (method != DEFLATED && method != STORED) {
        return Err(broken(
            "it is encrypted, or compressed in another way than deflate",
        ));
    }
    let (crc, packed, plain, at) = (word(16)?, word(20)?, word(24)?, word(42)?);
    if u64::from(plain) > COMPRESSED_BYTES_MAX || usize::from(half(28)?) > NAME_BYTES_MAX {
        return Err(broken("its content is too large"));
    }
    let local = read_at(file, at.into(), LOCAL_BYTES)?;
    if u32_at(&local, 0) != Some(LOCAL) {
        return Err(broken("its file is not where it should be"));
    }
    let of_local = |at| u16_at(&local, at).map(u64::from).ok_or_else(cut);
    Ok(Entry {
        method,
        crc,
        packed_bytes: packed.into(),
        plain_bytes: plain.into(),
        start: u64::from(at) + LOCAL_BYTES as u64 + of_local(26)? + of_local(28)?,
    })
}

fn read_at<F: Read + Seek>(file: &mut F, at: u64, bytes: usize) -> Result<Vec<u8>, ArchiveError> {
    file.seek(SeekFrom::Start(at))?;
    let mut read = vec![0; bytes];
    match file.read_exact(&mut read) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(broken("it is cut short"))
        }
        outcome => Ok(outcome.map(|()| read)?),
    }
}

fn broken(what: &str) -> ArchiveError {
    ArchiveError::Zip {
        what: what.to_owned(),
    }
}

fn put16(out: &mut Vec<u8>, number: u16) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put32(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|b| u16::from_le_bytes(*b))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|b| u32::from_le_bytes(*b))
}

/// CRC-32 of IEEE 802.3.
struct Crc(u32);

/// What a byte makes of the CRC.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
};

impl Crc {
    fn new() -> Crc {
        Crc(!0)
    }

    fn update(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |sum, byte| {
            TABLE[usize::from(sum as u8 ^ byte)] ^ (sum >> 8)
        });
    }

    fn sum(&self) -> u32 {
        !self.0
    }
}

impl<W> std::fmt::Debug for ZipWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ZipWriter")
            .field("name", &self.name)
            .field("plain_bytes", &self.plain_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn zipped(content: &[u8]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()), "on-demand-n-1").unwrap();
        for piece in content.chunks(7_001) {
            writer.write_all(piece).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    /// Some of it repeats and some does not.
    fn content(bytes: usize) -> Vec<u8> {
        let mut state = 7_u32;
        let mut next = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..bytes)
            .map(|at| if at / 1000 % 3 == 0 { next() } else { b'x' })
            .collect()
    }

    fn unzipped(file: &[u8]) -> Result<Vec<u8>, ArchiveError> {
        let mut out = Vec::new();
        unzip(&mut Cursor::new(file), &mut out).map(|()| out)
    }

    #[test]
    fn what_is_compressed_comes_out_again() {
        for bytes in [0, 1, 5_000, 1_000_000] {
            let content = content(bytes);
            let file = zipped(&content);
            assert!(unzipped(&file).unwrap() == content, "{bytes} bytes");
            assert!(is_zip(&mut Cursor::new(&file)).unwrap());
        }
        assert!(zipped(&content(1_000_000)).len() < 600_000);
        assert!(!is_zip(&mut Cursor::new(b"PK")).unwrap());
    }

    #[test]
    fn a_zip_file_that_is_damaged_is_refused() {
        let file = zipped(&content(50_000));
        for cut in (0..file.len()).step_by(501) {
            assert!(unzipped(&file[..cut]).is_err(), "cut at {cut}");
        }
        for at in (0..file.len()).step_by(97) {
            let mut broken = file.clone();
            broken[at] ^= 0x10;
            // A name or a date may be anything.
            if let Ok(content) = unzipped(&broken) {
                assert!(content == self::content(50_000), "byte {at}");
            }
        }
        let mut two = file.clone();
        let entries = file.len() - END_BYTES + 10;
        two[entries] = 2;
        let error = unzipped(&two).unwrap_err().to_string();
        assert!(error.contains("exactly one file"), "{error}");
    }

    #[test]
    fn the_sum_is_the_one_that_everybody_has() {
        let mut crc = Crc::new();
        crc.update(b"123456789");
        assert_eq!(crc.sum(), 0xcbf4_3926);
    }
}
