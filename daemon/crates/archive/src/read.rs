//! Reading a snapshot: of Skerry, of K3s, or of etcd.
//!
//! Knows nothing about what becomes of it. Invariant: nothing is read of a file whose checksum is
//! wrong; memory does not grow with the file.

use std::io::{Read, Seek, SeekFrom};

use ring::digest::{Context, SHA256};
use skerry_bbolt::Database;

use crate::write::CHECKSUM_BYTES;
use crate::{ArchiveError, Origin};

/// What the length of a database is a multiple of: by what is left over, etcd's tools tell whether
/// a checksum stands behind it.
const SECTOR_BYTES: u64 = 512;
const PIECE_BYTES: usize = 64 * 1024;

/// A snapshot that was found whole.
#[derive(Debug)]
pub struct Opened<F> {
    /// The database in it.
    pub database: Database<F>,
    /// What it says of itself; nothing where it is one of etcd or K3s.
    pub origin: Option<Origin>,
    /// Whether there was a checksum: not in a copy of a stopped etcd's file.
    pub is_proved: bool,
}

/// Opens a snapshot that is not compressed: see [`crate::zip`].
pub fn open<F: Read + Seek>(mut file: F) -> Result<Opened<F>, ArchiveError> {
    let is_proved = is_proved(&mut file)?;
    let mut database = Database::open(file)?;
    Ok(Opened {
        origin: Origin::read(&mut database)?,
        database,
        is_proved,
    })
}

/// Checks the checksum, where there is one.
fn is_proved<F: Read + Seek>(file: &mut F) -> Result<bool, ArchiveError> {
    let length = file.seek(SeekFrom::End(0))?;
    if length % SECTOR_BYTES != CHECKSUM_BYTES {
        return Ok(false);
    }
    file.seek(SeekFrom::Start(0))?;
    let mut left = length - CHECKSUM_BYTES;
    let (mut digest, mut piece) = (Context::new(&SHA256), vec![0; PIECE_BYTES]);
    while left > 0 {
        let bytes = left.min(PIECE_BYTES as u64) as usize;
        file.read_exact(&mut piece[..bytes])?;
        digest.update(&piece[..bytes]);
        left -= bytes as u64;
    }
    let mut wanted = [0; CHECKSUM_BYTES as usize];
    file.read_exact(&mut wanted)?;
    match digest.finish().as_ref() == wanted {
        true => Ok(true),
        false => Err(ArchiveError::Checksum),
    }
}
